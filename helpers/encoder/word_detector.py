"""Which words of captions a picture shows, and where: a linear layer on an encoder's features.

Fang et al. 2015, "From Captions to Visual Concepts and Back"; for the maps, Zhou et al. 2016,
"Learning Deep Features for Discriminative Localization".
"""

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from helpers.files import DataError, read_json, write_json
from helpers.files.tensors import fill, read_tensors, write_tensors

WORDS, TENSORS = "words.json", "words.safetensors"


class WordDetector(nn.Module):
    """Score each of W words at each position; one good position is enough.

        p(word | picture) = sigmoid(log mean over positions of exp(score))

    Inputs:
        words: list of W str
        channels: C, of the encoder's features
        frequency: share of the training captions that hold each word, (W,)
    """

    mean: torch.Tensor
    std: torch.Tensor
    frequency: torch.Tensor

    def __init__(self, words, channels, frequency=None):
        super().__init__()
        self.rows = {word: row for row, word in enumerate(words)}
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        even = torch.full((len(words),), 0.5)
        self.register_buffer("frequency", even if frequency is None else frequency)
        self.words = nn.Linear(channels, len(words))

    def forward(self, features, kept=1.0):
        """Inputs: features (N, P, C); kept: 0 where a channel is dropped. Returns: (N, P, W)."""
        return self.words((features - self.mean) / self.std * kept)

    def logits(self, features, kept=1.0):
        """Return the log-odds that a caption of the picture holds each word, (N, W)."""
        scores = self(features, kept)
        return scores.logsumexp(1) - math.log(scores.shape[1])

    def probabilities(self, features):
        """Return how probable each word is in a caption of the picture, (N, W)."""
        return self.logits(features).sigmoid()

    @torch.no_grad()
    def information(self, features):
        """Return the pointwise mutual information of picture and word, (N, W), in nats.

        From features (N, P, C): log p(word | picture) - log p(word), what the picture adds.
        """
        return logsigmoid(self.logits(features)) - self.frequency.log()

    def information_of(self, probabilities):
        """Return the same from p(word | picture), (N, W), as `probabilities` returns it."""
        return probabilities.clamp(min=1e-7).log() - self.frequency.log()

    @torch.inference_mode()
    def maps(self, features, words):
        """Tell where words, a list of T str, are seen in one picture of features (P, C).

        Returns: array (T, P), each row positive with sum 1: the softmax over positions of the
            word's scores, the same everywhere for a word that was not learned
        """
        scores = self(features[None])[0].T  # (W, P)
        even = torch.zeros_like(scores[0])
        rows = [scores[self.rows[word]] if word in self.rows else even for word in words]
        return torch.stack(rows).softmax(1).cpu().numpy()

    def save(self, folder):
        """Write what `load_word_detector` reads. Inputs: folder: pathlib.Path."""
        write_json(folder / WORDS, {"words": list(self.rows)})
        tensors = self.state_dict()
        write_tensors(folder / TENSORS, {name: tensors[name].half() for name in tensors})


def load_word_detector(folder):
    """Read the WordDetector that `save` wrote into a folder; None where there is none.

    Raises: DataError naming the file that is damaged or does not fit the other
    """
    if not (folder / TENSORS).exists():
        return None
    tensors, content = read_tensors(folder / TENSORS), read_json(folder / WORDS)
    words = content.get("words") if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{folder / WORDS}: holds no list of words; fetch it again")
    detector = WordDetector(words, tensors.get("mean", torch.zeros(0)).numel())
    return fill(detector, tensors, folder / TENSORS).eval()
