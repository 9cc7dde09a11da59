"""ConvNet and LSTMDecoder: the ResNet-152 captioner whose checkpoints many people have.

The image is the LSTM's first input, as in Vinyals et al. 2015, "Show and Tell"; the decoder's first
word is <START>. Names of parameters are those of the published checkpoints.
"""

import torch
from torch import nn

from helpers import kernels, layers
from helpers.vocabulary import NULL


class ConvNet(nn.Module):
    """ResNet-152 without its last layer and gradients, then Linear(2048, E) and BatchNorm1d(E).

    Inputs: wordvec_dim: E; the image takes a word vector's place
    """

    def __init__(self, wordvec_dim=256):
        super().__init__()
        from torchvision.models import resnet152  # here because importing it takes a second

        self.resnet = nn.Sequential(*list(resnet152().children())[:-1])
        self.linear = nn.Linear(2048, wordvec_dim)
        self.bn = nn.BatchNorm1d(wordvec_dim, momentum=0.01)

    def forward(self, images):
        """Inputs: images (N, 3, 224, 224), normalised. Returns: features (N, E)."""
        with torch.no_grad():
            pooled = self.resnet(images).flatten(1)  # (N, 2048)
        return self.bn(self.linear(pooled))


class LSTMDecoder(nn.Module):
    """An LSTM that is given an image and says a caption; it runs on the kernels of this course.

    `embed`, `lstm` and `linear` hold the weights under PyTorch's names; `lstm` is never called.

    Inputs: vocabulary_size: V; wordvec_dim: E, of a word vector and of an image's features;
        hidden_dim: H; vocabulary: Vocabulary of V words, for `decoding`
    """

    cell_type = "lstm"

    def __init__(self, vocabulary_size, wordvec_dim=256, hidden_dim=512, vocabulary=None):
        super().__init__()
        self.vocabulary = vocabulary
        self.embed = nn.Embedding(vocabulary_size, wordvec_dim)
        self.lstm = nn.LSTM(wordvec_dim, hidden_dim, batch_first=True)
        self.linear = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, features, captions):
        """Return the loss of each word, from features (N, E) and captions (N, T), as training's."""
        words = self.embed(captions[:, :-1])  # (N, T - 1, E)
        x = torch.cat([features[:, None], words], 1)  # (N, T, E)
        h0 = x.new_zeros(len(x), self.lstm.hidden_size)  # (N, H)
        h = layers.lstm(x, h0, *layers.kernel_weights(self.lstm))  # (N, T, H)
        return layers.temporal_softmax_loss(self.linear(h), captions, captions != NULL, 0.0)

    def start(self, features):
        """Read an image. Inputs: features (N, E). Returns: state, a pair of (N, H); None."""
        zero = features.new_zeros(len(features), self.lstm.hidden_size)
        return self._read(features, (zero, zero)), None

    def step(self, words, state, A=None):
        """Read one word, an id, per image (N,) and score the next. Returns: (N, V), state, None."""
        state = self._read(self.embed(words), state)
        return self.linear(state[0]), state, None

    def _read(self, x, state):
        """Take one step of the LSTM with x (N, E). Returns: the next state."""
        weights = layers.kernel_weights(self.lstm)
        return kernels.lstm_step_forward(x, *state, *weights)[:2]
