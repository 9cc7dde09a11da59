"""Where in a picture an encoder sees a word: a score for each position, learned by `finetune`."""

import torch
from torch import nn

from helpers.files import DataError, read_json, write_json
from helpers.files.tensors import fill, read_tensors, write_tensors

TENSORS, WORDS = "words.safetensors", "words.json"


class WordFinder(nn.Module):
    """A linear layer that scores how much each position of a picture shows each of W words.

    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization".

    Inputs: words: list of W str; channels: C, of the encoder's features
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, words, channels):
        super().__init__()
        self.rows = {word: row for row, word in enumerate(words)}
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.words = nn.Linear(channels, len(words))

    def forward(self, features):
        """Inputs: features, (N, P, C). Returns: scores, (N, P, W)."""
        return self.words((features - self.mean) / self.std)

    @torch.inference_mode()
    def maps(self, features, words):
        """Tell where words are seen in one picture.

        Inputs: features: of the picture, (P, C); words: list of T str
        Returns: array (T, P), each row positive with sum 1: the softmax over positions of the
            word's scores, the same everywhere for a word that was not learned
        """
        scores = self(features[None])[0].T  # (W, P)
        even = torch.zeros_like(scores[0])
        rows = [scores[self.rows[word]] if word in self.rows else even for word in words]
        return torch.stack(rows).softmax(1).cpu().numpy()

    def save(self, folder):
        """Write what `load_word_finder` reads. Inputs: folder: pathlib.Path."""
        write_json(folder / WORDS, {"words": list(self.rows)})
        tensors = self.state_dict()
        write_tensors(folder / TENSORS, {name: tensors[name].half() for name in tensors})


def load_word_finder(folder):
    """Read what `WordFinder.save` wrote into a folder (pathlib.Path); None where it has none.

    Raises: DataError naming the file that is damaged or does not fit the other
    """
    if not (folder / TENSORS).exists():
        return None
    tensors, content = read_tensors(folder / TENSORS), read_json(folder / WORDS)
    words = content.get("words") if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{folder / WORDS}: holds no list of words; fetch it again")
    finder = WordFinder(words, tensors.get("mean", torch.zeros(0)).numel())
    return fill(finder, tensors, folder / TENSORS).eval()
