"""The comparison of notebook 04 trains and scores each of its models."""

import json

import numpy as np
import pytest

from helpers.settings import PRETRAINED
from tools import scene_attention as scenes

TEXTS = ["a red dog", "a blue boat", "a red boat", "a blue dog"]


@pytest.mark.parametrize("name", scenes.MODELS)
def test_each_model_trains_and_is_scored(name, monkeypatch):
    monkeypatch.setattr(scenes, "CHOOSE", 4)
    captions = [[text, f"there is {text}"] for text in TEXTS] * 3
    build, _, rate = scenes.MODELS[name]
    shape = (12, 8) if name == "LSTM" else (12, 9, 8)
    grids = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    model, history = scenes.fit(build, grids, captions, rate, seed=0, epochs=2)
    assert len(history) == 2 and "BLEU-4" in history[0]
    found = scenes.scores(model, grids[:4], captions[:4])
    assert {*found} == {"greedy", "beam 5"} and "CIDEr-D" in found["greedy"]


def test_models_are_of_about_the_same_size():
    words = range(158)
    channels = {"LSTM": 1280, "attention LSTM": 112, "transformer": 112}
    sizes = [
        sum(weight.numel() for weight in build(words, channels[name]).parameters())
        for name, (build, *_) in scenes.MODELS.items()
    ]
    assert max(sizes) / min(sizes) < 1.3


def test_what_is_shipped_is_of_these_models():
    record = json.loads((PRETRAINED / "scenes-attn" / "seeds.json").read_text(encoding="utf-8"))
    assert {name: (found["stride"], found["learning_rate"]) for name, found in record.items()} == {
        name: spec[1:] for name, spec in scenes.MODELS.items()
    }
