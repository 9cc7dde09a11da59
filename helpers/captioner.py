"""The captioning model: image features in, captions out.

Vinyals et al. 2015, "Show and Tell" (the image starts the recurrent state, as in CS231n);
Xu et al. 2015, "Show, Attend and Tell" (the image is attended at each step).
"""

from typing import Any

import torch
from torch import nn

from helpers import decoding
from helpers.layers import (
    LSTM,
    RNN,
    AttentionLSTM,
    TemporalAffine,
    WordEmbedding,
    temporal_softmax_loss,
    temporal_word_loss,
)
from helpers.vocabulary import shift_captions

NEVER = -1e4  # a score whose softmax is 0; minus infinity would make means of weights NaN
CELLS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "attn": AttentionLSTM}


class CaptioningRNN(nn.Module):
    """Describe images with a recurrent network, on the kernels of this course.

    Inputs: vocabulary: Vocabulary of V words; cell_type: "rnn", "lstm" or "attn"; feature_dim: C,
        wordvec_dim: E, hidden_dim: H, sizes of an image feature, a word vector, the hidden state;
        dropout: probability of dropping an entry of features, word vectors and hidden states;
            with `drop_channels`, features (N, P, C) lose a channel at all positions alike
    Raises: ValueError for an unknown cell type.
    """

    feature_mean: torch.Tensor
    feature_std: torch.Tensor
    drop_channels = False

    def __init__(
        self, vocabulary, cell_type="lstm", feature_dim=1280, wordvec_dim=256, hidden_dim=512,
        dropout=0.0,
    ):  # fmt: skip
        super().__init__()
        if cell_type not in CELLS:
            raise ValueError(f"cell_type must be one of {', '.join(CELLS)}, not {cell_type!r}")
        self.vocabulary, self.cell_type = vocabulary, cell_type
        self.sizes = {
            "cell_type": cell_type, "feature_dim": feature_dim, "wordvec_dim": wordvec_dim,
            "hidden_dim": hidden_dim, "dropout": dropout,
        }  # fmt: skip
        self.register_buffer("feature_mean", torch.zeros(feature_dim))
        self.register_buffer("feature_std", torch.ones(feature_dim))
        self.project = TemporalAffine(feature_dim, hidden_dim)
        self.embed = WordEmbedding(len(vocabulary), wordvec_dim)
        if cell_type == "attn":
            with torch.no_grad():
                self.project.W.div_(3)  # maps start nearly even: learning shapes them, not chance
        self.cell = CELLS[cell_type](wordvec_dim, hidden_dim)
        self.score = TemporalAffine(hidden_dim, len(vocabulary))
        self.dropout = nn.Dropout(dropout)

    def standardise(self, features):
        """Learn each channel's mean and standard deviation, which features lose from then on.

        Inputs: features: of training images, array (I, C) or (I, P, C)
        """
        channels = torch.as_tensor(features).flatten(0, -2).double()  # (I or I * P, C)
        with torch.no_grad():
            self.feature_mean.copy_(channels.mean(0))
            self.feature_std.copy_(channels.std(0, correction=0).clamp(min=1e-3))

    def sharpen(self, temperature):
        """Divide all scores by a temperature for good; words never said get no probability.

        Else, as captions are drawn and weighed, it would leak away to them. Raises: ValueError for
        a temperature that is not above 0.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        with torch.no_grad():
            for weight in self.score.parameters():
                weight.div_(temperature)
            self.score.b[decoding.FORBIDDEN] = NEVER

    def drop(self, features):
        """Replace entries of features (I, C) or (I, P, C) by the channel's mean, as dropout does.

        Self-critical training does so once for a step: all captions of an image are said of what
        is left of it, scaled up, and learned from that.
        """
        deviations = features - self.feature_mean
        ones = torch.ones_like(features[:, :1] if self.drop_channels else features)
        kept = nn.functional.dropout(ones, self.sizes["dropout"])
        return self.feature_mean + deviations * kept

    def forward(self, features, captions, label_smoothing=0.0, weights=None, votes=None):
        """Return the loss of predicting each word of the captions from the words before it.

        Inputs:
            features: of I images, (I, C), or (I, P, C) for "attn"
            captions: ids from <START> to <END>, padded with <NULL>, (N, T + 1); K = N / I
                captions in a row belong to one image
            label_smoothing: in [0, 1)
            weights: what each caption's loss is multiplied by, (N,); 1 if None
            votes: what is added to the scores of the words, (N, T, V), as by a word detector
        Returns: loss, summed over time and averaged over the batch, in nats per caption
        Raises: ValueError for features of the wrong shape.
        """
        inputs, targets, mask = shift_captions(captions)  # (N, T) each
        x = self.dropout(self.embed(inputs))  # (N, T, E)
        h = self.dropout(self._run(x, self._project(features)))  # (N, T, H)
        if votes is not None:
            scores = self.score(h) + votes
            return temporal_softmax_loss(scores, targets, mask, label_smoothing, weights)
        W, b = self.score.W, self.score.b
        return temporal_word_loss(h, W, b, targets, mask, label_smoothing, weights)

    def start(self, features):
        """Start decoding from features (N, C), or (N, P, C) for "attn".

        Returns: state, a tuple of (N, H); A: positions to attend to, (N, P, H), or None
        Raises: ValueError for features of the wrong shape.
        """
        projected = self._project(features)
        if self.cell_type == "attn":
            mean = projected.mean(1)
            return (mean, mean), projected
        if self.cell_type == "lstm":
            return (projected, projected), None
        return (projected,), None

    def step(self, words, state, A=None):
        """Read one word, an id, per image (N,), from the state and A before it; score the next.

        Returns: scores (N, V); state; alpha (N, P) for "attn", else None
        """
        x = self.embed(words[:, None])[:, 0]  # (N, E)
        if self.cell_type == "attn":
            h, state, alpha = self.cell.step(x, state, A)
        else:
            (h, state), alpha = self.cell.step(x, state), None
        return self.score(h[:, None])[:, 0], state, alpha

    def sample(self, features, max_length=20):
        """Caption images greedily: features (N, C) or (N, P, C) to N `Caption`s."""
        return decoding.greedy(self, features, max_length)

    def _run(self, x, projected):
        """Run the cell over x (N, T, E), with the projected features of I images."""
        if self.cell_type == "attn":
            return self.cell(x, projected)[0]
        h0 = projected.repeat_interleave(len(x) // len(projected), 0)  # (N, H)
        return self.cell(x, h0, h0) if self.cell_type == "lstm" else self.cell(x, h0)

    def _project(self, features):
        """Project features (N, C) to (N, H), or a grid (N, P, C) to (N, P, H)."""
        wanted = 3 if self.cell_type == "attn" else 2
        if features.ndim != wanted or features.shape[-1] != self.sizes["feature_dim"]:
            shape = "(N, P, C)" if wanted == 3 else "(N, C)"
            raise ValueError(
                f"features for {self.cell_type!r} must have shape {shape} with "
                f"C = {self.sizes['feature_dim']}, not {tuple(features.shape)}"
            )
        features = features.to(self.feature_mean.dtype)
        features = (features - self.feature_mean) / self.feature_std
        if self.drop_channels:
            features = features * self.dropout(torch.ones_like(features[:, :1]))
        else:
            features = self.dropout(features)
        if wanted == 3:
            return self.project(features)
        return self.project(features[:, None])[:, 0]
