"""Kernels by one who loops: over examples, gates and timesteps, and sums what comes."""

import math

import numpy as np
import torch


def zeros(like, *shape):
    if isinstance(like, torch.Tensor):
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    return np.zeros(shape, dtype=like.dtype)


def copied(a):
    return a.clone() if isinstance(a, torch.Tensor) else a.copy()


def tanh(a):
    return torch.tanh(a) if isinstance(a, torch.Tensor) else np.tanh(a)


def exp(a):
    return torch.exp(a) if isinstance(a, torch.Tensor) else np.exp(a)


def log(a):
    return torch.log(a) if isinstance(a, torch.Tensor) else np.log(a)


def sigmoid(a):
    return (tanh(a / 2) + 1) / 2


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    N, H = prev_h.shape
    next_h = zeros(prev_h, N, H)
    for n in range(N):
        next_h[n] = tanh(x[n] @ Wx + prev_h[n] @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, copied(next_h))


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dx, dprev_h = zeros(x, *x.shape), zeros(prev_h, *prev_h.shape)
    dWx, dWh, db = zeros(Wx, *Wx.shape), zeros(Wh, *Wh.shape), zeros(Wx, Wx.shape[1])
    for n in range(len(x)):
        da = dnext_h[n] * (1 - next_h[n] * next_h[n])
        dx[n] = Wx @ da
        dprev_h[n] = Wh @ da
        dWx += x[n][:, None] * da
        dWh += prev_h[n][:, None] * da
        db += da
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, prev_h = zeros(x, N, T, h0.shape[1]), h0
    for t in range(T):
        prev_h = tanh(x[:, t] @ Wx + prev_h @ Wh + b)
        h[:, t] = prev_h
    return h, (x, h0, Wx, Wh, copied(h))


def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    dx, dprev_h = zeros(x, *x.shape), zeros(h0, *h0.shape)
    dWx, dWh, db = zeros(Wx, *Wx.shape), zeros(Wh, *Wh.shape), zeros(Wx, Wx.shape[1])
    t = x.shape[1] - 1
    while t >= 0:
        before = h[:, t - 1] if t > 0 else h0
        da = (dh[:, t] + dprev_h) * (1 - h[:, t] * h[:, t])
        dx[:, t] = da @ Wx.T
        dprev_h = da @ Wh.T
        dWx += x[:, t].T @ da
        dWh += before.T @ da
        db += da.sum(0)
        t -= 1
    return dx, dprev_h, dWx, dWh, db


def lstm_gates_forward(a, prev_c):
    N, H = prev_c.shape
    gates = zeros(a, N, 4 * H)
    for k in range(4):
        block = slice(k * H, (k + 1) * H)
        gates[:, block] = tanh(a[:, block]) if k == 3 else sigmoid(a[:, block])
    i, f, o, g = (gates[:, k * H : (k + 1) * H] for k in range(4))
    next_c = f * prev_c + i * g
    next_h = o * tanh(next_c)
    return next_h, next_c, (prev_c, gates, tanh(next_c))


def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, gates, tanh_c = cache
    N, H = prev_c.shape
    da = zeros(gates, N, 4 * H)
    i, f, o, g = (gates[:, k * H : (k + 1) * H] for k in range(4))
    dc = dnext_c + dnext_h * o * (1 - tanh_c * tanh_c)
    for k, dgate in enumerate((dc * g, dc * prev_c, dnext_h * tanh_c, dc * i)):
        gate = gates[:, k * H : (k + 1) * H]
        slope = 1 - gate * gate if k == 3 else gate * (1 - gate)
        da[:, k * H : (k + 1) * H] = dgate * slope
    return da, dc * f


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = zeros(x, len(x), len(b))
    for n in range(len(x)):
        a[n] = x[n] @ Wx + prev_h[n] @ Wh + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, gates)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, gates = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(0)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    N, T, _ = x.shape
    h, caches = zeros(x, N, T, h0.shape[1]), []
    prev_h, prev_c = h0, zeros(h0, *h0.shape) if c0 is None else c0
    for t in range(T):
        prev_h, prev_c, cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, (caches, c0 is not None)


def lstm_backward(dh, cache):
    caches, has_c0 = cache
    N, T, H = dh.shape
    dprev_h, dprev_c = zeros(dh, N, H), zeros(dh, N, H)
    dx, sums = [None] * T, None
    for t in range(T - 1, -1, -1):
        step = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        dx[t], dprev_h, dprev_c = step[:3]
        sums = step[3:] if sums is None else [a + b for a, b in zip(sums, step[3:], strict=True)]
    whole = zeros(dh, N, T, dx[0].shape[1])
    for t in range(T):
        whole[:, t] = dx[t]
    return (whole, dprev_h, *sums, dprev_c) if has_c0 else (whole, dprev_h, *sums)


def dot_product_attention_forward(prev_h, A):
    N, P, H = A.shape
    attn, alpha = zeros(A, N, H), zeros(A, N, P)
    for n in range(N):
        scores = A[n] @ prev_h[n] / math.sqrt(H)
        e = exp(scores - scores.max())
        alpha[n] = e / e.sum()
        attn[n] = alpha[n] @ A[n]
    return attn, alpha, (prev_h, A, copied(alpha))


def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    dprev_h, dA = zeros(prev_h, *prev_h.shape), zeros(A, *A.shape)
    for n in range(len(A)):
        dalpha = A[n] @ dattn[n]
        ds = alpha[n] * (dalpha - (alpha[n] * dalpha).sum()) / math.sqrt(A.shape[2])
        dprev_h[n] = ds @ A[n]
        dA[n] = alpha[n][:, None] * dattn[n] + ds[:, None] * prev_h[n]
    return dprev_h, dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, gates)


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    *inputs, Wx, Wh, Wattn, gates = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    dx, dprev_h, dattn = (da @ W.T for W in (Wx, Wh, Wattn))
    return dx, dprev_h, dprev_c, dattn, *(a.T @ da for a in inputs), da.sum(0)


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    N, T, _ = x.shape
    h, alpha = zeros(A, N, T, A.shape[2]), zeros(A, N, T, A.shape[1])
    prev_h, prev_c, caches = A.mean(1), A.mean(1), []
    for t in range(T):
        attn, alpha[:, t], looked = dot_product_attention_forward(prev_h, A)
        prev_h, prev_c, cache = attention_lstm_step_forward(
            x[:, t], prev_h, prev_c, attn, Wx, Wh, Wattn, b
        )
        h[:, t] = prev_h
        caches.append((looked, cache))
    return h, alpha, caches


def attention_lstm_backward(dh, cache):
    N, T, H = dh.shape
    dprev_h, dprev_c, dA, dx, sums = zeros(dh, N, H), zeros(dh, N, H), 0, [None] * T, None
    for t in range(T - 1, -1, -1):
        looked, stepped = cache[t]
        step = attention_lstm_step_backward(dh[:, t] + dprev_h, dprev_c, stepped)
        dx[t], dprev_h, dprev_c, dattn, *weights = step
        dquery, dA_t = dot_product_attention_backward(dattn, looked)
        dprev_h, dA = dprev_h + dquery, dA + dA_t
        sums = weights if sums is None else [a + b for a, b in zip(sums, weights, strict=True)]
    whole = zeros(dh, N, T, dx[0].shape[1])
    for t in range(T):
        whole[:, t] = dx[t]
    start = (dprev_h + dprev_c) / dA.shape[1]
    for p in range(dA.shape[1]):
        dA[:, p] += start
    return (whole, dA, *sums)


def word_embedding_forward(x, W):
    N, T = x.shape
    out = zeros(W, N, T, W.shape[1])
    for n in range(N):
        for t in range(T):
            out[n, t] = W[x[n, t]]
    return out, (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = zeros(W, *W.shape)
    for n in range(len(x)):
        for t in range(x.shape[1]):
            dW[x[n, t]] += dout[n, t]
    return dW


def temporal_affine_forward(x, W, b):
    N, T, _ = x.shape
    out = zeros(x, N, T, len(b))
    for t in range(T):
        out[:, t] = x[:, t] @ W + b
    return out, (x, W)


def temporal_affine_backward(dout, cache):
    x, W = cache
    dx, dW, db = zeros(x, *x.shape), zeros(W, *W.shape), zeros(W, W.shape[1])
    for t in range(x.shape[1]):
        dx[:, t] = dout[:, t] @ W.T
        dW += x[:, t].T @ dout[:, t]
        db += dout[:, t].sum(0)
    return dx, dW, db


def temporal_softmax_loss(scores, y, mask):
    N, T, V = scores.shape
    loss, dscores = zeros(scores, 1)[0], zeros(scores, N, T, V)
    for n in range(N):
        for t in range(T):
            if mask[n, t]:
                s = scores[n, t] - scores[n, t].max()
                total = exp(s).sum()
                loss = loss + (log(total) - s[y[n, t]]) / N
                dscores[n, t] = exp(s) / total / N
                dscores[n, t, y[n, t]] -= 1 / N
    return loss, dscores
