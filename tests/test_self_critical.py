"""CIDEr-D as a reward, and captions that are sampled and compared."""

import numpy as np
import pytest
import torch
from pycocoevalcap.cider.cider import Cider
from small import CAPTIONS, small_examples, small_features, small_model

from helpers import training
from helpers.self_critical import CiderReward, sampled_captions
from helpers.settings import TrainingSettings
from helpers.training import train
from helpers.vocabulary import END, NULL, START


def random_captions(seed, images=7, several=4):
    rng = np.random.default_rng(seed)
    return [
        [rng.integers(4, 12, rng.integers(1, 9)).tolist() for _ in range(several)]
        for _ in range(images)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_reward_is_the_reference_scorers_cider(seed):
    references = random_captions(seed)
    candidates = [several[0] for several in random_captions(seed + 100)]

    def texts(captions):
        return [" ".join(map(str, caption)) for caption in captions]

    _, expected = Cider().compute_score(
        {i: texts(several) for i, several in enumerate(references)},
        {i: texts([candidate]) for i, candidate in enumerate(candidates)},
    )
    reward = CiderReward(references)
    scores = [reward(image, candidate) for image, candidate in enumerate(candidates)]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_the_longer_a_caption_agrees_the_better():
    reward = CiderReward([[[5, 6, 7, END]], [[8, 9, END]]])
    scores = [reward(0, caption) for caption in ([8, 9], [5], [5, 6], [5, 6, 7], [5, 6, 7, END])]
    assert scores == sorted(scores)
    assert scores[0] == 0 and scores[-1] == pytest.approx(10)


def test_an_empty_caption_scores_zero():
    assert CiderReward([[[5, END]], [[6, END]]])(0, []) == 0


def sampled(model, samples=3, seed=0):
    examples = small_examples(model.cell_type)
    reward = CiderReward(examples.references())
    images = np.arange(len(CAPTIONS))
    features = small_features(len(CAPTIONS), model.cell_type)
    return reward, sampled_captions(model, features, reward, images, samples, seed, max_words=6)


@pytest.mark.parametrize("cell_type", ["rnn", "lstm", "attn"])
def test_each_sample_is_compared_with_the_others_of_its_image(cell_type):
    reward, (captions, weights, mean) = sampled(small_model(cell_type))
    assert captions.shape[0] == 3 * len(CAPTIONS) and (captions[:, 0] == START).all()
    spoken = [[i for i in caption[1:].tolist() if i != NULL] for caption in captions]
    rewards = [reward(n // 3, caption) for n, caption in enumerate(spoken)]
    for n, weight in enumerate(weights.tolist()):
        others = [rewards[m] for m in range(len(rewards)) if m // 3 == n // 3 and m != n]
        assert weight == pytest.approx(rewards[n] - np.mean(others), abs=1e-5)
    assert mean == pytest.approx(np.mean(rewards))


def test_dropout_falls_on_features_once_for_sampling_and_learning():
    model = small_model("attn")
    features = small_features(4, "attn")
    model.standardise(features)
    torch.testing.assert_close(model.drop(features), features)  # its dropout is 0
    model.sizes["dropout"], model.drop_channels = 0.5, True
    dropped = model.drop(features)
    mean = model.feature_mean.expand_as(features)
    kept = dropped != mean
    assert torch.equal(kept, kept[:, :1].expand_as(kept))  # a channel at all positions alike
    assert 0.25 < kept.float().mean() < 0.75
    torch.testing.assert_close((dropped - mean)[kept], 2 * (features - mean)[kept])


def test_samples_depend_on_the_seed():
    model = small_model("attn")
    first, again, other = (sampled(model, seed=seed)[1][0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_reward_rises():
    model = small_model("attn")
    examples = small_examples("attn")
    settings = {"batch_size": 8, "learning_rate": 0.02, "epochs": 200, "max_words": 8}
    settings = TrainingSettings(**settings, samples=8, patience=200)
    epochs = iter(range(200))
    history = train(model, examples, lambda _: {"BLEU-4": next(epochs)}, settings, progress=False)
    assert history[-1]["reward"] > 2 * history[0]["reward"]


def test_captions_are_learned_from_the_features_that_they_were_said_of(monkeypatch):
    said_of, learned_from = [], []

    def watched(model, features, *arguments):
        said_of.append(features)
        return sampled_captions(model, features, *arguments)

    class Watched(type(small_model("attn"))):
        def forward(self, features, *arguments):
            learned_from.append(features)
            return super().forward(features, *arguments)

    monkeypatch.setattr("helpers.training.loop.sampled_captions", watched)
    model, examples = small_model("attn"), small_examples("attn")
    model.__class__, model.sizes["dropout"] = Watched, 0.5
    settings = TrainingSettings(batch_size=8, epochs=1, samples=2)
    training.train(model, examples, lambda _: {"BLEU-4": 0}, settings, progress=False)
    assert len(said_of) == len(learned_from) > 0
    for one, other in zip(said_of, learned_from, strict=True):
        assert torch.equal(one, other) and (one == 0).float().mean() > 0.2


def test_one_sample_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match="samples must be 0, or 2 or more"):
        TrainingSettings(samples=1)
