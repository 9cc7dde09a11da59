"""The training loop: batches, schedule, validation, checkpoints and resuming.

Every random number of a step is a function of the seed and of the step's number: a run that is
killed and resumed does what an uninterrupted one does, and so do several processes together.
"""

import contextlib
import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.decoding import greedy
from helpers.features import ahead, read_rows
from helpers.files import DataError, atomic_write, remove_leftovers
from helpers.layers import prepare_process
from helpers.metrics import bleu
from helpers.self_critical import CiderReward, sampled_captions
from helpers.settings import TrainingError
from helpers.training import distributed

SMALLER = "try a smaller learning rate"


def set_seed(*numbers):
    """Seed torch's global generators (dropout, initial weights) from integers; return the seed."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0].item()
    torch.manual_seed(seed)
    return seed


def validation_scores(model, features, references, metric=bleu, batch_size=256, decoder=None):
    """Caption images greedily and score the captions: never with the true words as input.

    Inputs: model: CaptioningRNN; features: one row per image, (I, ...); references: for each image
        a list of captions (text); metric: as `metrics.score_captions`; decoder: `Captioner.decoder`
        or alike, which returns what decodes some features; None for the model
    Returns: dict from the metric's names to scores
    """
    model.eval()
    device, captions = next(model.parameters()).device, []
    for rows in torch.arange(len(features)).split(batch_size):
        batch = torch.from_numpy(read_rows(features, rows.numpy())).to(device)
        captions += greedy(decoder(batch) if decoder else model, batch)
    return metric(references, [caption.text for caption in captions])


def train(
    model, examples, validate, settings, folder=None, resume=False, on_best=None, progress=True,
    decides="BLEU-4", voted=None,
):  # fmt: skip
    """Train a captioner; leave it with the weights of the best validated epoch.

    Inputs:
        model: CaptioningRNN, on the device to train on
        examples, settings: CaptionExamples, TrainingSettings
        validate: function of the model that returns a dict of scores
        folder: where log.jsonl and last.pt are kept; None to keep nothing
        resume: go on from the folder's last.pt, where there is one
        on_best: called with the model and the epoch's record after each best epoch
        decides: the score whose largest value makes an epoch the best
        voted: for self-critical training where a word detector has a vote: function from rows of
            images to the FusedCaptioner of the model that describes these
    Returns: list of one record per epoch: epoch, loss (nats per caption) or, in self-critical
        training, reward (CIDEr-D of the sampled captions), captions/s, seconds, waited (share of
        them in which the data were not ready), and the scores
    Raises: TrainingError naming the step where the loss is not finite, or the checkpoint that
        cannot be written; DataError for a checkpoint that is broken or of other settings;
        ValueError for a score that `validate` does not return.
    """
    prepare_process()
    run = _Run(model, examples, settings, folder, voted)
    if resume and run.checkpoint and run.checkpoint.exists():
        run.load()
    progress = progress and distributed.is_first()
    with _denormals_flushed():
        while len(run.history) < min(settings.epochs, run.best_epoch + settings.patience):
            _train_epoch(run, examples, progress)
            record = distributed.agree(lambda: run.record() | validate(run.averaged.module))
            if decides not in record:
                raise ValueError(f"decides must be one of {', '.join(record)}, not {decides!r}")
            run.finish_epoch(record, record[decides], on_best)
            if progress:
                tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in record.items()))
    model.load_state_dict(run.best_weights)
    model.eval()
    return run.history


@contextlib.contextmanager
def _denormals_flushed():
    """Take numbers below 1e-38 for 0: a processor spends a hundred times as long on them."""
    before = torch.tensor(1e-40).mul(1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)  # others, such as property tests, need them


def _train_epoch(run, examples, progress):
    """Take the steps of an epoch that a run has not taken yet."""
    settings, epoch = run.settings, len(run.history)
    device = next(run.model.parameters()).device
    batches = examples.batches(settings.batch_size, settings.seed, epoch)
    first = run.step - epoch * run.steps_per_epoch

    def load(batch):
        images, captions = examples.batch(batch)
        share = distributed.share(len(images), len(images) * settings.samples or len(captions))
        images = images[share.images]
        return share, images, examples.read(images), captions[share.captions]

    run.model.train(not settings.samples)  # captions are learned from what they were said of
    with tqdm(
        total=len(batches), initial=first, desc=f"epoch {epoch + 1}/{settings.epochs}",
        unit="batch", leave=False, disable=not progress,
    ) as bar:  # fmt: skip
        ended = time.perf_counter()
        for share, images, features, captions in ahead(load, batches[first:]):
            run.waited += time.perf_counter() - ended
            value = run.update(features.to(device), captions.to(device), images, share)
            bar.set_postfix({run.measure: f"{value:.3f}"}, refresh=False)
            bar.update()
            run.seconds += time.perf_counter() - ended
            ended = time.perf_counter()
            if time.monotonic() - run.saved_at > settings.save_seconds:
                run.save()


class _Run:
    """The state of a training run, and its checkpoint on disk."""

    def __init__(self, model, examples, settings, folder, voted):
        self.voted = voted
        self.model, self.settings, self.captions = model, settings, len(examples)
        self.reward = CiderReward(examples.references()) if settings.samples else None
        self.measure = "reward" if settings.samples else "loss"
        self.steps_per_epoch = len(examples.batches(settings.batch_size, settings.seed, 0))
        groups = []
        for tail, rate in ((False, settings.learning_rate), (True, settings.encoder_learning_rate)):
            named = model.named_parameters()
            weights = [weight for name, weight in named if name.startswith("tail.") == tail]
            groups += [{"params": weights, "lr": rate}] if weights else []
        self.optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        steps = settings.epochs * self.steps_per_epoch
        rising = 0.2 if steps == 10 else 0.1  # a rise of exactly one step divides by zero
        peaks = [group["lr"] for group in groups]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, peaks, steps, pct_start=rising, cycle_momentum=False
        )
        # Polyak and Juditsky 1992; the decay starts small so that the first weights fade
        self.averaged = torch.optim.swa_utils.AveragedModel(
            model, avg_fn=lambda mean, new, n: new.lerp(mean, min(settings.averaging, n / (10 + n)))
        )
        self.network = distributed.distribute(model)
        self.step, self.history = 0, []
        self.sum, self.seen, self.seconds, self.waited = 0.0, 0, 0.0, 0.0  # in this epoch
        self.best_score, self.best_weights, self.best_epoch = -math.inf, None, 0
        self.checkpoint = folder and Path(folder) / "last.pt"
        self.saved_at = time.monotonic()
        if folder and distributed.is_first():
            remove_leftovers(folder)

    def update(self, features, captions, images, share):
        """Take one step with this process's share. Returns: the batch's loss or reward."""
        settings = self.settings
        smoothing, weights, votes, value = settings.label_smoothing, None, (), None
        if self.reward:
            seed = set_seed(settings.seed, self.step, distributed.rank())
            features = self.model.drop(features)
            speaker = self.voted(images) if self.voted else self.model
            how = self.reward, images, settings.samples, seed, settings.max_words
            try:
                captions, weights, value = sampled_captions(speaker, features, *how)
            except FloatingPointError as error:
                raise TrainingError(f"{error} at step {self.step}; {SMALLER}") from error
            smoothing = 0.0
            votes = (speaker.votes(captions[:, :-1]),) if self.voted else ()
        set_seed(settings.seed, self.step)
        distributed.SharedDropout.share = share
        bf16 = settings.precision == "bf16"
        with torch.autocast(features.device.type, torch.bfloat16, enabled=bf16):
            loss = self.network(features, captions, smoothing, weights, *votes) * share.weight
        if not math.isfinite(distributed.mean(loss.item())):
            raise TrainingError(f"the loss is {loss.item()} at step {self.step}; {SMALLER}")
        value = distributed.mean(loss.item() if value is None else value * share.weight)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        self.seen += share.total
        self.sum += value * share.total
        return value

    def record(self):
        """Return what the epoch that ends now was like."""
        return {
            "epoch": len(self.history) + 1,
            self.measure: self.sum / self.seen,
            "captions/s": round(self.seen / self.seconds, 1),
            "seconds": round(self.seconds, 1), "waited": round(self.waited / self.seconds, 3),
        }  # fmt: skip

    def finish_epoch(self, record, score, on_best):
        """Note an epoch's record, keep its weights where its score is the best, and save."""
        self.history.append(record)
        self.sum, self.seen, self.seconds, self.waited = 0.0, 0, 0.0, 0.0
        averaged = self.averaged.module
        if score > self.best_score:
            self.best_score, self.best_epoch = score, len(self.history)
            self.best_weights = {k: v.clone() for k, v in averaged.state_dict().items()}
            if on_best and distributed.is_first():
                on_best(averaged, record)
        self.save()

    def save(self):
        """Write last.pt and log.jsonl, each whole or not at all, where a folder was given."""
        self.saved_at = time.monotonic()
        if not self.checkpoint or not distributed.is_first():
            return
        state = {name: getattr(self, name) for name in self._fields}
        state |= {name: getattr(self, name).state_dict() for name in self._modules}
        state |= self._identity()
        try:
            with atomic_write(self.checkpoint) as path:
                torch.save(state, path)
            with atomic_write(self.checkpoint.with_name("log.jsonl")) as path:
                path.write_text("".join(json.dumps(record) + "\n" for record in self.history))
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            raise TrainingError(
                f"{self.checkpoint}: cannot be written ({error}); the one before is whole: "
                "free some space, and go on with --resume"
            ) from error

    def load(self):
        """Read last.pt; refuse one that another model, other settings or other data wrote."""
        remedy = "resume it with what it was written with, or train into another folder"
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            if others := self._differences(state):
                raise DataError(f"{self.checkpoint}: written with {', '.join(others)}; {remedy}")
            for name in self._modules:
                getattr(self, name).load_state_dict(state[name])
            for name in self._fields:
                setattr(self, name, state[name])
        except DataError:
            raise
        except Exception as error:  # torch raises many kinds for a broken file
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{self.checkpoint}: cannot resume ({reason}); {remedy}") from error

    def _differences(self, state):
        """List in words how a checkpoint's run differs from this one."""
        settings, own = dict(state["settings"]), self._identity()
        others = [
            f"{name} {settings.get(name)}, not {value}"
            for name, value in own["settings"].items() if settings.get(name) != value
        ]  # fmt: skip
        theirs, ours = (
            {name: weight.shape for name, weight in weights.items()}
            for weights in (state["model"], self.model.state_dict())
        )
        others += ["a model of other sizes"] if theirs != ours else []
        names = ("vocabulary", "number of captions")
        return others + [f"another {name}" for name in names if state[name] != own[name]]

    def _identity(self):
        """Return what a checkpoint must share with this run."""
        settings = dataclasses.asdict(self.settings)
        del settings["save_seconds"]
        words = self.model.vocabulary.idx_to_word
        return {"settings": settings, "vocabulary": words, "number of captions": self.captions}

    _modules = ("model", "averaged", "optimizer", "schedule")
    _fields = (
        "step", "history", "sum", "seen", "seconds", "waited", "best_score", "best_weights",
        "best_epoch",
    )  # fmt: skip
