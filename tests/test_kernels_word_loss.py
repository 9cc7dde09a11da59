import numpy as np
import pytest
import torch

from helpers.checks import check, check_norm, numerical_gradient
from helpers.kernels import (
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    temporal_word_loss,
    word_loss,
)

kinds = pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
smoothings = pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
blocks = pytest.mark.parametrize("block", [1, 3 * 7, 2**22])  # a row at a time, three, all


def arguments(convert=np.asarray, seed=0, N=3, T=4, H=5, V=7):
    """Draw h, W, b, y and a mask that leaves out words here and there."""
    rng = np.random.default_rng(seed)
    floats = [rng.normal(size=shape) for shape in [(N, T, H), (H, V), (V,)]]
    mask = rng.random((N, T)) < 0.6
    mask[0, 0], mask[-1, -1] = True, False
    return [convert(array) for array in [*floats, rng.integers(0, V, (N, T)), mask]]


@kinds
@smoothings
@blocks
@pytest.mark.parametrize("seed", range(2))
def test_it_equals_its_three_parts(convert, label_smoothing, block, seed, monkeypatch):
    monkeypatch.setattr(word_loss, "BLOCK", block)
    h, W, b, y, mask = arguments(convert, seed)
    scores, cache = temporal_affine_forward(h, W, b)
    expected, dscores = temporal_softmax_loss(scores, y, mask, label_smoothing)
    loss, gradients = temporal_word_loss(h, W, b, y, mask, label_smoothing)
    check_norm("loss", loss, expected, 1e-14)
    for name, got, right in zip(
        "hWb", gradients, temporal_affine_backward(dscores, cache), strict=True
    ):
        check_norm(f"d{name}", got, right, 1e-13)


@smoothings
def test_gradients_by_central_differences(label_smoothing):
    h, W, b, y, mask = arguments()
    _, gradients = temporal_word_loss(h, W, b, y, mask, label_smoothing)
    for name, array, gradient in zip("hWb", (h, W, b), gradients, strict=True):
        numerical = numerical_gradient(
            lambda _: temporal_word_loss(h, W, b, y, mask, label_smoothing)[0], array
        )
        check(f"d{name}", gradient, numerical, 1e-6)


@kinds
@smoothings
@blocks
def test_a_weighted_caption_counts_so_many_times(convert, label_smoothing, block, monkeypatch):
    monkeypatch.setattr(word_loss, "BLOCK", block)
    h, W, b, y, mask = arguments(convert)
    weights = convert(np.array([0.5, -2.0, 0.0]))
    loss, (dh, dW, db) = temporal_word_loss(h, W, b, y, mask, label_smoothing, weights)
    alone = [
        temporal_word_loss(h[n : n + 1], W, b, y[n : n + 1], mask[n : n + 1], label_smoothing)
        for n in range(3)
    ]  # fmt: skip
    expected = sum(weight * one[0] for weight, one in zip(weights, alone, strict=True)) / 3
    check_norm("loss", loss, expected, 1e-13)
    for got, place in ((dW, 1), (db, 2)):
        parts = zip(weights, alone, strict=True)
        check_norm("dW, db", got, sum(w * one[1][place] for w, one in parts) / 3, 1e-13)
    for n, one in enumerate(alone):
        np.testing.assert_allclose(dh[n], weights[n] * one[1][0][0] / 3, rtol=0, atol=1e-15)


@kinds
def test_the_loss_alone_is_the_same_loss(convert):
    loss, _ = temporal_word_loss(*arguments(convert))
    alone, gradients = temporal_word_loss(*arguments(convert), with_gradients=False)
    assert alone == loss and all((gradient == 0).all() for gradient in gradients)


@kinds
@pytest.mark.filterwarnings("error")
def test_masked_positions_may_hold_anything(convert):
    h, W, b, y, mask = arguments()
    expected, (dh, dW, _) = temporal_word_loss(h, W, b, y, mask)
    h[~mask] = np.nan
    loss, (again, dW_again, _) = temporal_word_loss(*map(convert, (h, W, b, y, mask)))
    check_norm("loss", loss, expected, 1e-14)
    check_norm("dh", again, dh, 1e-14)
    check_norm("dW", dW_again, dW, 1e-14)


@kinds
def test_without_any_word_the_loss_is_zero(convert):
    h, W, b, y, mask = arguments(convert)
    loss, gradients = temporal_word_loss(h, W, b, y, mask & ~mask, 0.1)
    assert loss == 0 and all((gradient == 0).all() for gradient in gradients)


@kinds
@pytest.mark.filterwarnings("error")
def test_huge_scores_do_not_overflow_and_nothing_is_modified(convert):
    h, W, b, y, mask = arguments(convert)
    for offset in (1e4, -1e4):
        loss, _ = temporal_word_loss(h, W, b + offset, y, mask)
        check_norm("loss", loss, temporal_word_loss(h, W, b, y, mask)[0], 1e-10)
    assert all((a == c).all() for a, c in zip((h, W, b, y, mask), arguments(convert), strict=True))


@pytest.mark.parametrize(
    ("position", "value", "error", "message"),
    [
        (0, np.zeros((3, 4)), ValueError, "^h must have 3 dimensions"),
        (1, np.zeros((4, 7)), ValueError, "^W must have shape"),
        (2, np.zeros(6), ValueError, "^b must have shape"),
        (3, np.full((3, 4), 7), ValueError, r"^y must hold ids in \[0, 7\)"),
        (4, np.ones((3, 4)), TypeError, "^mask must hold booleans"),
        (5, 1.0, ValueError, r"^label_smoothing must be in \[0, 1\)"),
        (6, np.ones(4), ValueError, "^weights must have shape"),
    ],
)
def test_a_bad_argument_is_named(position, value, error, message):
    values = [*arguments(), 0.0, None]
    values[position] = value
    with pytest.raises(error, match=message):
        temporal_word_loss(*values)
