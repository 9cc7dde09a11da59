"""The loss of words, block by block: equal to the last layer and the loss, one after the other."""

import pytest
import torch

from helpers import layers
from helpers.checks import check_norm
from helpers.fast import word_loss
from helpers.fast.word_loss import temporal_word_loss

smoothings = pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
blocks = pytest.mark.parametrize("block", [1, 3 * 7, 2**22])  # a row at a time, three, all


def arguments(seed=0, N=3, T=4, H=5, V=7):
    """Draw h, W, b, which want gradients, y and a mask that leaves out words here and there."""
    generator = torch.Generator().manual_seed(seed)
    floats = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in [(N, T, H), (H, V), (V,)]
    ]
    mask = torch.rand(N, T, generator=generator) < 0.6
    mask[0, 0], mask[-1, -1] = True, False
    return [*floats, torch.randint(V, (N, T), generator=generator), mask]


@smoothings
@blocks
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("weights", [None, [0.5, -2.0, 0.0]])
def test_it_equals_its_parts(label_smoothing, block, seed, weights, monkeypatch):
    monkeypatch.setattr(word_loss, "BLOCK", block)
    h, W, b, y, mask = arguments(seed)
    weights = weights and torch.tensor(weights, dtype=torch.float64)
    expected = layers.temporal_word_loss(h, W, b, y, mask, label_smoothing, weights)
    right = torch.autograd.grad(expected, (h, W, b))
    with torch.no_grad():
        loss, found = temporal_word_loss(h, W, b, y, mask, label_smoothing, weights)
        alone, zeros = temporal_word_loss(h, W, b, y, mask, label_smoothing, weights, False)
    check_norm("loss", loss, expected, 1e-13)
    for name, one, other in zip("hWb", found, right, strict=True):
        check_norm(f"d{name}", one, other, 1e-12)
    assert alone == loss and all((zero == 0).all() for zero in zeros)


@torch.no_grad()
def test_masked_positions_may_hold_anything():
    h, W, b, y, mask = arguments()
    expected, gradients = temporal_word_loss(h, W, b, y, mask)
    h[~mask] = torch.nan
    loss, again = temporal_word_loss(h, W, b, y, mask)
    for one, other in zip((loss, *again), (expected, *gradients), strict=True):
        check_norm("with NaN", one, other, 1e-14)


@torch.no_grad()
def test_without_any_word_the_loss_is_zero():
    h, W, b, y, mask = arguments()
    loss, gradients = temporal_word_loss(h, W, b, y, mask & ~mask, 0.1)
    assert loss == 0 and all((gradient == 0).all() for gradient in gradients)


@torch.no_grad()
def test_huge_scores_do_not_overflow_and_nothing_is_modified():
    h, W, b, y, mask = arguments()
    for offset in (1e4, -1e4):
        loss, _ = temporal_word_loss(h, W, b + offset, y, mask)
        check_norm("loss", loss, temporal_word_loss(h, W, b, y, mask)[0], 1e-10)
    assert all(
        torch.equal(one, other) for one, other in zip((h, W, b, y, mask), arguments(), strict=True)
    )


@torch.no_grad()
def test_inside_autocast_products_are_narrow_and_gradients_are_not():
    h, W, b, y, mask = arguments(N=8, T=9, H=40, V=70)
    h, W, b = h.float(), W.float(), b.float()
    expected, right = temporal_word_loss(h, W, b, y, mask)
    with torch.autocast("cpu", torch.bfloat16):
        loss, found = temporal_word_loss(h, W, b, y, mask)
    check_norm("loss", loss, expected, 0.02)
    for one, other in zip(found, right, strict=True):
        assert one.dtype == torch.float32 and not torch.equal(one, other)
        check_norm("gradient", one, other, 0.02)


def test_a_layer_uses_it_with_the_engine_and_gets_its_gradients(monkeypatch):
    class Engine:
        """Take everything, and count."""

        calls = 0

        def fits(self, x):
            return True

        def temporal_word_loss(self, *arguments):
            Engine.calls += 1
            return temporal_word_loss(*arguments)

    h, W, b, y, mask = arguments()
    expected = layers.temporal_word_loss(h, W, b, y, mask, 0.1)
    right = torch.autograd.grad(expected * 3, (h, W, b))
    monkeypatch.setattr(layers.use_engine, "engine", Engine())
    loss = layers.temporal_word_loss(h, W, b, y, mask, 0.1)
    for one, other in zip(torch.autograd.grad(loss * 3, (h, W, b)), right, strict=True):
        check_norm("gradient", one, other, 1e-12)
    with torch.no_grad():
        check_norm("loss", layers.temporal_word_loss(h, W, b, y, mask, 0.1), expected, 1e-13)
    assert Engine.calls == 2
    with pytest.raises(ValueError, match="^label_smoothing must be"):
        layers.temporal_word_loss(h, W, b, y, mask, 1.0)
