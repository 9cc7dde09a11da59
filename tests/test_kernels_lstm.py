import numpy as np
import pytest
import torch
from oracles import (
    assert_gradients,
    differentiate,
    numeric_gradients,
    plain_lstm,
    random_inputs,
)

from helpers.checks import check, check_norm
from helpers.kernels import (
    lstm_backward,
    lstm_forward,
    lstm_gates_forward,
    lstm_step_backward,
    lstm_step_forward,
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["lstm_gates", "lstm_step"])
def test_step_gradients(name, seed):
    assert_gradients(name, seed, 1e-7)


@pytest.mark.parametrize(("seed", "T"), [(0, 1), (1, 3), (2, 6)])
def test_sequence_gradients(seed, T):
    assert_gradients("lstm", seed, 1e-6, T=T)


def test_sequence_gradients_from_a_given_cell_state():
    inputs = random_inputs("lstm") | {"c0": np.random.default_rng(0).normal(size=(2, 5))}
    h, cache = lstm_forward(**inputs)
    dh = np.random.default_rng(1).normal(size=h.shape)
    (plain,), exact = differentiate(plain_lstm, inputs, [dh])
    check_norm("h", h, plain, 1e-14)
    numeric = numeric_gradients(lstm_forward, inputs, [dh])
    for key, gradient in zip(inputs, lstm_backward(dh, cache), strict=True):
        check_norm(f"d{key} to autograd", gradient, exact[key], 1e-10)
        check(f"d{key} to central differences", gradient, numeric[key], 1e-6)


@pytest.mark.parametrize("with_c0", [False, True])
def test_sequence_equals_the_repeated_step(with_c0):
    inputs = random_inputs("lstm", T=4)
    c0 = np.full((2, 5), 0.3) if with_c0 else None
    h, _ = lstm_forward(*inputs.values(), c0=c0)
    prev_h, prev_c = inputs["h0"], np.zeros((2, 5)) if c0 is None else c0
    for t in range(4):
        weights = [inputs[key] for key in ("Wx", "Wh", "b")]
        prev_h, prev_c, _ = lstm_step_forward(inputs["x"][:, t], prev_h, prev_c, *weights)
        check_norm(f"h[:, {t}]", h[:, t], prev_h, 1e-14)


def test_sequence_gradients_equal_the_repeated_step():
    # the backward pass of the step alone, carried from the last timestep to the first
    inputs = random_inputs("lstm", T=4) | {"c0": np.random.default_rng(0).normal(size=(2, 5))}
    x, prev_h, Wx, Wh, b, prev_c = inputs.values()
    h, cache = lstm_forward(**inputs)
    dh = np.random.default_rng(1).normal(size=h.shape)
    caches = []
    for t in range(4):
        prev_h, prev_c, step_cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        caches.append(step_cache)
    dprev_h, dprev_c = np.zeros_like(prev_h), np.zeros_like(prev_c)
    dx, weights = [], [0, 0, 0]
    for t in reversed(range(4)):
        dx_t, dprev_h, dprev_c, *dweights = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, caches[t]
        )
        dx.insert(0, dx_t)
        weights = [total + part for total, part in zip(weights, dweights, strict=True)]
    expected = [np.stack(dx, axis=1), dprev_h, *weights, dprev_c]
    for key, gradient, repeated in zip(inputs, lstm_backward(dh, cache), expected, strict=True):
        check_norm(f"d{key}", gradient, repeated, 1e-13)


def test_gates_stand_in_the_order_i_f_o_g():
    """Shut or open one gate at a time; prev_c = 2 and g = tanh(0.5) tell which one it was."""
    off, on, some = -50.0, 50.0, 0.5
    g = np.tanh(0.5)
    for gates, next_c in [
        ([off, on, on, some], 2),
        ([on, off, on, some], g),
        ([on, on, on, off], 1),
    ]:
        h, c, _ = lstm_gates_forward(np.array([gates]), np.array([[2.0]]))
        np.testing.assert_allclose(c, [[next_c]], rtol=1e-12)
        np.testing.assert_allclose(h, np.tanh(c), rtol=1e-12)
    h, _, _ = lstm_gates_forward(np.array([[on, on, off, on]]), np.array([[2.0]]))
    np.testing.assert_allclose(h, 0, atol=1e-12)


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
@pytest.mark.filterwarnings("error")
def test_huge_inputs_neither_overflow_nor_warn(convert):
    inputs = {key: convert(value) for key, value in random_inputs("lstm").items()}
    for sign in (1, -1):
        h, cache = lstm_forward(**inputs | {"b": sign * 1e5 * (0 * inputs["b"] + 1)})
        gradients = lstm_backward(0 * h + 1, cache)
        assert all(np.isfinite(np.asarray(array)).all() for array in (h, *gradients))


def test_a_cell_state_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"^c0 must have shape"):
        lstm_forward(**random_inputs("lstm"), c0=np.zeros((3, 5)))
