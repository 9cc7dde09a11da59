"""Vanilla RNN: one timestep and the whole sequence, forward and backward.

After CS231n's `rnn_layers.py` (names, shapes and argument order); Elman 1990, "Finding
structure in time". All arrays of a call are NumPy arrays or torch tensors of one float dtype;
an argument of another kind, dtype or shape raises a TypeError or ValueError that names it.
"""

from array_api_compat import array_namespace

from helpers.kernels.arguments import shapes
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    weight_gradient,
)


@shapes(x="N D", prev_h="N H", Wx="D H", Wh="H H", b="H")
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    """Advance a vanilla RNN by one timestep: next_h = tanh(x Wx + prev_h Wh + b).

    Inputs: x: input at this timestep, (N, D); prev_h: hidden state before it, (N, H);
        Wx, Wh, b: weights, (D, H), (H, H), (H,)
    Returns: next_h, the hidden state after it, (N, H); cache, for the backward pass
    """
    xp = array_namespace(x)
    next_h = xp.tanh(x @ Wx + prev_h @ Wh + b)  # (N, H)
    return next_h, (x, prev_h, Wx, Wh, next_h)


@shapes(dnext_h="N H", cache=("N D", "N H", "D H", "H H", "N H"))
def rnn_step_backward(dnext_h, cache):
    """Backward pass of one timestep, through a = x Wx + prev_h Wh + b and next_h = tanh(a).

    The derivative of tanh needs the output alone: da = dnext_h * (1 - next_h^2).

    Inputs: dnext_h: gradient of the loss, (N, H); cache: from the forward pass
    Returns: dx (N, D), dprev_h (N, H), dWx (D, H), dWh (H, H), db (H,)
    """
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)  # (N, H)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)


@shapes(x="N T D", h0="N H", Wx="D H", Wh="H H", b="H")
def rnn_forward(x, h0, Wx, Wh, b):
    """Run a vanilla RNN over a sequence: h[:, t] = tanh(x[:, t] Wx + h[:, t-1] Wh + b).

    The inputs of all timesteps are projected in one product before the loop.

    Inputs: x: input sequence, (N, T, D); h0: initial hidden state, (N, H);
        Wx, Wh, b: weights, (D, H), (H, H), (H,)
    Returns: h, the hidden states of all timesteps, (N, T, H); cache, for the backward pass
    """
    xp = array_namespace(x)
    a, _ = temporal_affine_forward(x, Wx, b)  # x Wx + b, (N, T, H)
    h, prev_h = [], h0
    for t in range(x.shape[1]):
        prev_h = xp.tanh(a[:, t] + prev_h @ Wh)  # (N, H)
        h.append(prev_h)
    h = xp.stack(h, axis=1)  # (N, T, H)
    return h, (x, h0, Wx, Wh, h)


@shapes(dh="N T H", cache=("N T D", "N H", "D H", "H H", "N T H"))
def rnn_backward(dh, cache):
    """Backpropagation through time: the step's backward pass from the last timestep to the first.

    The gradient that reaches h[:, t] is dh[:, t] plus what comes back from timestep t + 1.
    The sums over time in dWx, dWh and db are one product each, after the loop.

    Inputs: dh: gradients of the loss for every hidden state, (N, T, H); cache: from forward
    Returns: dx (N, T, D), dh0 (N, H), dWx (D, H), dWh (H, H), db (H,)
    """
    x, h0, Wx, Wh, h = cache
    xp = array_namespace(h)
    da, dprev_h = xp.empty_like(h), xp.zeros_like(h0)
    for t in reversed(range(h.shape[1])):
        da[:, t] = (dh[:, t] + dprev_h) * (1 - h[:, t] ** 2)
        dprev_h = da[:, t] @ Wh.T  # (N, H)
    dx, dWx, db = temporal_affine_backward(da, (x, Wx))
    dWh = weight_gradient(previous_states(h0, h), da)
    return dx, dprev_h, dWx, dWh, db


def previous_states(h0, h):
    """Shift hidden states h (N, T, H) by one timestep: h0 (N, H), then h without its last."""
    xp = array_namespace(h)
    return xp.concat([h0[:, None], h[:, :-1]], axis=1)
