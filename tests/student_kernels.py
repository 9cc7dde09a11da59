"""Kernels as a careful beginner writes them; tests put one mistake at a time into their source."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


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
    h, prev_h, caches = np.zeros((*x.shape[:2], len(b))), h0, []
    for t in range(x.shape[1]):
        h[:, t], cache = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        prev_h = h[:, t]
        caches.append(cache)
    return h, caches


def rnn_backward(dh, cache):
    D = cache[0][0].shape[1]
    dx, dWx, dWh, db = np.zeros((*dh.shape[:2], D)), 0, 0, 0
    dprev_h = np.zeros_like(dh[:, 0])
    for t in reversed(range(dh.shape[1])):
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dWx = dWx + dWx_t
        dWh = dWh + dWh_t
        db = db + db_t
    return dx, dprev_h, dWx, dWh, db


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    i, f, o, g = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    di = dc * g * i * (1 - i)
    df = dc * prev_c * f * (1 - f)
    do = dnext_h * tanh_c * o * (1 - o)
    dg = dc * i * (1 - g**2)
    da = np.hstack([di, df, do, dg])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h, prev_h, prev_c, caches = [], h0, np.zeros_like(h0), []
    for t in range(x.shape[1]):
        prev_h, prev_c, cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h.append(prev_h)
        caches.append(cache)
    return np.stack(h, axis=1), caches


def lstm_backward(dh, cache):
    dx, dprev_h, dprev_c, sums = [], 0 * dh[:, 0], 0 * dh[:, 0], [0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        step = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dx_t, dprev_h, dprev_c, *dweights = step
        dx.insert(0, dx_t)
        sums = [total + new for total, new in zip(sums, dweights, strict=True)]
    return np.stack(dx, axis=1), dprev_h, *sums


def dot_product_attention_forward(prev_h, A):
    scores = np.einsum("nh,nph->np", prev_h, A) / np.sqrt(prev_h.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha = e / e.sum(axis=1, keepdims=True)
    attn = np.einsum("np,nph->nh", alpha, A)
    return attn, alpha, (prev_h, A, alpha)


def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    dalpha = np.einsum("nh,nph->np", dattn, A)
    mean = (alpha * dalpha).sum(axis=1, keepdims=True)
    dscores = alpha * (dalpha - mean) / np.sqrt(A.shape[2])
    dprev_h = np.einsum("np,nph->nh", dscores, A)
    dA = np.einsum("np,nh->nph", dscores, prev_h) + np.einsum("np,nh->nph", alpha, dattn)
    return dprev_h, dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    both = np.hstack([x, attn])
    return lstm_step_forward(both, prev_h, prev_c, np.vstack([Wx, Wattn]), Wh, b)


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    dboth, dprev_h, dprev_c, dWboth, dWh, db = lstm_step_backward(dnext_h, dnext_c, cache)
    D = dboth.shape[1] - dprev_h.shape[1]
    return dboth[:, :D], dprev_h, dprev_c, dboth[:, D:], dWboth[:D], dWh, dWboth[D:], db


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    prev_h = prev_c = A.mean(axis=1)
    h, alphas, caches = [], [], []
    for t in range(x.shape[1]):
        attn, alpha, looked = dot_product_attention_forward(prev_h, A)
        prev_h, prev_c, stepped = attention_lstm_step_forward(
            x[:, t], prev_h, prev_c, attn, Wx, Wh, Wattn, b
        )
        h.append(prev_h)
        alphas.append(alpha)
        caches.append((looked, stepped))
    return np.stack(h, axis=1), np.stack(alphas, axis=1), caches


def attention_lstm_backward(dh, cache):
    dx, dprev_h, dprev_c, dA, sums = [], 0 * dh[:, 0], 0 * dh[:, 0], 0, [0, 0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        looked, stepped = cache[t]
        dx_t, dprev_h, dprev_c, dattn, *dweights = attention_lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, stepped
        )
        dquery, dA_t = dot_product_attention_backward(dattn, looked)
        dprev_h = dprev_h + dquery
        dA = dA + dA_t
        dx.insert(0, dx_t)
        sums = [total + new for total, new in zip(sums, dweights, strict=True)]
    dmean = dprev_h + dprev_c
    dA = dA + dmean[:, None] / dA.shape[1]
    return np.stack(dx, axis=1), dA, *sums


def word_embedding_forward(x, W):
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def temporal_affine_forward(x, W, b):
    return x @ W + b, (x, W)


def temporal_affine_backward(dout, cache):
    x, W = cache
    return dout @ W.T, np.einsum("ntd,ntm->dm", x, dout), dout.sum(axis=(0, 1))


def temporal_softmax_loss(scores, y, mask):
    N, V, seen = len(scores), scores.shape[2], mask[..., None]
    scores = scores - scores.max(axis=2, keepdims=True)
    log_probs = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    probs, target = np.exp(log_probs), np.eye(V)[y]
    loss = -(mask * (target * log_probs).sum(axis=2)).sum() / N
    dscores = (probs - target) * seen / N
    return loss, dscores


def lstm_gates_forward(a, prev_c):
    H = prev_c.shape[1]
    return lstm_step_forward(a, 0 * prev_c, prev_c, np.eye(4 * H), np.zeros((H, 4 * H)), 0)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    da, _, dprev_c, *_ = lstm_step_backward(dnext_h, dnext_c, cache)
    return da, dprev_c
