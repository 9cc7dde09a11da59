"""The captioner written with torch's own modules, as one would without this course."""

import torch
from torch import nn
from torch.nn import functional

from helpers.layers import to_torch
from helpers.layers.twins import swap_gates
from helpers.vocabulary import NULL, shift_captions


class AttentionTwin(nn.Module):
    """An attention LSTM on torch.nn.LSTMCell and torch's scaled dot-product attention."""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.cell = nn.LSTMCell(input_dim + hidden_dim, hidden_dim)

    @classmethod
    def of(cls, layer):
        """Copy an AttentionLSTM of ours."""
        twin = cls(*layer.sizes).to(layer.Wx)
        with torch.no_grad():
            twin.cell.weight_ih.copy_(swap_gates(torch.cat([layer.Wx, layer.Wattn]).T, 4))
            twin.cell.weight_hh.copy_(swap_gates(layer.Wh.T, 4))
            twin.cell.bias_ih.copy_(swap_gates(layer.b, 4))
            twin.cell.bias_hh.zero_()
        return twin

    def forward(self, x, A):
        """Inputs: x (N, T, D), A (N, P, H). Returns: h (N, T, H)."""
        h = c = A.mean(1)
        states = []
        for x_t in x.unbind(1):
            query = h[:, None].to(A.dtype)
            attn = functional.scaled_dot_product_attention(query, A, A)[:, 0]
            h, c = self.cell(torch.cat([x_t, attn], 1), (h, c))
            states.append(h)
        return torch.stack(states, 1)


class TorchCaptioner(nn.Module):
    """A twin of a CaptioningRNN of cell type "lstm" or "attn", with the same weights."""

    def __init__(self, model):
        super().__init__()
        V, E = model.embed.W.shape
        C, H = model.project.W.shape
        self.attends = model.cell_type == "attn"
        self.project, self.embed = nn.Linear(C, H), nn.Embedding(V, E)
        self.cell = AttentionTwin.of(model.cell) if self.attends else to_torch(model.cell)
        self.score = nn.Linear(H, V)
        with torch.no_grad():
            self.embed.weight.copy_(model.embed.W)
            for mine, theirs in ((self.project, model.project), (self.score, model.score)):
                mine.weight.copy_(theirs.W.T)
                mine.bias.copy_(theirs.b)

    def forward(self, features, captions):
        """Return the loss of `CaptioningRNN.forward`."""
        inputs, targets, _ = shift_captions(captions)
        x, image = self.embed(inputs), self.project(features)
        h = self.cell(x, image) if self.attends else self.cell(x, (image[None], image[None]))[0]
        scores = self.score(h).flatten(0, 1)  # (N T, V)
        loss = functional.cross_entropy(
            scores, targets.flatten(), ignore_index=NULL, reduction="sum"
        )
        return loss / len(captions)
