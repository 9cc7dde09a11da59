"""The training loop: batches, schedule, validation, checkpoints and resuming.

Every random number of a step (word order within an epoch, dropout) is a function of the seed
and of the step's number. A run that is killed and resumed therefore does what an uninterrupted
one does.
"""

import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.decoding import greedy
from helpers.files import DataError, atomic_write
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
    """

    def __init__(self, features, captions, vocabulary, max_words=25):
        if len(features) != len(captions):
            raise ValueError(f"{len(features)} rows of features for {len(captions)} images")
        self.features = features
        self.rows = np.repeat(np.arange(len(captions)), [len(several) for several in captions])
        self.ids = [vocabulary.encode(c, max_words + 2) for several in captions for c in several]

    def __len__(self):
        return len(self.ids)

    def __getitems__(self, indices):
        """Return a whole batch.

        Inputs: indices: of the batch's examples, (N,)
        Returns: features of I images, (I, ...) float32, and caption ids (N, T) padded; K = N / I
            captions in a row belong to one image
        """
        rows = self.rows[indices]
        K = np.count_nonzero(rows == rows[0])
        images = rows[::K]
        if not np.array_equal(rows, images.repeat(K)):
            images = rows  # each caption with a copy of its image
        features = torch.from_numpy(self.features[images].astype(np.float32))
        return features, torch.from_numpy(pad_captions([self.ids[i] for i in indices]))

    def batches(self, batch_size, seed, epoch):
        """Shuffle images into batches; all captions of an image stand together.

        The images of a batch have the same number of captions, so that they can share features.

        Inputs: batch_size: captions per batch, about; seed, epoch: what the order depends on
        Returns: list of integer arrays of examples, in the order of training
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
        rows = np.asarray(features[start : start + batch_size], dtype=np.float32)
        captions += greedy(model, torch.from_numpy(rows).to(device))
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
    Returns: list of one record per epoch: epoch, loss (nats per caption), images/s, seconds
        of training, and the scores
    Raises: TrainingError naming the step where the loss is not finite; DataError for a
        checkpoint that is broken or of other settings.
    """
    run = _Run(model, examples, settings, folder)
    if resume and run.checkpoint and run.checkpoint.exists():
        run.load()
    device = next(model.parameters()).device
    while not run.finished():
        epoch = len(run.history)
        batches = examples.batches(settings.batch_size, settings.seed, epoch)
        first = run.step - epoch * run.steps_per_epoch
        loader = torch.utils.data.DataLoader(
            examples, batch_sampler=batches[first:], collate_fn=lambda batch: batch
        )
        model.train()
        started, seen = time.perf_counter(), 0
        with tqdm(
            loader, desc=f"epoch {epoch + 1}/{settings.epochs}", unit="batch", leave=False,
            initial=first, total=len(batches), disable=not progress,
        ) as bar:  # fmt: skip
            for features, captions in bar:
                loss = run.update(features.to(device), captions.to(device))
                seen += len(captions)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        seconds = time.perf_counter() - started
        record = {
            "epoch": epoch + 1,
            "loss": run.loss_sum / len(examples),
            "captions/s": round(seen / seconds, 1),
            "seconds": round(seconds, 1),
            **validate(run.averaged.module),
        }
        run.finish_epoch(record, on_best)
        if progress:
            tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in record.items()))
    model.load_state_dict(run.best_weights)
    model.eval()
    return run.history


class _Run:
    """The state of a training run, and its checkpoint on disk."""

    def __init__(self, model, examples, settings, folder):
        self.model, self.settings = model, settings
        self.steps_per_epoch = len(examples.batches(settings.batch_size, settings.seed, 0))
        self.optimizer = torch.optim.AdamW(
            model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.learning_rate, pct_start=0.1, cycle_momentum=False,
            total_steps=settings.epochs * self.steps_per_epoch,
        )  # fmt: skip
        # Polyak and Juditsky 1992; the decay starts small so that the first weights fade
        self.averaged = torch.optim.swa_utils.AveragedModel(
            model, avg_fn=lambda mean, new, n: new.lerp(mean, min(settings.averaging, n / (10 + n)))
        )
        self.step, self.loss_sum, self.history = 0, 0.0, []
        self.best_score, self.best_weights, self.best_epoch = -math.inf, None, 0
        self.checkpoint = Path(folder) / "last.pt" if folder else None

    def finished(self):
        """Tell whether the epochs or the patience are used up."""
        epochs = len(self.history)
        return epochs >= self.settings.epochs or epochs - self.best_epoch >= self.settings.patience

    def update(self, features, captions):
        """Take one step. Returns: the batch's loss, in nats per caption."""
        set_seed(self.settings.seed, self.step)
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(features.device.type, torch.bfloat16, enabled=bf16):
            loss = self.model(features, captions, self.settings.label_smoothing)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss is {loss.item()} at step {self.step}; try a smaller learning rate"
            )
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        self.loss_sum += loss.item() * len(captions)
        return loss.item()

    def finish_epoch(self, record, on_best):
        """Note an epoch's record, keep its weights where it is the best, write the checkpoint."""
        self.history.append(record)
        self.loss_sum = 0.0
        score, averaged = list(record.values())[-1], self.averaged.module
        if score > self.best_score:
            self.best_score, self.best_epoch = score, len(self.history)
            self.best_weights = {k: v.clone() for k, v in averaged.state_dict().items()}
            if on_best:
                on_best(averaged, record)
        if self.checkpoint:
            self.save()

    def save(self):
        """Write last.pt and log.jsonl, each whole or not at all."""
        state = {name: getattr(self, name) for name in self._fields}
        state |= {name: getattr(self, name).state_dict() for name in self._modules}
        state |= self._identity()
        with atomic_write(self.checkpoint) as path:
            torch.save(state, path)
        with atomic_write(self.checkpoint.with_name("log.jsonl")) as path:
            path.write_text("".join(json.dumps(record) + "\n" for record in self.history))

    def load(self):
        """Read last.pt; refuse one that another model or other settings wrote."""
        remedy = "train into another folder, or without --resume"
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            for name in self._modules:
                getattr(self, name).load_state_dict(state[name])
        except Exception as error:  # torch raises many kinds for a broken file
            raise DataError(f"{self.checkpoint}: cannot resume ({error}); {remedy}") from error
        for name, value in self._identity().items():
            if state[name] != value:
                raise DataError(f"{self.checkpoint}: written with another {name}; {remedy}")
        for name in self._fields:
            setattr(self, name, state[name])

    def _identity(self):
        """Return what a checkpoint must share with this run."""
        words = self.model.vocabulary.idx_to_word
        return {"settings": dataclasses.asdict(self.settings), "vocabulary": words}

    _modules = ("model", "averaged", "optimizer", "schedule")
    _fields = ("step", "loss_sum", "history", "best_score", "best_weights", "best_epoch")
