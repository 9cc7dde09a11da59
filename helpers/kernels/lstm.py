"""LSTM: the gates, one timestep and the whole sequence, forward and backward.

Gates in the order i, f, o, g, as in CS231n; Hochreiter and Schmidhuber 1997, "Long short-term
memory", with the forget gate of Gers, Schmidhuber and Cummins 2000. All arrays of a call are
NumPy arrays or torch tensors of one float dtype.
"""

from helpers.kernels.arguments import check_arguments
from helpers.kernels.columns import (
    by_rows,
    empty_by_columns,
    flat_columns,
    flat_rows,
    projected_by_columns,
    timesteps,
)
from helpers.kernels.compiled import compiled_lstm_for
from helpers.kernels.inplace import (
    blocks,
    lstm_slopes,
    narrowed,
    sigmoid_in_place,
)
from helpers.kernels.products import add_product, as_numpy, library, multiplied_by_torch


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


@multiplied_by_torch
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    """Run an LSTM over a sequence, from the cell state c0 = 0 unless one is given.

    The inputs of all timesteps are projected in one product before the loop. `_forward_loop`
    does what `lstm_step_forward` does, transposed and without new arrays: columns.py says why.

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
    if compiled := compiled_lstm_for(x):
        return compiled.forward(x, h0, Wx, Wh, b, c0)
    N, T, H = (sizes[letter] for letter in "NTH")
    x = flat_rows(xp, x)  # (T N, D)
    gates = projected_by_columns(xp, x, Wx, b, (N, T, 4 * H))  # x Wx + b at first
    h, c = (empty_by_columns(xp, (N, T + 1, H), h0) for _ in range(2))
    h[:, 0], c[:, 0] = h0, 0 if c0 is None else c0
    tanh_c = xp.empty_like(c[:, 1:])  # (N, T, H)
    Wh = narrowed(Wh)
    W = by_rows(Wh.T)  # (4H, H)
    _forward_loop(gates, W, h, c, tanh_c)
    return by_rows(h[:, 1:]), (x, c0, Wx, Wh, gates, c, tanh_c, h)


def _forward_loop(gates, W, h, c, tanh_c):
    """Fill all from the projected inputs, in gates, and from the first states.

    Inputs: gates (N, T, 4H), W (4H, H), h and c (N, T + 1, H), tanh_c (N, T, H)
    """
    shared = map(as_numpy, (*blocks(gates), c[:, :-1], h[:, 1:], c[:, 1:], tanh_c))
    sigmoids = gates[:, :, : 3 * h.shape[2]]
    steps = zip(timesteps(gates, sigmoids, h), timesteps(*shared), strict=True)
    xp = library(h)
    for (a, i_f_o, prev_h), (i, f, o, g, prev_c, next_h, next_c, tanh) in steps:
        add_product(a, W, prev_h)  # a = x Wx + b + prev_h Wh, as (4H, N)
        sigmoid_in_place(xp, i_f_o)  # a becomes the gates i, f, o, g, (H, N) each
        xp.tanh(g, out=g)
        xp.multiply(f, prev_c, out=next_c)
        next_c += i * g
        xp.tanh(next_c, out=tanh)
        xp.multiply(o, tanh, out=next_h)


@multiplied_by_torch
def lstm_backward(dh, cache):
    """Backpropagation through time, along the hidden state and along the cell state.

    The derivatives of the gates need no gradient: they are computed for all timesteps at once,
    before `_backward_loop`. The sums over time in dWx, dWh and db come after it.

    Inputs:
        dh: gradients of the loss with respect to every hidden state, (N, T, H)
        cache: from the forward pass
    Returns: dx (N, T, D), dh0 (N, H), dWx (D, 4H), dWh (H, 4H), db (4H,);
        then dc0 (N, H), if the forward pass was given a c0
    """
    x, c0, Wx, Wh, gates, c, tanh_c, h = cache  # h and c with their initial states
    xp, sizes = check_arguments(gates=(gates, "N T 4H"), dh=(dh, "N T H"))
    if compiled := compiled_lstm_for(h):
        return tuple(compiled.backward(dh, *cache))
    N, T = sizes["N"], sizes["T"]
    dstates = xp.zeros_like(h)  # (N, T + 1, H), of h0 first
    dstates[:, 1:] = dh
    dprev_c = xp.zeros_like(c[:, :1])  # (N, 1, H)
    da, slope_c = lstm_slopes(xp, gates, c[:, :-1], h[:, 1:], tanh_c)  # da: slopes at first
    _backward_loop(da, slope_c, blocks(gates)[1], dstates, dprev_c, Wh)
    flat = flat_columns(xp, da)  # (4H, T N)
    db, flat = xp.sum(flat, axis=1), narrowed(flat)
    dx = xp.reshape(flat.T @ Wx.T, (T, N, Wx.shape[0])).swapaxes(0, 1)
    dWx, dWh = x.T @ flat.T, narrowed(flat_columns(xp, h[:, :-1])) @ flat.T
    gradients = dx, dstates[:, 0], dWx, dWh, db
    return gradients if c0 is None else (*gradients, dprev_c[:, 0])


def _backward_loop(da, slope_c, f, dstates, dprev_c, Wh):
    """Turn slopes into da; fill dstates and dprev_c, which are zero but for dh.

    Inputs: da (N, T, 4H), slope_c and f (N, T, H), dstates (N, T + 1, H), dprev_c (N, 1, H),
        Wh (H, 4H)
    """
    ((dc,),) = timesteps(as_numpy(dprev_c))
    shared = map(as_numpy, (*blocks(da), slope_c, f, dstates[:, 1:]))
    steps = list(zip(timesteps(da, dstates), timesteps(*shared), strict=True))
    for (da_t, dprev_h), (i, f, o, g, slope, forget, dnext_h) in reversed(steps):
        dc += dnext_h * slope
        i *= dc  # the slopes become da
        f *= dc
        o *= dnext_h
        g *= dc
        dc *= forget  # now of prev_c
        add_product(dprev_h, Wh, da_t)  # dprev_h += da Wh^T, as (H, N)
