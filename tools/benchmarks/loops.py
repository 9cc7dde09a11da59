"""What our kernels are measured against: the loops that one writes first."""

import math

import numpy as np
import torch

from helpers.kernels.inplace import blocks


def naive_rnn(x, h0, Wx, Wh, b):
    """Run an RNN as a loop of torch operations, for autograd. Returns: h (N, T, H)."""
    states = [h0]
    for x_t in x.unbind(1):
        states.append(torch.tanh(x_t @ Wx + states[-1] @ Wh + b))
    return torch.stack(states[1:], 1)


def naive_lstm(x, h0, Wx, Wh, b):
    """Run an LSTM as a loop of torch operations, for autograd. Returns: h (N, T, H)."""
    h, c, states = h0, torch.zeros_like(h0), []
    for x_t in x.unbind(1):
        h, c = _naive_gates(x_t @ Wx + h @ Wh + b, c)
        states.append(h)
    return torch.stack(states, 1)


def naive_attention_lstm(x, A, Wx, Wh, Wattn, b):
    """Run an attention LSTM in the same way. Returns: h (N, T, H)."""
    h = c = A.mean(1)
    states = []
    for x_t in x.unbind(1):
        scores = torch.einsum("nph,nh->np", A, h) / math.sqrt(A.shape[2])
        attn = torch.einsum("np,nph->nh", scores.softmax(1), A)
        h, c = _naive_gates(x_t @ Wx + h @ Wh + attn @ Wattn + b, c)
        states.append(h)
    return torch.stack(states, 1)


def _naive_gates(a, prev_c):
    i, f, o, g = blocks(a)
    c = torch.sigmoid(f) * prev_c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def textbook_lstm(x, h0, Wx, Wh, b, dh):
    """Run an LSTM forward and backward in NumPy, a timestep at a time and nothing shared.

    Inputs: x (N, T, D), h0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,), dh (N, T, H)
    Returns: dx, dh0, dWx, dWh, db
    """
    h, c, caches = h0, np.zeros_like(h0), []
    for t in range(x.shape[1]):
        h, c, cache = _textbook_forward(x[:, t], h, c, Wx, Wh, b)
        caches.append(cache)
    dx, dWx, dWh, db = (np.zeros_like(array) for array in (x, Wx, Wh, b))
    dprev_h, dprev_c = np.zeros_like(h0), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        step = _textbook_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        dx[:, t], dprev_h, dprev_c = step[:3]
        dWx, dWh, db = dWx + step[3], dWh + step[4], db + step[5]
    return dx, dprev_h, dWx, dWh, db


def _textbook_forward(x, prev_h, prev_c, Wx, Wh, b):
    a_i, a_f, a_o, a_g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = _sigmoid(a_i), _sigmoid(a_f), _sigmoid(a_o), np.tanh(a_g)
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)


def _textbook_backward(dh, dc, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    tanh_c = np.tanh(c)
    dc = dc + dh * o * (1 - tanh_c**2)
    da_i, da_f = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    da_o, da_g = dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)
    da = np.concatenate([da_i, da_f, da_o, da_g], axis=1)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def _sigmoid(a):
    """Avoid overflow as courses teach it: one formula for each sign."""
    out, positive = np.empty_like(a), a >= 0
    out[positive] = 1 / (1 + np.exp(-a[positive]))
    exp = np.exp(a[~positive])
    out[~positive] = exp / (1 + exp)
    return out
