"""The small captioners of drawn scenes, and the script that trains them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers.captioner import CaptioningRNN
from helpers.pretrained import load_captioner
from helpers.settings import PRETRAINED
from helpers.vocabulary import Vocabulary
from tools import scene_models

CAPTIONS = torch.tensor([[1, 4, 5, 2, 0], [1, 6, 2, 0, 0], [1, 5, 5, 6, 2]])  # one per picture


def tiny(cell_type):
    torch.manual_seed(0)
    model = CaptioningRNN(Vocabulary(["a", "b", "c"]), cell_type, 4, wordvec_dim=3, hidden_dim=5)
    return model.eval()


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_worth_adds_up_to_the_rise_of_the_loss_with_wrong_pictures(cell_type):
    model, features = tiny(cell_type), torch.randn(3, 4)
    worth = scene_models.picture_worth(model, features, CAPTIONS)
    with torch.no_grad():
        rise = model(features.roll(100, 0), CAPTIONS) - model(features, CAPTIONS)
    words = torch.tensor([3, 3, 2, 1])  # captions that have a first, second, ... target
    assert sum(w * n for w, n in zip(worth, words, strict=True)) / 3 == pytest.approx(
        rise.item(), rel=1e-4
    )


def test_a_picture_is_worth_nothing_to_a_model_that_does_not_look():
    model = tiny("lstm")
    torch.nn.init.zeros_(model.project.W)
    assert scene_models.picture_worth(model, torch.randn(3, 4), CAPTIONS) == [0, 0, 0, 0]


@pytest.mark.parametrize("name", scene_models.MODELS)
def test_a_shipped_model_is_what_the_script_writes(name):
    folder, spec = PRETRAINED / name, scene_models.MODELS[name]
    captioner = load_captioner(name)
    sizes = captioner.model.sizes
    assert (sizes["cell_type"], sizes["hidden_dim"]) == (spec["cell_type"], spec["hidden_dim"])
    weights = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    runs = json.loads((folder / "seeds.json").read_text(encoding="utf-8"))
    assert len(runs) == len(scene_models.SEEDS)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card == scene_models.card(name, captioner.model, captioner.encoder, runs)


def test_the_two_recurrent_layers_have_equally_many_weights():
    layers = [load_captioner(name).model.cell for name in ("scenes-rnn", "scenes-lstm")]
    rnn, lstm = (sum(weight.numel() for weight in layer.parameters()) for layer in layers)
    assert rnn == pytest.approx(lstm, rel=1e-3)


def test_scores_of_all_seeds_are_finite():
    for name in scene_models.MODELS:
        runs = json.loads((PRETRAINED / name / "seeds.json").read_text(encoding="utf-8"))
        worth = np.array([run["worth"] for run in runs])
        assert worth.shape == (len(runs), scene_models.WORDS) and np.isfinite(worth).all()
