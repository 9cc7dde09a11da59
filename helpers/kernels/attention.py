"""Scaled dot-product attention over image positions, and the LSTM that looks at each step.

Names and shapes of EECS 498-007; Xu et al. 2015, "Show, Attend and Tell"; the scaling by
sqrt(H) of Vaswani et al. 2017, "Attention Is All You Need". All arrays of a call are NumPy
arrays or torch tensors of one float dtype.
"""

from math import sqrt

import array_api_compat as compat

from helpers.kernels.arguments import check_arguments, check_images, per_image
from helpers.kernels.inplace import (
    attention_forward,
    blocks,
    gate_slopes,
    gates_backward,
    gates_forward,
    narrowed,
)
from helpers.kernels.lstm import lstm_gates_backward, lstm_gates_forward
from helpers.kernels.rnn import previous_states
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    weight_gradient,
)


def dot_product_attention_forward(prev_h, A):
    """Average the image positions, weighted by how well each fits the hidden state.

        scores_p = prev_h . A_p / sqrt(H);  alpha = softmax(scores);  attn = sum_p alpha_p A_p

    K hidden states in a row may ask about one image, such as those of its K captions: A then has
    I = N / K images, and its memory is read once for all K.

    Inputs:
        prev_h: hidden state, (N, H)
        A: image positions, (I, P, H)
    Returns:
        attn: (N, H)
        alpha: attention weights, (N, P); each row is positive and sums to 1
        cache: for the backward pass
    Raises: ValueError or TypeError naming an argument of the wrong shape, kind or dtype.
    """
    xp, sizes = check_arguments(prev_h=(prev_h, "N H"), A=(A, "I P H"))
    check_images(sizes)
    scores = per_image(prev_h, A) @ A.mT / sqrt(sizes["H"])  # (I, K, P)
    exp = xp.exp(scores - xp.max(scores, axis=2, keepdims=True))
    alpha = exp / xp.sum(exp, axis=2, keepdims=True)  # (I, K, P)
    attn = (alpha @ A).reshape(prev_h.shape)  # (N, H)
    alpha = alpha.reshape(len(prev_h), -1)  # (N, P)
    return attn, alpha, (prev_h, A, alpha)


def dot_product_attention_backward(dattn, cache):
    """Backward pass of `dot_product_attention_forward`.

    A takes part twice: it is compared with the hidden state, and it is averaged.

    Inputs:
        dattn: (N, H)
        cache: from the forward pass
    Returns: dprev_h (N, H), dA (I, P, H)
    """
    prev_h, A, alpha = cache
    check_arguments(prev_h=(prev_h, "N H"), dattn=(dattn, "N H"))
    dscores = _scores_backward(dattn, A, alpha)  # (N, P)
    dprev_h = (per_image(dscores, A) @ A).reshape(prev_h.shape)  # (N, H)
    return dprev_h, _positions_backward(dscores, prev_h, alpha, dattn, A)


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    """Advance an LSTM that sees an image: the gates of a = x Wx + prev_h Wh + attn Wattn + b.

    Inputs:
        x: input at this timestep, (N, D)
        prev_h, prev_c: hidden and cell state before it, (N, H) each
        attn: attended image, (N, H)
        Wx, Wh, Wattn, b: weights, (D, 4H), (H, 4H), (H, 4H), (4H,)
    Returns:
        next_h, next_c: (N, H) each
        cache: for the backward pass
    Raises: ValueError or TypeError naming an argument of the wrong shape, kind or dtype.
    """
    check_arguments(
        x=(x, "N D"), prev_h=(prev_h, "N H"), prev_c=(prev_c, "N H"), attn=(attn, "N H"),
        Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), Wattn=(Wattn, "H 4H"), b=(b, "4H"),
    )  # fmt: skip
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b  # (N, 4H)
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, *gates_cache)


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    """Backward pass of `attention_lstm_step_forward`.

    Inputs:
        dnext_h, dnext_c: (N, H) each
        cache: from the forward pass
    Returns: dx (N, D), dprev_h (N, H), dprev_c (N, H), dattn (N, H),
        dWx (D, 4H), dWh (H, 4H), dWattn (H, 4H), db (4H,)
    """
    x, prev_h, attn, Wx, Wh, Wattn, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dinputs = (da @ Wx.T, da @ Wh.T, dprev_c, da @ Wattn.T)
    return *dinputs, x.T @ da, prev_h.T @ da, attn.T @ da, da.sum(0)


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    """Run the attention LSTM over a sequence, from h0 = c0 = the mean of A over positions.

    Each step attends with the hidden state before it. The inputs of all timesteps are
    projected in one product before the loop. In it, `attention_forward` and `gates_forward`
    do what `dot_product_attention_forward` and `lstm_gates_forward` do, without new arrays.

    Inputs:
        x: input sequence, (N, T, D)
        A: image positions, (I, P, H); K = N / I sequences in a row share an image
        Wx, Wh, Wattn, b: weights, (D, 4H), (H, 4H), (H, 4H), (4H,)
    Returns:
        h: hidden states of all timesteps, (N, T, H)
        alpha: attention weights of all timesteps, (N, T, P)
        cache: for the backward pass
    Raises: ValueError or TypeError naming an argument of the wrong shape, kind or dtype.
    """
    xp, sizes = check_arguments(
        x=(x, "N T D"), A=(A, "I P H"),
        Wx=(Wx, "D 4H"), Wh=(Wh, "H 4H"), Wattn=(Wattn, "H 4H"), b=(b, "4H"),
    )  # fmt: skip
    check_images(sizes)
    N, T, P, H = (sizes[letter] for letter in "NTPH")
    gates, _ = temporal_affine_forward(x, Wx, b)  # holds x Wx + b until the loop reaches t
    h, c, tanh_c, attn = (xp.empty_like(gates[:, :, :H]) for _ in range(4))  # (N, T, H)
    alpha = xp.empty((N, T, P), dtype=A.dtype, device=compat.device(A))
    h0 = prev_h = prev_c = xp.repeat(xp.mean(A, axis=1), N // len(A), axis=0)  # (N, H)
    A, Wh, Wattn = narrowed(A), narrowed(Wh), narrowed(Wattn)
    for t in range(T):
        attention_forward(xp, prev_h, A, attn[:, t], alpha[:, t])  # fills the last two
        a = gates[:, t]  # (N, 4H), a view
        a += prev_h @ Wh
        a += attn[:, t] @ Wattn
        gates_forward(xp, a, prev_c, h[:, t], c[:, t], tanh_c[:, t])  # fills all but prev_c
        prev_h, prev_c = h[:, t], c[:, t]
    return h, alpha, (x, A, Wx, Wh, Wattn, gates, c, tanh_c, h, attn, alpha, h0)


def attention_lstm_backward(dh, cache):
    """Backpropagation through time; a third way back leads through the attention.

    The hidden state h[:, t-1] reaches timestep t through Wh and as the query of the attention.
    The gradient of A adds up over timesteps, in two batched products after the loop, and takes
    the share of the initial states, which are its mean.

    Inputs:
        dh: gradients of the loss with respect to every hidden state, (N, T, H)
        cache: from the forward pass
    Returns: dx (N, T, D), dA (I, P, H), dWx (D, 4H), dWh (H, 4H), dWattn (H, 4H), db (4H,)
    """
    x, A, Wx, Wh, Wattn, gates, c, tanh_c, h, attn, alpha, h0 = cache
    xp, sizes = check_arguments(h=(h, "N T H"), dh=(dh, "N T H"), alpha=(alpha, "N T P"))
    prev_c = previous_states(xp, h0, c)  # (N, T, H); c0 = h0
    da, slope_c = gate_slopes(xp, gates, prev_c, tanh_c)  # da: slopes until the loop reaches t
    _, f, _, _ = blocks(gates)
    dattn, dscores = xp.empty_like(attn), xp.empty_like(alpha)
    dprev_h = dprev_c = xp.zeros_like(h0)
    for t in reversed(range(sizes["T"])):
        dnext_h = dh[:, t] + dprev_h
        dprev_c = gates_backward(da[:, t], slope_c[:, t], f[:, t], dnext_h, dprev_c)
        dattn[:, t] = da[:, t] @ Wattn.T  # (N, H)
        dscores[:, t] = _scores_backward(dattn[:, t], A, alpha[:, t])  # (N, P)
        dprev_h = da[:, t] @ Wh.T + (per_image(dscores[:, t], A) @ A).reshape(h0.shape)
    dx, dWx, db = temporal_affine_backward(da, (x, Wx))
    prev_h = previous_states(xp, h0, h)  # (N, T, H)
    dWh, dWattn = weight_gradient(xp, prev_h, da), weight_gradient(xp, attn, da)
    dA = _positions_backward(dscores, prev_h, alpha, dattn, A)
    dA += per_image(dprev_h + dprev_c, A).sum(1)[:, None, :] / sizes["P"]  # A's mean is h0 and c0
    return dx, dA, dWx, dWh, dWattn, db


def _scores_backward(dattn, A, alpha):
    """Go back from attn to the products prev_h . A_p: the softmax and the division by sqrt(H).

    Inputs: dattn (N, H), A (I, P, H), alpha (N, P)
    Returns: gradient with respect to prev_h . A_p, (N, P)
    """
    dalpha = (per_image(dattn, A) @ A.mT).reshape(alpha.shape)
    mean = (alpha * dalpha).sum(1)[:, None]  # (N, 1)
    return alpha * (dalpha - mean) / sqrt(A.shape[2])


def _positions_backward(dscores, prev_h, alpha, dattn, A):
    """Add up what A gets as what is compared with prev_h, and as what is averaged with alpha.

    Inputs: dscores, alpha (N, ..., P), prev_h, dattn (N, ..., H), A (I, P, H)
    Returns: dA, (I, P, H), summed over the rows of each image
    """
    compared = per_image(dscores, A).mT @ per_image(prev_h, A)
    return compared + per_image(alpha, A).mT @ per_image(dattn, A)
