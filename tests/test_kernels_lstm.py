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

from helpers.checks import check, check_norm, rel_norm
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


def repeated_step(x, h0, Wx, Wh, b, dh):
    """Run the step that is made to be read, forward and backward. Returns: h, dx, ..., db"""
    state, states, caches = (h0, 0 * h0), [], []
    for t in range(x.shape[1]):
        *state, cache = lstm_step_forward(x[:, t], *state, Wx, Wh, b)
        states.append(state[0])
        caches.append(cache)
    dx, dprev_h, dprev_c, sums = [], 0 * h0, 0 * h0, [0, 0, 0]
    for t in reversed(range(x.shape[1])):
        dx_t, dprev_h, dprev_c, *weights = lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, caches[t]
        )
        dx.insert(0, dx_t)
        sums = [total + part for total, part in zip(sums, weights, strict=True)]
    return np.stack(states, axis=1), np.stack(dx, axis=1), dprev_h, *sums


# one timestep; rows fewer and more than columns; large enough for all of torch's threads
SIZES = [(1, 1, 1, 1), (3, 5, 4, 2), (2, 3, 7, 33), (64, 3, 8, 640)]


@pytest.mark.parametrize(
    ("convert", "tolerance"),
    [
        (np.asarray, 1e-12),
        (np.float32, 1e-5),
        (torch.tensor, 1e-12),
        (lambda array: torch.tensor(array, dtype=torch.float32), 1e-5),
        (lambda array: torch.tensor(array, dtype=torch.bfloat16), 5e-2),
    ],
)
@pytest.mark.parametrize("sizes", SIZES)
def test_every_kind_and_dtype_equals_the_repeated_step(sizes, convert, tolerance):
    N, T, D, H = sizes
    rng = np.random.default_rng(0)
    shapes = [(N, T, D), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,), (N, T, H)]
    *inputs, dh = (rng.normal(scale=min(0.5, H**-0.5), size=shape) for shape in shapes)
    expected = repeated_step(*inputs, dh)
    given = [convert(array) for array in (*inputs, dh)]
    h, cache = lstm_forward(*given[:-1])
    found = h, *lstm_backward(given[-1], cache)
    names = ("h", "dx", "dh0", "dWx", "dWh", "db")
    for name, one, other in zip(names, found, expected, strict=True):
        assert type(one) is type(given[0]) and one.dtype == given[0].dtype, name
        one = one.double() if isinstance(one, torch.Tensor) else one
        check_norm(name, one, other, tolerance)
    for array, before in zip(given, (*inputs, dh), strict=True):
        assert (np.asarray(array.tolist()) == np.asarray(convert(before).tolist())).all()


@pytest.mark.parametrize("convert", [np.float32, np.float64, torch.tensor])
def test_no_examples_give_empty_arrays_and_zeros(convert):
    shapes = [(0, 3, 3), (0, 5), (3, 20), (5, 20), (20,)]
    h, cache = lstm_forward(*(convert(np.ones(shape)) for shape in shapes))
    assert h.shape == (0, 3, 5)
    for gradient, shape in zip(lstm_backward(h, cache), shapes, strict=True):
        assert gradient.shape == shape and (gradient == 0).all()


def test_an_odd_memory_order_changes_nothing():
    x, h0, Wx, Wh, b = (array.astype(np.float32) for array in random_inputs("lstm").values())
    expected, _ = lstm_forward(x, h0, Wx, Wh, b)
    Wx.flags.writeable = False
    h, cache = lstm_forward(x[:, ::-1][:, ::-1], np.asfortranarray(h0), Wx, Wh.T.copy().T, b)
    check_norm("h", h, expected, 1e-6)
    dh = np.broadcast_to(np.float32(1), h.shape)
    check_norm("dx", lstm_backward(dh, cache)[0], lstm_backward(dh.copy(), cache)[0], 1e-6)


def test_backward_twice_from_one_cache_is_the_same_twice():
    h, cache = lstm_forward(**random_inputs("lstm"))
    for first, second in zip(lstm_backward(h, cache), lstm_backward(h, cache), strict=True):
        assert (first == second).all()


def test_inside_autocast_products_are_narrow_and_states_are_not():
    inputs = random_inputs("lstm", T=4)
    inputs["x"] *= 0  # leaves the products in the loop
    expected, _ = lstm_forward(**inputs)
    given = {key: torch.tensor(value, dtype=torch.float32) for key, value in inputs.items()}
    with torch.autocast("cpu", torch.bfloat16):
        h, _ = lstm_forward(**given)
    assert h.dtype == torch.float32
    assert 1e-4 < rel_norm(h.double(), torch.tensor(expected)) < 2e-2


def test_autocast_does_not_reach_numpy_arrays():
    shapes = [(2, 3, 4), (2, 5), (4, 20), (5, 20), (20,), (2, 3, 5)]
    *inputs, dh = (np.ones(shape, np.float32) / 3 for shape in shapes)
    expected, cache = lstm_forward(*inputs)
    expected = expected, *lstm_backward(dh, cache)
    with torch.autocast("cpu", torch.bfloat16):
        h, cache = lstm_forward(*inputs)
        found = h, *lstm_backward(dh, cache)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, np.ndarray) and (one == other).all()
