"""The captioning model: losses, states and steps agree with each other."""

import math

import pytest
import torch
from small import CAPTIONS, FEATURE_DIM, VOCABULARY, small_features, small_model

from helpers.captioner import CaptioningRNN
from helpers.decoding import FORBIDDEN
from helpers.vocabulary import END, NULL, START, pad_captions

CELLS = ["rnn", "lstm", "attn"]


def encoded(captions):
    return torch.from_numpy(pad_captions([VOCABULARY.encode(caption) for caption in captions]))


@pytest.mark.parametrize("cell_type", CELLS)
def test_loss_is_the_sum_of_the_steps(cell_type):
    # the sequence kernels of training and the step kernels of decoding are the same model
    model, features = small_model(cell_type), small_features(4, cell_type)
    captions = encoded([several[0] for several in CAPTIONS])
    state, A = model.start(features)
    total = 0
    for t in range(captions.shape[1] - 1):
        scores, state, alpha = model.step(captions[:, t], state, A)
        assert (alpha is not None) == (cell_type == "attn")
        targets = captions[:, t + 1]
        total += torch.nn.functional.cross_entropy(
            scores, targets, ignore_index=NULL, reduction="sum"
        )
    torch.testing.assert_close(model(features, captions), total / 4)


@pytest.mark.parametrize("cell_type", CELLS)
def test_captions_of_one_image_share_its_features(cell_type):
    model, features = small_model(cell_type), small_features(4, cell_type)
    captions = encoded([caption for several in CAPTIONS for caption in several[:2]])
    assert len(captions) == 8
    repeated = features.repeat_interleave(2, 0)
    torch.testing.assert_close(model(features, captions), model(repeated, captions))


@pytest.mark.parametrize("cell_type", CELLS)
def test_standardised_features_make_scale_and_offset_harmless(cell_type):
    model, features = small_model(cell_type), small_features(4, cell_type)
    captions = encoded([several[0] for several in CAPTIONS])
    model.standardise(features)
    loss = model(features, captions)
    model.standardise(100 * features + 7)
    torch.testing.assert_close(model(100 * features + 7, captions), loss)
    torch.testing.assert_close(model.feature_mean, 7 + 100 * features.flatten(0, -2).mean(0))


@pytest.mark.parametrize("cell_type", CELLS)
def test_padding_leaves_the_loss(cell_type):
    model, features = small_model(cell_type), small_features(4, cell_type)
    captions = encoded([several[0] for several in CAPTIONS])
    padded = torch.nn.functional.pad(captions, (0, 3), value=NULL)
    torch.testing.assert_close(model(features, captions), model(features, padded))


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_fresh_model_guesses_evenly(cell_type):
    model, features = small_model(cell_type, scale=1e-3), small_features(4, cell_type)
    captions = encoded(["a red boat on the sea"] * 4)
    expected = 7 * math.log(len(VOCABULARY))  # six words and <END>
    assert model(features, captions).item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("cell_type", CELLS)
def test_every_weight_learns(cell_type):
    model, features = small_model(cell_type), small_features(4, cell_type)
    model(features, encoded([several[0] for several in CAPTIONS])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_image_matters(cell_type):
    model = small_model(cell_type)
    captions = encoded(["a red boat on the sea"] * 4)
    losses = [model(small_features(4, cell_type, seed), captions).item() for seed in (1, 2)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_the_first_maps_are_nearly_even():
    even = 1 / (3 * FEATURE_DIM**0.5)  # the bound of attention's first weights
    assert 0.7 * even < small_model("attn").project.W.abs().max() <= even
    assert 0.7 * 3 * even < small_model("lstm").project.W.abs().max() <= 3 * even


def test_dropout_only_in_training():
    model, features = small_model(dropout=0.5), small_features()
    captions = encoded([several[0] for several in CAPTIONS])
    assert model(features, captions) == model(features, captions)
    model.train()
    assert model(features, captions) != model(features, captions)


def test_dropout_takes_a_channel_from_all_positions_alike():
    model = small_model("attn", dropout=0.5).train()
    features = small_features(4, "attn")[:, :1].repeat(1, 6, 1)  # positions that are all alike
    projected = model._project(features)
    assert not torch.allclose(projected, projected[:, :1].expand_as(projected))
    model.drop_channels = True
    projected = model._project(features)
    torch.testing.assert_close(projected, projected[:, :1].expand_as(projected))
    assert not torch.equal(projected, model._project(features))


@pytest.mark.parametrize(
    ("cell_type", "shape"), [("lstm", (4, 5, 6)), ("attn", (4, 6)), ("rnn", (4, 7))]
)
def test_names_wrong_features(cell_type, shape):
    with pytest.raises(ValueError, match=f"features for '{cell_type}'.*{FEATURE_DIM}"):
        small_model(cell_type).start(torch.zeros(shape))


def test_names_an_unknown_cell():
    with pytest.raises(ValueError, match="rnn, lstm, attn"):
        CaptioningRNN(VOCABULARY, "gru")


@pytest.mark.parametrize("cell_type", CELLS)
def test_sharpened_scores(cell_type):
    model, features = small_model(cell_type), small_features(4, cell_type)
    state, A = model.start(features)
    words = torch.full((4,), START)
    with torch.no_grad():
        before, _, _ = model.step(words, state, A)
        model.sharpen(0.5)
        after, _, _ = model.step(words, state, A)
    sayable = [END, *range(4, len(VOCABULARY))]
    torch.testing.assert_close(after[:, sayable], 2 * before[:, sayable])
    assert (after.softmax(1)[:, FORBIDDEN] == 0).all()


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan])
def test_a_temperature_is_above_zero(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        small_model().sharpen(temperature)
