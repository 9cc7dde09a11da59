"""Scaled dot-product attention over image positions, and the LSTM that looks at each step.

Names and shapes of EECS 498-007; Xu et al. 2015, "Show, Attend and Tell"; the scaling by
sqrt(H) of Vaswani et al. 2017, "Attention Is All You Need". Arrays as in `rnn`.
"""

from math import sqrt

from array_api_compat import array_namespace

from helpers.kernels.arguments import shapes
from helpers.kernels.lstm import lstm_gates_backward, lstm_gates_forward
from helpers.kernels.rnn import previous_states
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    weight_gradient,
)


@shapes(prev_h="N H", A="N P H")
def dot_product_attention_forward(prev_h, A):
    """Average the image positions, weighted by how well each fits the hidden state.

        scores_p = prev_h . A_p / sqrt(H);  alpha = softmax(scores);  attn = sum_p alpha_p A_p

    Inputs: prev_h: hidden state, (N, H); A: image positions, (N, P, H)
    Returns: attn (N, H); alpha, the attention weights, (N, P), whose rows are positive and sum
        to 1; cache, for the backward pass
    """
    xp = array_namespace(A)
    scores = (prev_h[:, None] @ A.mT)[:, 0] / sqrt(A.shape[2])  # (N, P)
    exp = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))  # at most 1: no overflow
    alpha = exp / xp.sum(exp, axis=1, keepdims=True)  # (N, P)
    attn = (alpha[:, None] @ A)[:, 0]  # (N, H)
    return attn, alpha, (prev_h, A, alpha)


@shapes(dattn="N H", cache=("N H", "N P H", "N P"))
def dot_product_attention_backward(dattn, cache):
    """Backward pass of `dot_product_attention_forward`.

    A takes part twice: it is compared with the hidden state, and it is averaged.

    Inputs: dattn (N, H); cache: from the forward pass
    Returns: dprev_h (N, H), dA (N, P, H)
    """
    prev_h, A, alpha = cache
    dscores = scores_backward(dattn, A, alpha)  # (N, P), of prev_h . A_p
    dprev_h = (dscores[:, None] @ A)[:, 0]  # (N, H)
    compared = dscores[:, :, None] * prev_h[:, None]  # (N, P, H)
    averaged = alpha[:, :, None] * dattn[:, None]  # (N, P, H)
    return dprev_h, compared + averaged


def scores_backward(dattn, A, alpha):
    """Go back from attn, (N, H), to prev_h . A_p, (N, P): the softmax and the division."""
    dalpha = (dattn[:, None] @ A.mT)[:, 0]  # (N, P)
    mean = (alpha * dalpha).sum(1)[:, None]  # (N, 1)
    return alpha * (dalpha - mean) / sqrt(A.shape[2])


@shapes(
    x="N D", prev_h="N H", prev_c="N H", attn="N H", Wx="D 4H", Wh="H 4H", Wattn="H 4H", b="4H"
)  # fmt: skip
def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    """Advance an LSTM that sees an image: the gates of a = x Wx + prev_h Wh + attn Wattn + b.

    Inputs: x, prev_h, prev_c: as for `lstm_step_forward`; attn: attended image, (N, H);
        Wx, Wh, Wattn, b: weights, (D, 4H), (H, 4H), (H, 4H), (4H,)
    Returns: next_h, next_c: (N, H) each; cache, for the backward pass
    """
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b  # (N, 4H)
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, *gates_cache)


@shapes(
    dnext_h="N H", dnext_c="N H",
    cache=("N D", "N H", "N H", "D 4H", "H 4H", "H 4H", "N H", "N 4H", "N H"),
)  # fmt: skip
def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    """Backward pass of `attention_lstm_step_forward`.

    Inputs: dnext_h, dnext_c: (N, H) each; cache: from the forward pass
    Returns: dx (N, D), dprev_h (N, H), dprev_c (N, H), dattn (N, H),
        dWx (D, 4H), dWh (H, 4H), dWattn (H, 4H), db (4H,)
    """
    x, prev_h, attn, Wx, Wh, Wattn, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dinputs = da @ Wx.T, da @ Wh.T, dprev_c, da @ Wattn.T
    return *dinputs, x.T @ da, prev_h.T @ da, attn.T @ da, da.sum(0)


@shapes(x="N T D", A="N P H", Wx="D 4H", Wh="H 4H", Wattn="H 4H", b="4H")
def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    """Run the attention LSTM over a sequence, from h0 = c0 = the mean of A over positions.

    Each step attends with the hidden state before it. The inputs of all timesteps are
    projected in one product before the loop.

    Inputs: x: input sequence, (N, T, D); A: image positions, (N, P, H);
        Wx, Wh, Wattn, b: weights, (D, 4H), (H, 4H), (H, 4H), (4H,)
    Returns:
        h: hidden states of all timesteps, (N, T, H)
        alpha: attention weights of all timesteps, (N, T, P)
        cache: for the backward pass: the arguments but b; h, attn (N, T, H), alpha; the cell
            state before each timestep (N, T, H), the gates (N, T, 4H) and tanh of the cell state
            after it (N, T, H)
    """
    xp = array_namespace(x)
    a, _ = temporal_affine_forward(x, Wx, b)  # x Wx + b, (N, T, 4H)
    prev_h = prev_c = xp.mean(A, axis=1)  # (N, H)
    steps = []
    for t in range(x.shape[1]):
        attn, alpha, _ = dot_product_attention_forward(prev_h, A)
        a_t = a[:, t] + prev_h @ Wh + attn @ Wattn  # (N, 4H)
        prev_h, prev_c, gates_cache = lstm_gates_forward(a_t, prev_c)
        steps.append((prev_h, attn, alpha, *gates_cache))
    h, attn, alpha, *gates_caches = (xp.stack(each, axis=1) for each in zip(*steps, strict=True))
    return h, alpha, (x, A, Wx, Wh, Wattn, h, attn, alpha, *gates_caches)


@shapes(
    dh="N T H",
    cache=("N T D", "N P H", "D 4H", "H 4H", "H 4H",
           "N T H", "N T H", "N T P", "N T H", "N T 4H", "N T H"),
)  # fmt: skip
def attention_lstm_backward(dh, cache):
    """Backpropagation through time; a third way back leads through the attention.

    The hidden state h[:, t-1] reaches timestep t through Wh and as the query of the attention.
    The gradient of A adds up over timesteps, in two batched products after the loop, and takes
    the share of the initial states, which are its mean.

    Inputs: dh: gradients of the loss for every hidden state, (N, T, H); cache: from forward
    Returns: dx (N, T, D), dA (N, P, H), dWx (D, 4H), dWh (H, 4H), dWattn (H, 4H), db (4H,)
    """
    x, A, Wx, Wh, Wattn, h, attn, alpha, prev_c, gates, tanh_c = cache
    da, dattn, dscores, dprev_h, dprev_c = (0 * y for y in (gates, attn, alpha, h[:, 0], h[:, 0]))
    for t in reversed(range(h.shape[1])):
        gates_cache = prev_c[:, t], gates[:, t], tanh_c[:, t]
        da[:, t], dprev_c = lstm_gates_backward(dh[:, t] + dprev_h, dprev_c, gates_cache)
        dattn[:, t] = da[:, t] @ Wattn.T  # (N, H)
        dscores[:, t] = scores_backward(dattn[:, t], A, alpha[:, t])  # (N, P)
        dprev_h = da[:, t] @ Wh.T + (dscores[:, t][:, None] @ A)[:, 0]  # (N, H)
    dx, dWx, db = temporal_affine_backward(da, (x, Wx))
    prev_h = previous_states(prev_c[:, 0], h)  # (N, T, H); h0 and c0 are the same
    dA = dscores.mT @ prev_h + alpha.mT @ dattn + (dprev_h + dprev_c)[:, None] / A.shape[1]
    return dx, dA, dWx, weight_gradient(prev_h, da), weight_gradient(attn, da), db
