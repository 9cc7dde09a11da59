"""A captioner of `helpers.transformer`'s blocks, to compare with the attention LSTM.

It trains with `helpers.training` and is decoded with `helpers.decoding`, as `CaptioningRNN` is.
"""

import torch
from torch import nn

from helpers.layers import temporal_softmax_loss
from helpers.transformer import Block
from helpers.vocabulary import shift_captions


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
