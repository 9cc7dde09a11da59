"""Sentences from text alone: for captions without a picture, what a detector would see is drawn.

The captioner is told how probable each word is (attributes, in Wu et al. 2016, "What Value Do
Explicit High Level Concepts Have in Vision to Language Problems?") and learns to make sentences of
words before it sees a picture. That these words come from the captions themselves is Feng et al.
2019's idea, "Unsupervised Image Captioning". Here they come as doubtful as a detector sees them:
for each word one of its values is drawn, of a picture whose captions hold the word, or of one whose
do not. The detector must not have learned from that picture, or it would seem surer than it is.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers.captioner import CaptioningRNN
from helpers.features import read_rows
from helpers.files import DataError, parse_json
from helpers.files.tensors import read_tensors, write_tensors
from helpers.vocabulary import tokenize

HELD_OUT = "held_out.safetensors"  # beside a tuned encoder, of pictures that it did not see


class TextCaptioner(CaptioningRNN):
    """An attention captioner that has no pictures yet: it is told which words they may show.

    In the place of features it takes the probabilities p of W words, (N, W), which make up the one
    position that it attends to, A = b + p Wp. What it learns of sentences, `captioner` keeps.
    """

    def __init__(self, vocabulary, words, **sizes):
        super().__init__(vocabulary, "attn", **sizes)
        self.project.W.requires_grad_(False)  # there are no features to project
        self.Wp = nn.Parameter(torch.empty(words, self.sizes["hidden_dim"]).normal_(std=0.05))

    def captioner(self):
        """Return a CaptioningRNN of these weights, which has yet to learn to see."""
        captioner = CaptioningRNN(self.vocabulary, **self.sizes)
        weights = self.state_dict()
        del weights["Wp"]
        captioner.load_state_dict(weights)
        return captioner

    def _project(self, features):
        return (self.project.b + self.dropout(features) @ self.Wp)[:, None]  # (N, 1, H)


def read_texts(path):
    """Read captions whose pictures are not there, from JSON, which gzip may have packed (.gz).

    Inputs: path: of COCO's annotations, or of {"an id": ["a caption", ...], ...}
    Returns: for each of J pictures a list of at least one caption (text)
    Raises: DataError naming the file that cannot be read or holds something else
    """
    expected = 'expected COCO\'s annotations, or {"an id": ["a caption", ...], ...}'
    try:
        content = Path(path).read_bytes()
        content = gzip.decompress(content) if Path(path).suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    try:
        entries = parse_json(content, path)
        if "annotations" in entries:
            captions = {}
            for annotation in entries["annotations"]:
                captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
            entries = captions
        if not all(isinstance(several, list) for several in entries.values()):
            raise TypeError("a text is no list of captions")
        texts = [[" ".join(text.split()) for text in several] for several in entries.values()]
    except (DataError, AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: holds no captions; {expected}") from error
    texts = [worded for several in texts if (worded := list(filter(None, several)))]
    if not texts:
        raise DataError(f"{path}: holds no captions; {expected}")
    return texts


def leave_out(texts, captions):
    """Leave out texts of pictures that may be known: that share a caption with one of them.

    Whoever is judged by pictures must not have read what people say of them.

    Inputs: texts, captions: for each picture a list of captions (text). Returns: the other texts
    """
    known = {tuple(tokenize(caption)) for several in captions for caption in several}
    return [
        several for several in texts
        if not any(tuple(tokenize(caption)) in known for caption in several)
    ]  # fmt: skip


def save_held_out(path, probabilities):
    """Write what `simulate_detections` draws from. Inputs: probabilities: float32 array (I, W)."""
    write_tensors(path, {"probabilities": torch.from_numpy(probabilities).half()})


def load_held_out(path, images, detector):
    """Read what `save_held_out` wrote of I images and the words of a WordDetector.

    Returns: float16 tensor (I, W). Raises: DataError naming the file that is missing or of others
    """
    words = len(detector.rows)
    remedy = "`finetune --folds 2` writes it, from the same data as here"
    tensor = read_tensors(path, remedy).get("probabilities")
    if tensor is None or tensor.shape != (images, words):
        problem = f"is not of these {images:,} images and {words:,} words"
        raise DataError(f"{path}: {problem}; {remedy}")
    return tensor


@torch.no_grad()
def detections(model, features, rows=None, batch_size=256):
    """Tell how probable a `WordDetector` or `WordPredictor` finds its words in images.

    Inputs: features: as the model takes them, array (I, P, C); rows: of these, (N,); None for all
    Returns: float32 array (N, W)
    """
    model.eval()
    device = next(model.parameters()).device
    rows = np.arange(len(features)) if rows is None else rows
    parts = np.split(rows, range(batch_size, len(rows), batch_size))
    grids = (torch.from_numpy(read_rows(features, part)).to(device) for part in parts)
    return torch.cat([model.probabilities(grid).cpu() for grid in grids]).numpy()


def simulate_detections(texts, captions, held_out, vocabulary, words, seed=0):
    """Draw how probable a detector would find each word in pictures that are not there.

    Inputs:
        texts, captions: for each of J texts and of I pictures a list of captions (text)
        held_out: the detector's probabilities for these pictures, which it did not learn from, of
            W words, (I, W); words: these W str, in order
        seed: of the drawing
    Returns: float16 array (J, W); 0 where no picture had the word, or none had not
    """
    held_out = np.asarray(held_out)
    wanted, seen = (_words_present(each, vocabulary, words) for each in (texts, captions))
    rng = np.random.default_rng(seed)
    drawn = np.zeros(wanted.shape, np.float16)
    for word in range(len(words)):
        for present in (True, False):
            pool = held_out[seen[:, word] == present, word]
            rows = np.flatnonzero(wanted[:, word] == present)
            if len(pool) and len(rows):
                drawn[rows, word] = rng.choice(pool, len(rows))
    return drawn


def _words_present(captions, vocabulary, words):
    """Tell which of W words the captions of each of I images hold. Returns: bool (I, W)."""
    ids = vocabulary.word_to_idx  # which may lack rare words that the detector knows
    columns = {ids[word]: column for column, word in enumerate(words) if word in ids}
    present = np.zeros((len(captions), len(words)), bool)
    for row, several in zip(present, captions, strict=True):
        said = {index for caption in several for index in vocabulary.encode(caption)}
        row[[columns[index] for index in said & columns.keys()]] = True
    return present
