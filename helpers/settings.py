"""The options of training and decoding. Nothing heavy is imported here: `--help` shows them.

AdamW (Loshchilov and Hutter 2019) in one cycle of learning rates (Smith and Topin 2019), gradients
clipped (Pascanu, Mikolov and Bengio 2013), weights averaged (Polyak and Juditsky 1992).
"""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the checkout
DATA = ROOT / "data"  # what is downloaded, drawn or cached
PRETRAINED = ROOT / "pretrained"  # the shipped captioners

LENGTH_PENALTY = 0.7  # of a beam's best captions; with none, a beam prefers short captions
MIN_COUNT = 5  # a word seen less often in the captions for training becomes <UNK>


# Where the numbers may lie that people type or pass on; "(" and ")" leave the end out.
RANGES = {
    "aside": "[0, inf)", "averaging": "[0, 1)", "batch_size": "[1, inf)", "beam": "[1, 1000]",
    "beams": "[1, 1000]", "clip_norm": "(0, inf)", "dropout": "[0, 1)",
    "encoder_learning_rate": "(0, inf)", "epochs": "[1, inf)", "examples": "[0, inf)",
    "folds": "[0, 100]", "hidden_dim": "[1, 65536]", "image_size": "[1, 4096]",
    "images": "[1, inf)", "label_smoothing": "[0, 1)", "learning_rate": "(0, inf)",
    "length_penalty": "(-inf, inf)", "limit": "[1, inf)", "max_words": "[1, 1000]",
    "min_count": "[1, inf)", "no_repeat_ngram": "[0, inf)", "patience": "[1, inf)",
    "per_image": "[1, inf)", "samples": "[0, 1000]", "save_seconds": "(0, inf)",
    "seed": "[0, 1e18]", "soup": "[1, 100]", "stride": "[2, 32]", "temperature": "(0, inf)",
    "top_p": "(0, 1]", "views": "[1, 1000]", "weight_decay": "[0, inf)",
    "wordvec_dim": "[1, 65536]",
}  # fmt: skip


def check_range(name, value, called=None):
    """Check a number against `RANGES`; None passes; called: what to call it, else its name.

    Raises: TypeError or ValueError naming it and its range
    """
    interval = RANGES[name]
    if value is None:
        return
    if not isinstance(value, (int, float)):
        raise TypeError(f"{called or name} must be a number in {interval}, not {value!r}")
    low, high = map(float, interval[1:-1].split(","))
    ends = {low} if interval[0] == "[" else set()
    ends |= {high} if interval[-1] == "]" else set()
    if not (low < value < high or value in ends):  # so written, it refuses NaN too
        raise ValueError(f"{called or name} must be in {interval}, not {value}")


class TrainingError(RuntimeError):
    """Training cannot go on; the last checkpoint is whole."""


def _option(default, text):
    return field(default=default, metadata={"help": text})


@dataclass
class TrainingSettings:
    """How to train. Every field is an option of `train`. Raises: ValueError naming a field."""

    epochs: int = _option(12, "passes over all captions, at most")
    batch_size: int = _option(128, "captions per step")
    learning_rate: float = _option(1e-3, "peak of the one-cycle schedule")
    encoder_learning_rate: float = _option(2e-4, "peak for the layers that `finetune` teaches")
    weight_decay: float = _option(1e-2, "of AdamW")
    label_smoothing: float = _option(0.1, "share of the target spread over all words, in [0, 1)")
    samples: int = _option(0, "captions to sample per image and to learn from by their CIDEr-D "
        "(self-critical training); 0 to learn from people's captions")  # fmt: skip
    clip_norm: float = _option(5.0, "largest norm of the gradient of all weights")
    max_words: int = _option(25, "longer captions are cut")
    averaging: float = _option(0.0, "decay of the running mean of the weights, 0 for none")
    precision: str = _option("float32", "float32, or bf16 for mixed precision")
    patience: int = _option(3, "stop after so many epochs without a better validation score")
    seed: int = _option(0, "of all random numbers")
    save_seconds: float = _option(300.0, "write a checkpoint this often within an epoch")

    def __post_init__(self):
        for name, value in vars(self).items():
            if name in RANGES:
                check_range(name, value)
        if self.samples == 1:  # one has no others to be compared with
            raise ValueError("samples must be 0, or 2 or more, not 1")
        if self.precision not in ("float32", "bf16"):
            raise ValueError(f"precision must be float32 or bf16, not {self.precision!r}")
