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


class TrainingError(RuntimeError):
    """Training cannot go on; the last checkpoint is whole."""


def _option(default, text):
    return field(default=default, metadata={"help": text})


@dataclass
class TrainingSettings:
    """How to train. Every field is an option of `python -m helpers train`.

    Raises: ValueError naming a field that is out of range.
    """

    epochs: int = _option(12, "passes over all captions, at most")
    batch_size: int = _option(128, "captions per step")
    learning_rate: float = _option(1e-3, "peak of the one-cycle schedule")
    encoder_learning_rate: float = _option(2e-4, "peak for the layers that `finetune` teaches")
    weight_decay: float = _option(1e-2, "of AdamW")
    label_smoothing: float = _option(0.1, "share of the target spread over all words, in [0, 1)")
    samples: int = _option(
        0,
        "captions to sample per image and to learn from by their CIDEr-D "
        "(self-critical training); 0 to learn from people's captions",
    )
    clip_norm: float = _option(5.0, "largest norm of the gradient of all weights")
    max_words: int = _option(25, "longer captions are cut")
    averaging: float = _option(0.0, "decay of the running mean of the weights, 0 for none")
    precision: str = _option("float32", "float32, or bf16 for mixed precision")
    patience: int = _option(3, "stop after so many epochs without a better validation score")
    seed: int = _option(0, "of all random numbers")
    save_seconds: float = _option(300.0, "write a checkpoint this often within an epoch")

    def __post_init__(self):
        positive = ("epochs", "batch_size", "learning_rate", "encoder_learning_rate", "clip_norm")
        for name in (*positive, "max_words", "patience", "save_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.samples < 0 or self.samples == 1:  # one has no others to be compared with
            raise ValueError(f"samples must be 0, or 2 or more, not {self.samples}")
        for name in ("label_smoothing", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        if self.precision not in ("float32", "bf16"):
            raise ValueError(f"precision must be float32 or bf16, not {self.precision!r}")
