"""LSTM, attention LSTM and transformer on the drawn scenes, over several seeds, for notebook 04.

    python -m tools.scene_models scenes-attn

The LSTM reads the mean of the encoder's last layer, the others the positions of a layer in the
middle. 1,500 scenes train, 100 choose the epoch and the learning rate, and the 200 held out are
scored. The attention LSTM of the first seed is written to pretrained/scenes-attn, with the scores
of all in seeds.json.
"""

import numpy as np
import torch

from helpers import decoding
from helpers.captioner import CaptioningRNN
from helpers.coco import load_captions
from helpers.encoder import ImageEncoder
from helpers.examples import CaptionExamples
from helpers.features import encode_features
from helpers.files import write_json
from helpers.metrics import score_captions
from helpers.pretrained import save_captioner
from helpers.settings import DATA, PRETRAINED, TrainingSettings
from helpers.training import set_seed, train, validation_scores
from helpers.vocabulary import Vocabulary
from tools.transformer_captioner import CaptioningTransformer

CHOOSE = 100  # the last scenes of the train split choose the epoch and the learning rate
SEEDS = range(3)
SIZES = {"wordvec_dim": 96, "hidden_dim": 160, "dropout": 0.1}
MODELS = {  # name: what builds it, the encoder's stride, the peak learning rates to choose from
    "LSTM": (
        lambda words, C: CaptioningRNN(words, "lstm", C, **SIZES), 32, (2e-3, 4e-3, 8e-3),
    ),
    "attention LSTM": (
        lambda words, C: CaptioningRNN(words, "attn", C, **SIZES), 16, (5e-3, 1e-2, 2e-2),
    ),
    "transformer": (
        lambda words, C: CaptioningTransformer(words, C, dim=96), 16, (2e-3, 4e-3, 8e-3),
    ),
}  # fmt: skip
SHIPPED = "attention LSTM"


def fit(build, grids, captions, rate, seed, epochs=8):
    """Train on all but the last scenes, which choose the epoch.

    Inputs: build: function of vocabulary and channels; grids: (I, P, C), or (I, C);
        captions: for each scene a list
    Returns: the model, and the history
    """
    vocabulary = Vocabulary.build((c for several in captions[:-CHOOSE] for c in several), 2)
    set_seed(seed)
    model = build(vocabulary, grids.shape[-1])
    model.standardise(grids[:-CHOOSE])
    settings = TrainingSettings(
        epochs=epochs, batch_size=160, learning_rate=rate, label_smoothing=0.0, patience=epochs,
        seed=seed,
    )  # fmt: skip
    history = train(
        model, CaptionExamples(grids[:-CHOOSE], captions[:-CHOOSE], vocabulary),
        lambda model: validation_scores(model, grids[-CHOOSE:], captions[-CHOOSE:]),
        settings, progress=False,
    )  # fmt: skip
    return model, history


def scores(model, grids, captions):
    """Score captions of held-out scenes: a dict from the way of decoding to a dict of scores."""
    features = torch.from_numpy(grids)
    said = {
        "greedy": decoding.greedy(model, features),
        "beam 5": [best[0] for best in decoding.beam(model, features, 5)],
    }
    return {
        name: {
            metric: round(score, 3)
            for metric, score in score_captions(captions, [c.text for c in several]).items()
            if metric in ("BLEU-4", "CIDEr-D")
        }
        for name, several in said.items()
    }


def search(build, grids, captions, rates):
    """Train all seeds at each learning rate, and caption the scenes that choose greedily.

    Returns: the best rate, its models, and a dict from each rate to the mean CIDEr-D of its seeds
    """
    models = {
        rate: [fit(build, grids, captions, rate, seed)[0] for seed in SEEDS] for rate in rates
    }

    def score(model):
        return scores(model, grids[-CHOOSE:], captions[-CHOOSE:])["greedy"]["CIDEr-D"]

    found = {rate: np.mean([score(model) for model in few]).item() for rate, few in models.items()}
    best = max(found, key=lambda rate: found[rate])
    return best, models[best], {rate: round(mean, 3) for rate, mean in found.items()}


def main():
    """Train all with all seeds, print a line for each, write what notebook 04 reads."""
    scenes, held_out = load_captions("scenes", "train"), load_captions("scenes", "val")
    folder, record = PRETRAINED / "scenes-attn", {}
    for name, (build, stride, rates) in MODELS.items():
        encoder = ImageEncoder(stride=stride)
        grids, held_out_grids = (
            encode_features(data, encoder, DATA / "cache").astype(np.float32)
            for data in (scenes, held_out)
        )
        if name == "LSTM":  # one vector for a picture
            grids, held_out_grids = grids.mean(1), held_out_grids.mean(1)
        rate, models, found = search(build, grids, scenes.captions, rates)
        if name == SHIPPED:
            save_captioner(folder, models[0].half(), encoder)
            models[0] = models[0].float()  # its scores are those of the rounded weights
        record[name] = {
            "stride": stride,
            "search": found,
            "learning_rate": rate,
            "parameters": sum(weight.numel() for weight in models[0].parameters()),
            "seeds": [scores(model, held_out_grids, held_out.captions) for model in models],
        }
        print(name, record[name], flush=True)
    write_json(folder / "seeds.json", record)
