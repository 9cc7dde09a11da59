"""Small models and data for the tests of everything above the kernels."""

import numpy as np
import torch

from helpers.captioner import CaptioningRNN
from helpers.examples import CaptionExamples
from helpers.training import set_seed
from helpers.vocabulary import Vocabulary

FEATURE_DIM, POSITIONS = 6, 5
CAPTIONS = [
    ["a red boat on the sea", "the boat is red"],
    ["two dogs run on grass", "dogs run"],
    ["a cat sleeps on a red sofa", "the cat sleeps"],
    ["a bird over the sea", "one bird flies over the sea"],
]
VOCABULARY = Vocabulary.build(caption for several in CAPTIONS for caption in several)


def small_model(cell_type="lstm", seed=0, dropout=0.0, scale=1.0):
    """Return an untrained captioner; a larger scale makes its choices less even."""
    set_seed(seed)
    model = CaptioningRNN(VOCABULARY, cell_type, FEATURE_DIM, 7, 8, dropout)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale
    return model.eval()


def small_features(count=4, cell_type="lstm", seed=1):
    """Return random features, (N, C), or (N, P, C) for "attn"."""
    shape = (count, POSITIONS, FEATURE_DIM) if cell_type == "attn" else (count, FEATURE_DIM)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def small_examples(cell_type="lstm", captions=CAPTIONS):
    """Return four images with their captions."""
    features = small_features(4, cell_type).numpy().astype(np.float16)
    return CaptionExamples(features, captions, VOCABULARY)


@torch.inference_mode()
def published_ids(decoder, features, length=20):
    """Say `length` words as the published code does, greedily and on after <END>: ids (N, length).

    The first of them is <START>.
    """
    state, _ = decoder.start(features)
    ids = [decoder.linear(state[0]).argmax(1)]
    while len(ids) < length:
        scores, state, _ = decoder.step(ids[-1], state)
        ids.append(scores.argmax(1))
    return torch.stack(ids, 1)
