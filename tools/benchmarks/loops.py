"""What our kernels are measured against: the loops that one writes first."""

import math

import torch


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
    i, f, o, g = a.chunk(4, 1)
    c = torch.sigmoid(f) * prev_c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def products(kind, sizes):
    """Return a function that computes the matrix products of a training step, and nothing else.

    No way to compute the step in full float32 takes less time, unless it multiplies faster.

    Inputs: kind: "RNN", "LSTM" or "attention LSTM"; sizes: (N, T, D, H)
    """
    N, T, D, H = sizes
    M, states = (H if kind == "RNN" else 4 * H), 2 if kind == "attention LSTM" else 1
    x, Wx, Wh = torch.randn(N * T, D), torch.randn(D, M), torch.randn(H, M)
    h, a = torch.randn(T, N, H), torch.randn(T, N, M)  # an attention LSTM multiplies attn too

    def run():
        x @ Wx
        for t in range(T):
            for _ in range(states):
                h[t] @ Wh
        for t in reversed(range(T)):
            for _ in range(states):
                a[t] @ Wh.T
        da = a.reshape(N * T, M)
        da @ Wx.T, x.T @ da
        for _ in range(states):
            h.reshape(N * T, H).T @ da

    return run
