import numpy as np
import pytest
from oracles import assert_gradients, random_inputs

from helpers.checks import check_norm
from helpers.kernels import rnn_backward, rnn_forward, rnn_step_backward, rnn_step_forward


@pytest.mark.parametrize("seed", range(3))
def test_step_gradients(seed):
    assert_gradients("rnn_step", seed, 1e-7)


@pytest.mark.parametrize(("seed", "T"), [(0, 1), (1, 3), (2, 6)])
def test_sequence_gradients(seed, T):
    assert_gradients("rnn", seed, 1e-6, T=T)


def test_sequence_equals_the_repeated_step():
    inputs = random_inputs("rnn", T=4)
    h, _ = rnn_forward(*inputs.values())
    prev_h, weights = inputs["h0"], [inputs[key] for key in ("Wx", "Wh", "b")]
    for t in range(4):
        prev_h, _ = rnn_step_forward(inputs["x"][:, t], prev_h, *weights)
        check_norm(f"h[:, {t}]", h[:, t], prev_h, 1e-14)


def test_one_timestep_has_the_gradients_of_the_step():
    inputs = random_inputs("rnn", T=1)
    h, cache = rnn_forward(*inputs.values())
    _, step_cache = rnn_step_forward(inputs["x"][:, 0], *list(inputs.values())[1:])
    dx, *gradients = rnn_backward(np.ones_like(h), cache)
    for of_sequence, of_step in zip(
        [dx[:, 0], *gradients], rnn_step_backward(np.ones_like(h[:, 0]), step_cache), strict=True
    ):
        check_norm("gradient", of_sequence, of_step, 1e-14)


def test_huge_inputs_saturate_without_a_gradient():
    inputs = random_inputs("rnn") | {"b": np.full(5, 1e4)}
    h, cache = rnn_forward(*inputs.values())
    assert (h == 1).all()
    assert all((gradient == 0).all() for gradient in rnn_backward(np.ones_like(h), cache))
