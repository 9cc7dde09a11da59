"""A small transformer that captions pictures: the attention of notebook 04, used three times.

Vaswani et al. 2017, "Attention Is All You Need", with the normalisation first, as in Xiong et
al. 2020, "On Layer Normalization in the Transformer Architecture". It trains with
`helpers.training` and is decoded with `helpers.decoding`, as `CaptioningRNN` is.
"""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from helpers.layers import temporal_softmax_loss
from helpers.vocabulary import shift_captions


class MultiHeadAttention(nn.Module):
    """Attention with its own queries, keys and values, in several heads side by side.

    Inputs: dim: E, size of a vector; heads: how many parts it is cut into
    """

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.join = (
            nn.Linear(dim, dim, bias=False) for _ in range(4)
        )

    def forward(self, x, A, causal=False):
        """Let each row of x ask the rows of A; a causal one asks itself and earlier rows alone.

        Inputs: x (N, T, E), A (N, P, E). Returns: (N, T, E).
        """
        Q, K, V = (
            y.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (N, heads, T or P, E / heads)
            for y in (self.query(x), self.key(A), self.value(A))
        )
        attn = scaled_dot_product_attention(Q, K, V, is_causal=causal)  # (N, heads, T, E / heads)
        return self.join(attn.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Ask the words so far, ask the picture, then think; each result is added to the words.

    Inputs: dim, heads: as for `MultiHeadAttention`; dropout: probability
    """

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.words, self.picture = (MultiHeadAttention(dim, heads) for _ in range(2))
        self.think = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, A):
        """Inputs: x (N, T, E), A (I, P, E); K = N / I rows share a picture. Returns: (N, T, E)."""
        first, second, third = self.norms
        y = first(x)
        x = x + self.dropout(self.words(y, y, causal=True))
        y = second(x).reshape(len(A), -1, x.shape[2])  # (I, K T, E)
        x = x + self.dropout(self.picture(y, A).reshape(x.shape))
        return x + self.dropout(self.think(third(x)))


class CaptioningTransformer(nn.Module):
    """Describe images with a transformer.

    Inputs: vocabulary: of V words; feature_dim: C, size of an image feature; dim, heads, dropout:
        as for `Block`; layers: how many; max_length: of a caption, in words
    """

    feature_mean: torch.Tensor
    feature_std: torch.Tensor

    def __init__(
        self, vocabulary, feature_dim, dim=96, heads=4, layers=2, dropout=0.1, max_length=26
    ):
        super().__init__()
        self.vocabulary = vocabulary
        self.register_buffer("feature_mean", torch.zeros(feature_dim))
        self.register_buffer("feature_std", torch.ones(feature_dim))
        self.project = nn.Linear(feature_dim, dim)
        self.embed = nn.Embedding(len(vocabulary), dim)
        self.place = nn.Embedding(max_length, dim)  # attention does not know the order of words
        for table in (self.embed, self.place):
            nn.init.normal_(table.weight, std=dim**-0.5)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm, self.score = nn.LayerNorm(dim), nn.Linear(dim, len(vocabulary))
        self.dropout = nn.Dropout(dropout)

    def standardise(self, features):
        """Learn the mean and standard deviation of each channel, from features (I, P, C)."""
        channels = torch.as_tensor(features).flatten(0, -2).double()
        self.feature_mean.copy_(channels.mean(0))
        self.feature_std.copy_(channels.std(0).clamp(min=1e-3))

    def forward(self, features, captions, label_smoothing=0.0, weights=None):
        """Return the loss of predicting each word of the captions from the words before it.

        Inputs, returns: as for `CaptioningRNN.forward`, with features (I, P, C)
        """
        inputs, targets, mask = shift_captions(captions)  # (N, T) each
        scores = self.scores(inputs, self.positions(features))  # (N, T, V)
        return temporal_softmax_loss(scores, targets, mask, label_smoothing, weights)

    def scores(self, words, A):
        """Score every next word at once. Inputs: words (N, T), A (I, P, E). Returns: (N, T, V)."""
        x = self.dropout(self.embed(words) + self.place.weight[: words.shape[1]])  # (N, T, E)
        for block in self.blocks:
            x = block(x, A)
        return self.score(self.norm(x))

    def positions(self, features):
        """Project features (I, P, C) to what the words ask, (I, P, E)."""
        return self.project(self.dropout((features - self.feature_mean) / self.feature_std))

    def start(self, features):
        """Start decoding from features (N, P, C). Returns: state, no words yet; A (N, P, E)."""
        A = self.positions(features)
        return (torch.empty(len(A), 0, dtype=torch.long, device=A.device),), A

    def step(self, words, state, A):
        """Read one more word (N,) and score the next one; all earlier words are read again.

        Returns: scores (N, V); state: the words so far, (N, T); None, for there is no one map
        """
        state = torch.cat([state[0], words[:, None]], 1)
        return self.scores(state, A)[:, -1], (state,), None
