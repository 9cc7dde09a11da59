"""The kernels as a textbook has them: what is compared with, and what mistakes are planted into.

Each line stands for one idea, and backward passes have at hand whatever a reader could confuse.
Nothing here imports a kernel of ours, since a student's may stand in its place.
"""

import numpy as np


def sigmoid(z):
    """Return 1 / (1 + exp(-z)) of an array of any shape, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def log_softmax(z, axis):
    """Return log(exp(z) over its sum), of an array of any shape, without overflow."""
    z = z - z.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def softmax(z, axis):
    """Return exp(z) over its sum, of an array of any shape."""
    return np.exp(log_softmax(z, axis))


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    T = x.shape[1]
    h = np.zeros((len(x), T, len(Wh)))
    prev_h = h0
    for t in range(T):
        next_h = np.tanh(x[:, t] @ Wx + prev_h @ Wh + b)
        h[:, t] = next_h
        prev_h = next_h
    return h, (x, h0, Wx, Wh, h)


def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    T = x.shape[1]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wh[0])
    dprev_h = np.zeros_like(h0)
    for t in reversed(range(T)):
        prev_h = h[:, t - 1] if t > 0 else h0
        dnext_h = dh[:, t] + dprev_h
        da = dnext_h * (1 - h[:, t] ** 2)
        dx[:, t] = da @ Wx.T
        dprev_h = da @ Wh.T
        dWx += x[:, t].T @ da
        dWh += prev_h.T @ da
        db += da.sum(axis=0)
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


def lstm_gates_forward(a, prev_c):
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i = sigmoid(ai)
    f = sigmoid(af)
    o = sigmoid(ao)
    g = np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (prev_c, i, f, o, g, next_c, next_h)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, i, f, o, g, next_c, next_h = cache
    tanh_c = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    do = dnext_h * tanh_c
    di = dc * g
    df = dc * prev_c
    dg = dc * i
    dprev_c = dc * f
    da_i = di * i * (1 - i)
    da_f = df * f * (1 - f)
    da_o = do * o * (1 - o)
    da_g = dg * (1 - g**2)
    da = np.concatenate([da_i, da_f, da_o, da_g], axis=1)
    return da, dprev_c


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, next_h, next_c, gates)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, next_h, next_c, gates = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    T = x.shape[1]
    h = np.zeros((len(x), T, len(Wh)))
    c = np.zeros_like(h)
    prev_h = h0
    first_c = np.zeros_like(h0) if c0 is None else c0
    prev_c = first_c
    gates = []
    for t in range(T):
        a = x[:, t] @ Wx + prev_h @ Wh + b
        next_h, next_c, gates_t = lstm_gates_forward(a, prev_c)
        h[:, t] = next_h
        c[:, t] = next_c
        gates.append(gates_t[1:])
        prev_h, prev_c = next_h, next_c
    return h, (x, h0, c0, first_c, Wx, Wh, h, c, gates)


def lstm_backward(dh, cache):
    x, h0, c0, first_c, Wx, Wh, h, c, gates = cache
    T = x.shape[1]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wh[0])
    dprev_h, dprev_c = np.zeros_like(h0), np.zeros_like(h0)
    for t in reversed(range(T)):
        prev_h = h[:, t - 1] if t > 0 else h0
        prev_c = c[:, t - 1] if t > 0 else first_c
        dnext_h = dh[:, t] + dprev_h
        dnext_c = dprev_c
        da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, (prev_c, *gates[t]))
        dx[:, t] = da @ Wx.T
        dprev_h = da @ Wh.T
        dWx += x[:, t].T @ da
        dWh += prev_h.T @ da
        db += da.sum(axis=0)
    dh0 = dprev_h
    return (dx, dh0, dWx, dWh, db) if c0 is None else (dx, dh0, dWx, dWh, db, dprev_c)


def dot_product_attention_forward(prev_h, A):
    scores = (A * prev_h[:, None]).sum(axis=2) / np.sqrt(A.shape[2])
    alpha = softmax(scores, axis=1)
    attn = (alpha[:, :, None] * A).sum(axis=1)
    return attn, alpha, (prev_h, A, scores, alpha, attn)


def dot_product_attention_backward(dattn, cache):
    prev_h, A, scores, alpha, attn = cache
    dalpha = (A * dattn[:, None]).sum(axis=2)
    dscores = alpha * (dalpha - (alpha * dalpha).sum(axis=1, keepdims=True)) / np.sqrt(A.shape[2])
    dprev_h = (dscores[:, :, None] * A).sum(axis=1)
    dA = alpha[:, :, None] * dattn[:, None] + dscores[:, :, None] * prev_h[:, None]
    return dprev_h, dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, prev_c, attn, Wx, Wh, Wattn, next_h, next_c, gates)


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, attn, Wx, Wh, Wattn, next_h, next_c, gates = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    dx = da @ Wx.T
    dattn = da @ Wattn.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    dWattn = attn.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dattn, dWx, dWh, dWattn, db


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    T = x.shape[1]
    h0 = A.mean(axis=1)
    c0 = h0
    h, c, attn = (np.zeros((len(x), T, len(Wh))) for _ in range(3))
    alpha, scores = (np.zeros((len(x), T, A.shape[1])) for _ in range(2))
    prev_h = h0
    prev_c = c0
    gates = []
    for t in range(T):
        attn[:, t], alpha[:, t], attended = dot_product_attention_forward(prev_h, A)
        scores[:, t] = attended[2]
        a = x[:, t] @ Wx + prev_h @ Wh + attn[:, t] @ Wattn + b
        next_h, next_c, gates_t = lstm_gates_forward(a, prev_c)
        h[:, t] = next_h
        c[:, t] = next_c
        gates.append(gates_t[1:])
        prev_h, prev_c = next_h, next_c
    return h, alpha, (x, A, Wx, Wh, Wattn, h0, h, c, scores, alpha, attn, gates)


def attention_lstm_backward(dh, cache):
    x, A, Wx, Wh, Wattn, h0, h, c, scores, alpha, attn, gates = cache
    T, P = x.shape[1], A.shape[1]
    dx, dA, db = np.zeros_like(x), np.zeros_like(A), np.zeros_like(Wh[0])
    dWx, dWh, dWattn = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wattn)
    dprev_h, dprev_c = np.zeros_like(h0), np.zeros_like(h0)
    for t in reversed(range(T)):
        prev_h = h[:, t - 1] if t > 0 else h0
        prev_c = c[:, t - 1] if t > 0 else h0
        dnext_h = dh[:, t] + dprev_h
        dnext_c = dprev_c
        da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, (prev_c, *gates[t]))
        dx[:, t] = da @ Wx.T
        dattn = da @ Wattn.T
        attended = prev_h, A, scores[:, t], alpha[:, t], attn[:, t]
        dquery, dA_t = dot_product_attention_backward(dattn, attended)
        dprev_h = da @ Wh.T + dquery
        dA += dA_t
        dWx += x[:, t].T @ da
        dWh += prev_h.T @ da
        dWattn += attn[:, t].T @ da
        db += da.sum(axis=0)
    dA += ((dprev_h + dprev_c) / P)[:, None]
    return dx, dA, dWx, dWh, dWattn, db


def word_embedding_forward(x, W):
    out = W[x]
    return out, (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return (dW,)


def temporal_affine_forward(x, W, b):
    out = x @ W + b
    return out, (x, W)


def temporal_affine_backward(dout, cache):
    x, W = cache
    dx = dout @ W.T
    dW = (x[:, :, :, None] * dout[:, :, None]).sum(axis=(0, 1))
    db = dout.sum(axis=(0, 1))
    return dx, dW, db


def temporal_softmax_loss(scores, y, mask):
    N, T, V = scores.shape
    logp = log_softmax(scores, axis=2)
    probs = np.exp(logp)
    target = np.eye(V)[y]
    loss = -(mask * (target * logp).sum(axis=2)).sum() / N
    dscores = (probs - target) * mask[:, :, None] / N
    return loss, dscores
