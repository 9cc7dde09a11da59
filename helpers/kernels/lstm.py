"""LSTM: the gates, one timestep and the whole sequence, forward and backward.

Gates in the order i, f, o, g, as in CS231n; Hochreiter and Schmidhuber 1997, "Long short-term
memory", with the forget gate of Gers, Schmidhuber and Cummins 2000. Arrays as in `rnn`.
"""

from array_api_compat import array_namespace

from helpers.kernels.arguments import shapes
from helpers.kernels.rnn import previous_states
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    weight_gradient,
)


@shapes(a="N 4H", prev_c="N H")
def lstm_gates_forward(a, prev_c):
    """Turn pre-activations into gates, and the gates into the next cell and hidden state.

        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g)
        next_c = f * prev_c + i * g;  next_h = o * tanh(next_c)

    Inputs: a: pre-activations of the four gates side by side, (N, 4H); prev_c: (N, H)
    Returns: next_h, next_c: (N, H) each; cache: prev_c, the gates (N, 4H), tanh(next_c) (N, H)
    """
    xp, H = array_namespace(a), prev_c.shape[1]
    sigmoids = 0.5 * (1 + xp.tanh(0.5 * a[:, : 3 * H]))  # a sigmoid that cannot overflow
    gates = xp.concat([sigmoids, xp.tanh(a[:, 3 * H :])], axis=1)  # (N, 4H)
    i, f, o, g = (gates[:, k * H : (k + 1) * H] for k in range(4))
    next_c = f * prev_c + i * g
    tanh_c = xp.tanh(next_c)
    return o * tanh_c, next_c, (prev_c, gates, tanh_c)


@shapes(dnext_h="N H", dnext_c="N H", cache=("N H", "N 4H", "N H"))
def lstm_gates_backward(dnext_h, dnext_c, cache):
    """Backward pass of `lstm_gates_forward`.

    Inputs: dnext_h, dnext_c: (N, H) each; cache: from the forward pass
    Returns: da (N, 4H), dprev_c (N, H)
    """
    prev_c, gates, tanh_c = cache
    xp, H = array_namespace(gates), prev_c.shape[1]
    i, f, o, g = (gates[:, k * H : (k + 1) * H] for k in range(4))
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # both ways into next_c
    da_i, da_f = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    da_o, da_g = dnext_h * tanh_c * o * (1 - o), dc * i * (1 - g**2)
    da = xp.concat([da_i, da_f, da_o, da_g], axis=1)  # (N, 4H)
    return da, dc * f


@shapes(x="N D", prev_h="N H", prev_c="N H", Wx="D 4H", Wh="H 4H", b="4H")
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Advance an LSTM by one timestep: the gates of a = x Wx + prev_h Wh + b.

    Inputs: x: input at this timestep, (N, D); prev_h, prev_c: hidden and cell state before it,
        (N, H) each; Wx, Wh, b: weights, (D, 4H), (H, 4H), (4H,)
    Returns: next_h, next_c: the states after it, (N, H) each; cache, for the backward pass
    """
    a = x @ Wx + prev_h @ Wh + b  # (N, 4H)
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates_cache)


@shapes(
    dnext_h="N H", dnext_c="N H", cache=("N D", "N H", "D 4H", "H 4H", "N H", "N 4H", "N H")
)  # fmt: skip
def lstm_step_backward(dnext_h, dnext_c, cache):
    """Backward pass of one timestep: through the gates, then through a = x Wx + prev_h Wh + b.

    Inputs: dnext_h, dnext_c: gradients of the loss, (N, H) each; cache: from the forward pass
    Returns: dx (N, D), dprev_h (N, H), dprev_c (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,)
    """
    x, prev_h, Wx, Wh, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(0)


@shapes(x="N T D", h0="N H", Wx="D 4H", Wh="H 4H", b="4H", c0="N H")
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    """Run an LSTM over a sequence, from the cell state c0 = 0 unless one is given.

    The inputs of all timesteps are projected in one product before the loop.

    Inputs: x: input sequence, (N, T, D); h0, c0: initial hidden and cell state, (N, H) each;
        Wx, Wh, b: weights, (D, 4H), (H, 4H), (4H,)
    Returns:
        h: hidden states of all timesteps, (N, T, H)
        cache: for the backward pass: the arguments but b; h; the cell state before each timestep
            (N, T, H), the gates (N, T, 4H) and tanh of the cell state after it (N, T, H)
    """
    xp = array_namespace(x)
    a, _ = temporal_affine_forward(x, Wx, b)  # x Wx + b, (N, T, 4H)
    prev_h, prev_c, steps = h0, xp.zeros_like(h0) if c0 is None else c0, []
    for t in range(x.shape[1]):
        prev_h, prev_c, gates_cache = lstm_gates_forward(a[:, t] + prev_h @ Wh, prev_c)
        steps.append((prev_h, *gates_cache))
    h, *gates_caches = (xp.stack(each, axis=1) for each in zip(*steps, strict=True))
    return h, (x, h0, Wx, Wh, c0, h, *gates_caches)


@shapes(
    dh="N T H", cache=("N T D", "N H", "D 4H", "H 4H", None, "N T H", "N T H", "N T 4H", "N T H")
)
def lstm_backward(dh, cache):
    """Backpropagation through time, along the hidden state and along the cell state.

    The sums over time in dWx, dWh and db are one product each, after the loop.

    Inputs: dh: gradients of the loss for every hidden state, (N, T, H); cache: from forward
    Returns: dx (N, T, D), dh0 (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,);
        then dc0 (N, H), if the forward pass was given a c0
    """
    x, h0, Wx, Wh, c0, h, prev_c, gates, tanh_c = cache
    xp = array_namespace(h)
    da, dprev_h, dprev_c = xp.empty_like(gates), xp.zeros_like(h0), xp.zeros_like(h0)
    for t in reversed(range(h.shape[1])):
        gates_cache = prev_c[:, t], gates[:, t], tanh_c[:, t]
        da[:, t], dprev_c = lstm_gates_backward(dh[:, t] + dprev_h, dprev_c, gates_cache)
        dprev_h = da[:, t] @ Wh.T  # (N, H)
    dx, dWx, db = temporal_affine_backward(da, (x, Wx))
    dWh = weight_gradient(previous_states(h0, h), da)
    gradients = dx, dprev_h, dWx, dWh, db
    return gradients if c0 is None else (*gradients, dprev_c)
