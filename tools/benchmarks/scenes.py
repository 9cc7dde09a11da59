"""RNN, LSTM and attention LSTM on the scenes, over several seeds: what notebook 04 claims of one.

    python -m tools.benchmarks.scenes [--seeds 0 1 2]

All three see the same layer of the encoder, RNN and LSTM its mean over positions. 1,500 pictures
train, 100 choose the epoch, and the 200 held out are scored.
"""

import argparse

import numpy as np
import torch

from data.scenes import CATEGORY_OF_WORD
from helpers import decoding, grounding
from helpers.captioner import CELLS, CaptioningRNN
from helpers.coco import load_captions
from helpers.encoder import ImageEncoder
from helpers.examples import CaptionExamples
from helpers.features import encode_features
from helpers.metrics import score_captions
from helpers.settings import DATA, TrainingSettings
from helpers.training import set_seed, train, validation_scores
from helpers.vocabulary import Vocabulary

SIZES = {"wordvec_dim": 96, "hidden_dim": 160, "dropout": 0.1}
SETTINGS = {"epochs": 10, "batch_size": 160, "learning_rate": 1e-2, "label_smoothing": 0.0,
            "patience": 12}  # fmt: skip


def train_on_scenes(cell_type, grids, captions, seed=0):
    """Train on all but the last 100 pictures, which choose the epoch.

    Inputs: grids: (I, P, C); captions: for each picture a list
    Returns: CaptioningRNN
    """
    features = features_for(cell_type, grids)
    vocabulary = Vocabulary.build((c for several in captions[:-100] for c in several), 2)
    set_seed(seed)
    model = CaptioningRNN(vocabulary, cell_type, grids.shape[2], **SIZES)
    model.standardise(features[:-100])
    train(
        model, CaptionExamples(features[:-100], captions[:-100], vocabulary),
        lambda model: validation_scores(model, features[-100:], captions[-100:]),
        TrainingSettings(**SETTINGS, seed=seed), progress=False,
    )  # fmt: skip
    return model


def features_for(cell_type, grids):
    """Return the grids for "attn", otherwise their means over positions."""
    return grids if cell_type == "attn" else grids.mean(axis=1)


def main(arguments=None):
    """Print a line for each seed and cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args(arguments)
    scenes, held_out = load_captions("scenes", "train"), load_captions("scenes", "val")
    encoder = ImageEncoder(stride=16)
    grids, held_out_grids = (
        encode_features(data, encoder, DATA / "cache").astype(np.float32)
        for data in (scenes, held_out)
    )
    for seed in options.seeds:
        for cell_type in CELLS:
            model = train_on_scenes(cell_type, grids, scenes.captions, seed)
            features = torch.from_numpy(features_for(cell_type, held_out_grids))
            greedy = decoding.greedy(model, features)
            beam = [best[0] for best in decoding.beam(model, features, 5)]
            line = f"seed {seed}  {cell_type:4}"
            for name, captions in (("greedy", greedy), ("beam 5", beam)):
                scores = score_captions(held_out.captions, [c.text for c in captions])
                line += f"  {name} BLEU-4 {scores['BLEU-4']:.3f} CIDEr-D {scores['CIDEr-D']:.2f}"
            if cell_type == "attn":
                for name, steps in (("own map", (0,)), ("and the one before", (-1, 0))):
                    points = grounding.pointing_game(
                        greedy, held_out.boxes, CATEGORY_OF_WORD, steps=steps
                    )
                    shares = grounding.pointing_scores(points)
                    line += f"  {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in shares.items())
            print(line, flush=True)


if __name__ == "__main__":
    main()
