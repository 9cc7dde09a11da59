import array_api_compat as compat
import numpy as np
import pytest
import torch

from helpers.checks import check_norm
from helpers.kernels import (
    dot_product_attention_forward,
    lstm_gates_backward,
    lstm_gates_forward,
)
from helpers.kernels.inplace import (
    attention_forward,
    gate_slopes,
    gates_backward,
    gates_forward,
    lstm_slopes,
    narrowed,
    tanh_into,
)

N, T, P, H = 2, 3, 6, 5
kinds = pytest.mark.parametrize("convert", [np.asarray, torch.tensor])


def arrays(convert, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [convert(rng.normal(size=shape)) for shape in shapes]


@kinds
def test_gates_forward_equals_the_readable_form(convert):
    a, prev_c, next_h, next_c, tanh_c = arrays(convert, (N, 4 * H), *[(N, H)] * 4)
    expected_h, expected_c, (_, expected_gates, expected_tanh) = lstm_gates_forward(a, prev_c)
    gates_forward(compat.array_namespace(a), a, prev_c, next_h, next_c, tanh_c)
    check_norm("gates", a, expected_gates, 1e-14)
    check_norm("next_h", next_h, expected_h, 1e-14)
    check_norm("next_c", next_c, expected_c, 1e-14)
    check_norm("tanh_c", tanh_c, expected_tanh, 1e-14)


@kinds
def test_gates_backward_with_slopes_equals_the_readable_form(convert):
    a, prev_c, dnext_h, dnext_c = arrays(convert, (T, N, 4 * H), *[(T, N, H)] * 3)
    caches = [lstm_gates_forward(a[t], prev_c[t])[2] for t in range(T)]
    stack = compat.array_namespace(a).stack
    states, gates, tanh_c = (stack(list(each), axis=1) for each in zip(*caches, strict=True))
    slopes, slope_c = gate_slopes(compat.array_namespace(a), gates, states, tanh_c)
    for t in range(T):
        f = gates[:, t, H : 2 * H]
        expected = lstm_gates_backward(dnext_h[t], dnext_c[t], caches[t])
        dprev_c = gates_backward(slopes[:, t], slope_c[:, t], f, dnext_h[t], dnext_c[t])
        check_norm("da", slopes[:, t], expected[0], 1e-14)
        check_norm("dprev_c", dprev_c, expected[1], 1e-14)


@kinds
def test_slopes_from_states_equal_the_others(convert):
    a, prev_c = arrays(convert, (T, N, 4 * H), (T, N, H))
    xp = compat.array_namespace(a)
    next_h, _, caches = zip(*[lstm_gates_forward(a[t], prev_c[t]) for t in range(T)], strict=True)
    states, gates, tanh_c = (xp.stack(list(each), axis=1) for each in zip(*caches, strict=True))
    expected = gate_slopes(xp, gates, states, tanh_c)
    found = lstm_slopes(xp, gates, states, xp.stack(list(next_h), axis=1), tanh_c)
    for name, one, other in zip(("slopes", "slope_c"), found, expected, strict=True):
        check_norm(name, one, other, 1e-14)


@kinds
def test_attention_forward_equals_the_readable_form(convert):
    prev_h, A, attn, alpha = arrays(convert, (N, H), (N, P, H), (N, H), (N, P))
    expected_attn, expected_alpha, _ = dot_product_attention_forward(prev_h, A)
    attention_forward(compat.array_namespace(A), prev_h, A, attn, alpha)
    check_norm("attn", attn, expected_attn, 1e-14)
    check_norm("alpha", alpha, expected_alpha, 1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tanh_goes_through_torch_where_numpy_has_no_such_dtype(dtype):
    a = torch.linspace(-3, 3, 24, dtype=dtype).reshape(2, 12)
    expected, untouched = a.double().tanh(), a[:, :4].clone()
    tanh_into(torch, a[:, 4:], a[:, 4:])  # a strided view of it, in place
    check_norm("tanh", a[:, 4:].double(), expected[:, 4:], 4 * torch.finfo(dtype).eps)
    assert torch.equal(a[:, :4], untouched)


def test_matrices_are_narrowed_inside_autocast_alone():
    W = torch.ones(2, 3)
    assert narrowed(W) is W
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert narrowed(W).dtype == torch.bfloat16
    array = np.ones((2, 3))
    assert narrowed(array) is array
