"""The training loop: batches, schedule, validation, checkpoints and resuming.

Every random number of a step (word order within an epoch, dropout) is a function of the seed
and of the step's number. A run that is killed and resumed therefore does what an uninterrupted
one does, and so do several processes that share the batches (see `distributed`).
"""

import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers import distributed
from helpers.decoding import greedy
from helpers.features import ahead, read_rows
from helpers.files import DataError, atomic_write, remove_leftovers
from helpers.metrics import bleu
from helpers.settings import TrainingError
from helpers.vocabulary import pad_captions


def set_seed(seed, *more):
    """Seed torch's global generators (dropout, initial weights) from some integers."""
    torch.manual_seed(np.random.SeedSequence([seed, *more]).generate_state(1, np.uint64)[0].item())


class CaptionExamples(torch.utils.data.Dataset):
    """One example per caption: the image's features and the caption's ids.

    Inputs:
        features: array or memory map, one row per image, (I, ...)
        captions: for each image a list of captions (text)
        vocabulary: Vocabulary
        max_words: longer captions are cut
    Raises: ValueError when the numbers of images differ
    """

    def __init__(self, features, captions, vocabulary, max_words=25):
        if len(features) != len(captions):
            raise ValueError(f"{len(features)} rows of features for {len(captions)} images")
        self.features = features
        self.rows = np.repeat(np.arange(len(captions)), [len(several) for several in captions])
        self.ids = [vocabulary.encode(c, max_words + 2) for several in captions for c in several]

    def __len__(self):
        return len(self.ids)

    def batch(self, indices):
        """Say what a batch is made of.

        Inputs: indices: of the batch's examples, (N,)
        Returns: rows of I images, (I,), and caption ids (N, T) padded; K = N / I captions in a row
            belong to one image
        """
        rows = self.rows[indices]
        K = np.count_nonzero(rows == rows[0])
        images = rows[::K]
        if not np.array_equal(rows, images.repeat(K)):
            images = rows  # each caption with a copy of its image
        return images, torch.from_numpy(pad_captions([self.ids[i] for i in indices]))

    def read(self, images):
        """Read features. Inputs: images: rows of I images. Returns: tensor (I, ...), float32."""
        return torch.from_numpy(read_rows(self.features, images))

    def __getitems__(self, indices):
        """Return a whole batch: features (I, ...) and caption ids (N, T), see `batch`."""
        images, captions = self.batch(indices)
        return self.read(images), captions

    def batches(self, batch_size, seed, epoch):
        """Shuffle images into batches; all captions of an image stand together.

        The images of a batch have the same number of captions, so that they can share features.

        Inputs: batch_size: captions per batch, about; seed, epoch: what the order depends on
        Returns: list of integer arrays of examples, (N,) each, in the order of training
        """
        rng = np.random.default_rng([seed, epoch])
        _, starts, counts = np.unique(self.rows, return_index=True, return_counts=True)
        batches = []
        for K in np.unique(counts):
            first = rng.permutation(starts[counts == K])  # of each image's K captions
            images = max(1, batch_size // K)
            for several in np.split(first, np.arange(images, len(first), images)):
                batches.append((several[:, None] + np.arange(K)).ravel())
        return [batches[i] for i in rng.permutation(len(batches))]


def validation_scores(model, features, references, batch_size=256):
    """Caption images greedily and score the captions: never with the true words as input.

    Inputs:
        model: CaptioningRNN
        features: one row per image, (I, ...)
        references: for each image a list of captions (text)
    Returns: dict from "BLEU-1" ... "BLEU-4" to a score in [0, 1]
    """
    model.eval()
    device = next(model.parameters()).device
    captions = []
    for start in range(0, len(features), batch_size):
        rows = np.arange(start, min(start + batch_size, len(features)))
        captions += greedy(model, torch.from_numpy(read_rows(features, rows)).to(device))
    return bleu(references, [caption.text for caption in captions])


def train(model, examples, validate, settings, folder=None, resume=False, on_best=None,
          progress=True):  # fmt: skip
    """Train a captioner; leave it with the weights of the best validated epoch.

    Inputs:
        model: CaptioningRNN, on the device to train on
        examples: CaptionExamples
        validate: function of the model that returns a dict of scores; its last one decides
        settings: TrainingSettings
        folder: where log.jsonl and last.pt are kept; None to keep nothing
        resume: go on from the folder's last.pt, where there is one
        on_best: called with the model and the epoch's record after each best epoch
        progress: show a progress bar
    Returns: list of one record per epoch: epoch, loss (nats per caption), captions/s, seconds
        of training, waited (share of them in which the data were not ready), and the scores
    Raises: TrainingError naming the step where the loss is not finite, or the checkpoint that
        cannot be written; DataError for a checkpoint that is broken or of other settings.
    """
    run = _Run(model, examples, settings, folder)
    if resume and run.checkpoint and run.checkpoint.exists():
        run.load()
    progress = progress and distributed.is_first()
    while not run.finished():
        _train_epoch(run, examples, progress)
        record = distributed.agree(lambda: run.record() | validate(run.averaged.module))
        run.finish_epoch(record, on_best)
        if progress:
            tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in record.items()))
    model.load_state_dict(run.best_weights)
    model.eval()
    return run.history


def _train_epoch(run, examples, progress):
    """Take the steps of an epoch that a run has not taken yet."""
    settings, epoch = run.settings, len(run.history)
    device = next(run.model.parameters()).device
    batches = examples.batches(settings.batch_size, settings.seed, epoch)
    first = run.step - epoch * run.steps_per_epoch

    def load(batch):
        images, captions = examples.batch(batch)
        share = distributed.share(len(images), len(captions))
        return share, examples.read(images[share.images]), captions[share.captions]

    run.model.train()
    bar = tqdm(
        total=len(batches), initial=first, desc=f"epoch {epoch + 1}/{settings.epochs}",
        unit="batch", leave=False, disable=not progress,
    )  # fmt: skip
    with bar:
        ended = time.perf_counter()
        for share, features, captions in ahead(load, batches[first:]):
            run.waited += time.perf_counter() - ended
            loss = run.update(features.to(device), captions.to(device), share)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
            run.seconds += time.perf_counter() - ended
            ended = time.perf_counter()
            if time.monotonic() - run.saved_at > settings.save_seconds:
                run.save()


class _Run:
    """The state of a training run, and its checkpoint on disk."""

    def __init__(self, model, examples, settings, folder):
        self.model, self.settings, self.captions = model, settings, len(examples)
        self.steps_per_epoch = len(examples.batches(settings.batch_size, settings.seed, 0))
        self.optimizer = torch.optim.AdamW(
            model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        steps = settings.epochs * self.steps_per_epoch
        rising = 0.2 if steps == 10 else 0.1  # a rise of exactly one step divides by zero
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.learning_rate, steps, pct_start=rising, cycle_momentum=False
        )
        # Polyak and Juditsky 1992; the decay starts small so that the first weights fade
        self.averaged = torch.optim.swa_utils.AveragedModel(
            model, avg_fn=lambda mean, new, n: new.lerp(mean, min(settings.averaging, n / (10 + n)))
        )
        self.network = distributed.distribute(model)
        self.step, self.history = 0, []
        self.loss_sum, self.seen, self.seconds, self.waited = 0.0, 0, 0.0, 0.0  # in this epoch
        self.best_score, self.best_weights, self.best_epoch = -math.inf, None, 0
        self.checkpoint = folder and Path(folder) / "last.pt"
        self.saved_at = time.monotonic()
        if folder and distributed.is_first():
            remove_leftovers(folder)

    def finished(self):
        """Tell whether the epochs or the patience are used up."""
        epochs = len(self.history)
        return epochs >= self.settings.epochs or epochs - self.best_epoch >= self.settings.patience

    def update(self, features, captions, share):
        """Take one step with this process's share. Returns: the batch's loss, nats per caption."""
        set_seed(self.settings.seed, self.step)
        distributed.take_share(self.model, share)
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(features.device.type, torch.bfloat16, enabled=bf16):
            loss = self.network(features, captions, self.settings.label_smoothing) * share.weight
        value = distributed.mean(loss.item())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self.step}; try a smaller learning rate"
            )
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        self.seen += share.total
        self.loss_sum += value * share.total
        return value

    def record(self):
        """Return what the epoch that ends now was like."""
        return {
            "epoch": len(self.history) + 1,
            "loss": self.loss_sum / self.captions,
            "captions/s": round(self.seen / self.seconds, 1),
            "seconds": round(self.seconds, 1),
            "waited": round(self.waited / self.seconds, 3),
        }

    def finish_epoch(self, record, on_best):
        """Note an epoch's record, keep its weights where it is the best, write the checkpoint."""
        self.history.append(record)
        self.loss_sum, self.seen, self.seconds, self.waited = 0.0, 0, 0.0, 0.0
        score, averaged = list(record.values())[-1], self.averaged.module
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
        remedy = "train into another folder, or without --resume"
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            others = [name for name, value in self._identity().items() if state[name] != value]
            if not others:
                for name in self._modules:
                    getattr(self, name).load_state_dict(state[name])
                for name in self._fields:
                    setattr(self, name, state[name])
        except Exception as error:  # torch raises many kinds for a broken file
            raise DataError(f"{self.checkpoint}: cannot resume ({error}); {remedy}") from error
        if others:
            raise DataError(f"{self.checkpoint}: written with another {others[0]}; {remedy}")

    def _identity(self):
        """Return what a checkpoint must share with this run."""
        settings = dataclasses.asdict(self.settings)
        del settings["save_seconds"]
        words = self.model.vocabulary.idx_to_word
        return {"settings": settings, "vocabulary": words, "number of captions": self.captions}

    _modules = ("model", "averaged", "optimizer", "schedule")
    _fields = (
        "step", "history", "loss_sum", "seen", "seconds", "waited", "best_score", "best_weights",
        "best_epoch",
    )  # fmt: skip
