"""LSTM: the gates, one timestep and the whole sequence, forward and backward.

Gates in the order i, f, o, g, as in CS231n; Hochreiter and Schmidhuber 1997, "Long short-term
memory", with the forget gate of Gers, Schmidhuber and Cummins 2000. All arrays of a call are
NumPy arrays or torch tensors of one float dtype.
"""

from helpers.kernels.arguments import check_arguments
from helpers.kernels.inplace import (
    blocks,
    gate_slopes,
    gates_backward,
    gates_forward,
    narrowed,
)
from helpers.kernels.rnn import previous_states
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    weight_gradient,
)


def lstm_gates_forward(a, prev_c):
    """Turn pre-activations into gates, and the gates into the next cell and hidden state.

        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g)
        next_c = f * prev_c + i * g;  next_h = o * tanh(next_c)

    Inputs:
        a: pre-activations of the four gates side by side, (N, 4H)
        prev_c: cell state, (N, H)
    Returns:
        next_h, next_c: (N, H) each
        cache: prev_c, the gates (N, 4H) and tanh(next_c) (N, H)
    """
    xp, sizes = check_arguments(a=(a, "N 4H"), prev_c=(prev_c, "N H"))
    H = sizes["H"]
    gates = xp.empty_like(a)
    gates[:, : 3 * H] = 0.5 * (1 + xp.tanh(0.5 * a[:, : 3 * H]))  # a sigmoid that cannot overflow
    gates[:, 3 * H :] = xp.tanh(a[:, 3 * H :])
    i, f, o, g = blocks(gates)
    next_c = f * prev_c + i * g
    tanh_c = xp.tanh(next_c)
    return o * tanh_c, next_c, (prev_c, gates, tanh_c)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    """Backward pass of `lstm_gates_forward`.

    Inputs:
        dnext_h, dnext_c: (N, H) each
        cache: from the forward pass
    Returns: da (N, 4H), dprev_c (N, H)
    """
    prev_c, gates, tanh_c = cache
    xp, sizes = check_arguments(
        gates=(gates, "N 4H"), dnext_h=(dnext_h, "N H"), dnext_c=(dnext_c, "N H")
    )
    H = sizes["H"]
    i, f, o, g = blocks(gates)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # both ways into next_c
    da = xp.empty_like(gates)
    da[:, :H] = dc * g * i * (1 - i)
    da[:, H : 2 * H] = dc * prev_c * f * (1 - f)
    da[:, 2 * H : 3 * H] = dnext_h * tanh_c * o * (1 - o)
    da[:, 3 * H :] = dc * i * (1 - g**2)
    return da, dc * f


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Advance an LSTM by one timestep: the gates of a = x Wx + prev_h Wh + b.

    Inputs:
        x: input at this timestep, (N, D)
        prev_h, prev_c: hidden and cell state before it, (N, H) each
        Wx, Wh, b: weights, (D, 4H), (H, 4H), (4H,)
    Returns:
        next_h, next_c: hidden and cell state after it, (N, H) each
        cache: for the backward pass
    Raises: ValueError or TypeError naming an argument of the wrong shape, kind or dtype.
    """
    check_arguments(
        x=(x, "N D"), prev_h=(prev_h, "N H"), prev_c=(prev_c, "N H"),
        Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), b=(b, "4H"),
    )  # fmt: skip
    a = x @ Wx + prev_h @ Wh + b  # (N, 4H)
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates_cache)


def lstm_step_backward(dnext_h, dnext_c, cache):
    """Backward pass of one timestep: through the gates, then through a = x Wx + prev_h Wh + b.

    Inputs:
        dnext_h, dnext_c: gradients with respect to next_h and next_c, (N, H) each
        cache: from the forward pass
    Returns: dx (N, D), dprev_h (N, H), dprev_c (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,)
    """
    x, prev_h, Wx, Wh, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(0)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    """Run an LSTM over a sequence, from the cell state c0 = 0 unless one is given.

    The inputs of all timesteps are projected in one product before the loop. In it,
    `gates_forward` does what `lstm_gates_forward` does, without new arrays.

    Inputs:
        x: input sequence, (N, T, D)
        h0: initial hidden state, (N, H)
        Wx, Wh, b: weights, (D, 4H), (H, 4H), (4H,)
        c0: initial cell state, (N, H)
    Returns:
        h: hidden states of all timesteps, (N, T, H)
        cache: for the backward pass
    Raises: ValueError or TypeError naming an argument of the wrong shape, kind or dtype.
    """
    xp, sizes = check_arguments(
        x=(x, "N T D"), h0=(h0, "N H"), Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), b=(b, "4H"),
        **({} if c0 is None else {"c0": (c0, "N H")}),
    )  # fmt: skip
    T, H = sizes["T"], sizes["H"]
    gates, _ = temporal_affine_forward(x, Wx, b)  # holds x Wx + b until the loop reaches t
    h, c, tanh_c = (xp.empty_like(gates[:, :, :H]) for _ in range(3))  # (N, T, H)
    prev_h, prev_c = h0, xp.zeros_like(h0) if c0 is None else c0
    Wh = narrowed(Wh)
    for t in range(T):
        a = gates[:, t]  # (N, 4H), a view
        a += prev_h @ Wh
        gates_forward(xp, a, prev_c, h[:, t], c[:, t], tanh_c[:, t])  # fills all but prev_c
        prev_h, prev_c = h[:, t], c[:, t]
    return h, (x, h0, c0, Wx, Wh, gates, c, tanh_c, h)


def lstm_backward(dh, cache):
    """Backpropagation through time, along the hidden state and along the cell state.

    The derivatives of the gates need no gradient: they are computed for all timesteps at once,
    before the loop. The sums over time in dWx, dWh and db are one product each, after it.

    Inputs:
        dh: gradients of the loss with respect to every hidden state, (N, T, H)
        cache: from the forward pass
    Returns: dx (N, T, D), dh0 (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,);
        then dc0 (N, H), if the forward pass was given a c0
    """
    x, h0, c0, Wx, Wh, gates, c, tanh_c, h = cache
    xp, sizes = check_arguments(h=(h, "N T H"), dh=(dh, "N T H"))
    dprev_h = dprev_c = zeros = xp.zeros_like(h0)
    prev_c = previous_states(xp, zeros if c0 is None else c0, c)  # (N, T, H)
    da, slope_c = gate_slopes(gates, prev_c, tanh_c)  # da: slopes until the loop reaches t
    _, f, _, _ = blocks(gates)
    for t in reversed(range(sizes["T"])):
        dnext_h = dh[:, t] + dprev_h
        dprev_c = gates_backward(da[:, t], slope_c[:, t], f[:, t], dnext_h, dprev_c)
        dprev_h = da[:, t] @ Wh.T  # (N, H)
    dx, dWx, db = temporal_affine_backward(da, (x, Wx))
    dWh = weight_gradient(xp, previous_states(xp, h0, h), da)
    gradients = dx, dprev_h, dWx, dWh, db
    return gradients if c0 is None else (*gradients, dprev_c)
