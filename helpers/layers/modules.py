"""Layers that train: weights, and the kernels that run on them."""

import torch
from torch import nn

from helpers import kernels
from helpers.layers.bridges import (
    attention_lstm,
    lstm,
    rnn,
    rows_per_image,
    temporal_affine,
    temporal_affine_of_data,
    word_embedding,
)


class _Layer(nn.Module):
    """A layer of two sizes, what comes in and what goes out."""

    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes

    def extra_repr(self):
        """Return the sizes, for the module's repr."""
        return ", ".join(map(str, self.sizes))


class _Cell(_Layer):
    """Weights Wx (D, G), Wh (H, G) and b (G,) of a recurrent layer; G = H or 4H.

    Drawn uniformly from ±1/sqrt(H), as torch.nn.RNN and torch.nn.LSTM do. The forget gate of four
    (i, f, o, g) starts open, with a bias of 1: Jozefowicz, Zaremba and Sutskever 2015, "An
    Empirical Exploration of Recurrent Network Architectures".
    """

    gates = 1

    def __init__(self, input_dim, hidden_dim):
        super().__init__(input_dim, hidden_dim)
        self.Wx, self.Wh, self.b = (
            self._weights(hidden_dim, *rows) for rows in ((input_dim,), (hidden_dim,), ())
        )
        if self.gates == 4:
            with torch.no_grad():
                self.b[hidden_dim : 2 * hidden_dim] = 1

    def _weights(self, hidden_dim, *rows):
        bound = hidden_dim**-0.5
        weights = torch.empty(*rows, self.gates * hidden_dim).uniform_(-bound, bound)
        return nn.Parameter(weights)


class RNN(_Cell):
    """Vanilla RNN layer on `rnn_forward` and `rnn_backward`."""

    def forward(self, x, h0):
        """Inputs: x (N, T, D), h0 (N, H). Returns: h (N, T, H)."""
        return rnn(x, h0, self.Wx, self.Wh, self.b)

    def step(self, x, state):
        """Inputs: x (N, D), state: (h,) of (N, H). Returns: next_h (N, H), (next_h,)."""
        (prev_h,) = state
        next_h, _ = kernels.rnn_step_forward(x, prev_h, self.Wx, self.Wh, self.b)
        return next_h, (next_h,)


class LSTM(_Cell):
    """LSTM layer on `lstm_forward` and `lstm_backward`; gates in the order i, f, o, g."""

    gates = 4

    def forward(self, x, h0, c0=None):
        """Inputs: x (N, T, D), h0 and c0 (N, H); c0 = 0 if None. Returns: h (N, T, H)."""
        initial = () if c0 is None else (c0,)
        return lstm(x, h0, self.Wx, self.Wh, self.b, *initial)

    def step(self, x, state):
        """Inputs: x (N, D), state: (h, c) of (N, H) each. Returns: next_h (N, H), next state."""
        next_h, next_c, _ = kernels.lstm_step_forward(x, *state, self.Wx, self.Wh, self.b)
        return next_h, (next_h, next_c)


class AttentionLSTM(_Cell):
    """LSTM layer that attends to image positions A (I, P, H) before each step.

    K rows in turn may share an image, N = I K; images that do not divide them are a ValueError.
    """

    gates = 4

    def __init__(self, input_dim, hidden_dim):
        super().__init__(input_dim, hidden_dim)
        self.Wattn = self._weights(hidden_dim, hidden_dim)

    def forward(self, x, A):
        """Inputs: x (N, T, D), A (I, P, H). Returns: h (N, T, H), alpha (N, T, P)."""
        return attention_lstm(x, A, self.Wx, self.Wh, self.Wattn, self.b)

    def step(self, x, state, A):
        """Inputs: x (N, D), state: (h, c) of (N, H) each, A (I, P, H).

        Returns: next_h (N, H), next state, alpha (N, P)
        """
        h, c = state
        K = rows_per_image(x, A)
        looks = [kernels.dot_product_attention_forward(h[k::K], A)[:2] for k in range(K)]
        attn, alpha = (torch.stack(each, 1).flatten(0, 1) for each in zip(*looks, strict=True))
        next_h, next_c, _ = kernels.attention_lstm_step_forward(
            x, h, c, attn, self.Wx, self.Wh, self.Wattn, self.b
        )
        return next_h, (next_h, next_c), alpha


class WordEmbedding(_Layer):
    """Word vectors W (V, E), drawn from a normal distribution of standard deviation 1/sqrt(E)."""

    def __init__(self, vocabulary_size, wordvec_dim):
        super().__init__(vocabulary_size, wordvec_dim)
        vectors = torch.empty(vocabulary_size, wordvec_dim)
        self.W = nn.Parameter(vectors.normal_(std=wordvec_dim**-0.5))

    def forward(self, x):
        """Inputs: x: ids, (N, T). Returns: (N, T, E)."""
        return word_embedding(x, self.W)


class TemporalAffine(_Layer):
    """One affine map for all timesteps: W (D, M), drawn from ±1/sqrt(D), and b (M,), zero."""

    def __init__(self, input_dim, output_dim):
        super().__init__(input_dim, output_dim)
        bound = input_dim**-0.5
        self.W = nn.Parameter(torch.empty(input_dim, output_dim).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(output_dim))

    def forward(self, x):
        """Inputs: x (N, T, D). Returns: (N, T, M)."""
        affine = temporal_affine if x.requires_grad else temporal_affine_of_data
        return affine(x, self.W, self.b)
