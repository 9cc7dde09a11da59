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
    build, _, (rate, *_) = scenes.MODELS[name]
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


def test_search_takes_the_rate_whose_seeds_score_best_on_the_scenes_that_choose(monkeypatch):
    seen = []

    def scores(model, grids, captions):
        seen.append((grids, captions))
        rate, seed = model
        return {"greedy": {"CIDEr-D": {0.1: 5, 0.2: [9, 1, 8][seed], 0.4: 3}[rate]}}

    monkeypatch.setattr(scenes, "CHOOSE", 4)
    monkeypatch.setattr(scenes, "fit", lambda _, grids, captions, *model: (model, None))
    monkeypatch.setattr(scenes, "scores", scores)
    best, models, found = scenes.search(None, [*range(10)], [*"abcdefghij"], (0.1, 0.2, 0.4))
    assert best == 0.2 and models == [(0.2, 0), (0.2, 1), (0.2, 2)]
    assert found == {0.1: 5, 0.2: 6, 0.4: 3}
    assert seen == [([6, 7, 8, 9], [*"ghij"])] * 9


def test_what_is_shipped_is_of_these_models():
    record = json.loads((PRETRAINED / "scenes-attn" / "seeds.json").read_text(encoding="utf-8"))
    assert {*record} == {*scenes.MODELS}
    for name, (_, stride, rates) in scenes.MODELS.items():
        search = {float(rate): score for rate, score in record[name]["search"].items()}
        assert record[name]["stride"] == stride and {*search} == {*rates}
        assert record[name]["learning_rate"] == max(search, key=search.get)
        assert len(record[name]["seeds"]) == len(scenes.SEEDS)
