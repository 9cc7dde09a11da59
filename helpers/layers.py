"""The kernels as PyTorch layers: autograd bridges and modules that train.

A bridge runs a hand-written forward pass and hands autograd the hand-written backward pass;
autograd never looks inside a kernel.
"""

import torch
from torch import nn

from helpers import kernels


def bridge(forward, backward):
    """Make a differentiable function of a kernel pair.

    Inputs:
        forward: kernel returning (out, cache) or (out, alpha, cache), cache a flat tuple of
            tensors; alpha counts as not differentiable
        backward: kernel (dout, cache) -> gradients in the order of forward's arguments
    Returns: a function of tensors that returns out, or (out, alpha), for autograd
    """

    class Bridge(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            out, *others, cache = forward(*inputs)
            ctx.mark_non_differentiable(*others)
            ctx.save_for_backward(*cache)
            kind = out.device.type
            ctx.autocast = kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
            return (out, *others) if others else out

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, dout, *_):
            with torch.autocast(*ctx.autocast):
                return backward(dout, ctx.saved_tensors)

    Bridge.__name__ = Bridge.__qualname__ = forward.__name__
    return Bridge.apply


rnn = bridge(kernels.rnn_forward, kernels.rnn_backward)
lstm = bridge(kernels.lstm_forward, kernels.lstm_backward)
attention_lstm = bridge(kernels.attention_lstm_forward, kernels.attention_lstm_backward)
temporal_affine = bridge(kernels.temporal_affine_forward, kernels.temporal_affine_backward)
temporal_affine_of_data = bridge(  # data such as features want no gradient: half the work
    kernels.temporal_affine_forward,
    lambda dout, cache: (
        None,
        kernels.temporal.weight_gradient(cache[0], dout),
        dout.sum((0, 1)),
    ),
)
word_embedding = bridge(
    kernels.word_embedding_forward,
    lambda dout, cache: (None, kernels.word_embedding_backward(dout, cache)),
)


def _softmax_loss_forward(scores, y, mask):
    loss, dscores = kernels.temporal_softmax_loss(scores, y, mask)
    return loss, (dscores,)


_softmax_loss = bridge(_softmax_loss_forward, lambda dloss, cache: (dloss * cache[0], None, None))


def temporal_softmax_loss(scores, y, mask, label_smoothing=0.0, weights=None):
    """Compare scores with the target words; what training adds to the kernel stands here.

    With label smoothing s the target is (1 - s) for the word plus s / V for every word
    (Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision").

    Inputs:
        scores: raw scores, (N, T, V)
        y, mask: target ids in [0, V), and True where they count, (N, T) each
        label_smoothing: in [0, 1)
        weights: what each caption's loss is multiplied by, (N,), of any sign; 1 if None
    Returns: loss, scalar: summed over time and averaged over the batch, in nats per caption
    Raises: ValueError for a smoothing out of range.
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), not {label_smoothing}")
    if weights is not None:
        words = nn.functional.cross_entropy(
            scores[mask], y[mask], reduction="none", label_smoothing=label_smoothing
        )  # (M,)
        return (words * weights[:, None].expand(mask.shape)[mask]).sum() / len(y)
    loss = _softmax_loss(scores, y, mask)
    if label_smoothing:
        selected = scores[mask]  # (M, V)
        even = (selected.logsumexp(1) - selected.mean(1)).sum() / len(y)
        loss = (1 - label_smoothing) * loss + label_smoothing * even
    return loss


def temporal_word_loss(h, W, b, y, mask, label_smoothing=0.0, weights=None):
    """Score hidden states h (N, T, H) with W (H, V) and b (V,), and compare with the words y.

    Inputs: the others as for `temporal_softmax_loss`. Returns: loss, scalar
    """
    scores = temporal_affine(h, W, b)  # (N, T, V)
    return temporal_softmax_loss(scores, y, mask, label_smoothing, weights)


class _Cell(nn.Module):
    """Weights Wx (D, G), Wh (H, G) and b (G,) of a recurrent layer; G = H or 4H.

    Drawn uniformly from ±1/sqrt(H), as torch.nn.RNN and torch.nn.LSTM do.
    """

    gates = 1
    Wx: nn.Parameter
    Wh: nn.Parameter
    b: nn.Parameter

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        bound = hidden_dim**-0.5
        for name, rows in self._rows(input_dim, hidden_dim).items():
            weight = torch.empty(*rows, self.gates * hidden_dim).uniform_(-bound, bound)
            self.register_parameter(name, nn.Parameter(weight))

    def _rows(self, input_dim, hidden_dim):
        return {"Wx": (input_dim,), "Wh": (hidden_dim,), "b": ()}

    def extra_repr(self):
        """Return the sizes, for the module's repr."""
        return f"{self.Wx.shape[0]}, {self.Wh.shape[0]}"


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


class _GatedCell(_Cell):
    """Weights of four gates, i, f, o, g; the forget gate starts open, with a bias of 1.

    Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network
    Architectures".
    """

    gates = 4

    def __init__(self, input_dim, hidden_dim):
        super().__init__(input_dim, hidden_dim)
        with torch.no_grad():
            self.b[hidden_dim : 2 * hidden_dim] = 1


class LSTM(_GatedCell):
    """LSTM layer on `lstm_forward` and `lstm_backward`; gates in the order i, f, o, g."""

    def forward(self, x, h0, c0=None):
        """Inputs: x (N, T, D), h0 and c0 (N, H); c0 = 0 if None. Returns: h (N, T, H)."""
        initial = () if c0 is None else (c0,)
        return lstm(x, h0, self.Wx, self.Wh, self.b, *initial)

    def step(self, x, state):
        """Inputs: x (N, D), state: (h, c) of (N, H) each. Returns: next_h (N, H), next state."""
        next_h, next_c, _ = kernels.lstm_step_forward(x, *state, self.Wx, self.Wh, self.b)
        return next_h, (next_h, next_c)


class AttentionLSTM(_GatedCell):
    """LSTM layer that attends to image positions A (I, P, H) before each step."""

    def _rows(self, input_dim, hidden_dim):
        return super()._rows(input_dim, hidden_dim) | {"Wattn": (hidden_dim,)}

    def forward(self, x, A):
        """Run over sequences; K captions in a row may share an image.

        Inputs: x (N, T, D), A (I, P, H) with N = I K
        Returns: h (N, T, H), alpha (N, T, P)
        Raises: ValueError for images that do not divide the rows.
        """
        A = A.repeat_interleave(rows_per_image(x, A), 0)  # (N, P, H)
        return attention_lstm(x, A, self.Wx, self.Wh, self.Wattn, self.b)

    def step(self, x, state, A):
        """Take a step; K hypotheses in a row may share an image.

        Inputs: x (N, D), state: (h, c) of (N, H) each, A (I, P, H) with N = I K
        Returns: next_h (N, H), next state, alpha (N, P)
        Raises: ValueError for images that do not divide the rows.
        """
        h, c = state
        K = rows_per_image(x, A)
        looks = [kernels.dot_product_attention_forward(h[k::K], A)[:2] for k in range(K)]
        attn, alpha = (torch.stack(each, 1).flatten(0, 1) for each in zip(*looks, strict=True))
        next_h, next_c, _ = kernels.attention_lstm_step_forward(
            x, h, c, attn, self.Wx, self.Wh, self.Wattn, self.b
        )
        return next_h, (next_h, next_c), alpha


def rows_per_image(x, A):
    """Return K, the number of rows of x, (N, ...), for each image of A (I, P, H); N = I K.

    Raises: ValueError for images that do not divide the rows.
    """
    N, images = len(x), len(A)
    if images == 0 or N % images:
        raise ValueError(f"A must have N = {N} images, or N / K for a whole K, not {images}")
    return N // images


class WordEmbedding(nn.Module):
    """Word vectors W (V, E), drawn from a normal distribution of standard deviation 1/sqrt(E)."""

    def __init__(self, vocabulary_size, wordvec_dim):
        super().__init__()
        self.W = nn.Parameter(torch.randn(vocabulary_size, wordvec_dim) * wordvec_dim**-0.5)

    def extra_repr(self):
        """Return the sizes, for the module's repr."""
        return f"{self.W.shape[0]}, {self.W.shape[1]}"

    def forward(self, x):
        """Inputs: x: ids, (N, T). Returns: (N, T, E)."""
        return word_embedding(x, self.W)


class TemporalAffine(nn.Module):
    """One affine map for all timesteps: W (D, M), drawn from ±1/sqrt(D), and b (M,), zero."""

    def __init__(self, input_dim, output_dim):
        super().__init__()
        bound = input_dim**-0.5
        self.W = nn.Parameter(torch.empty(input_dim, output_dim).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(output_dim))

    def extra_repr(self):
        """Return the sizes, for the module's repr."""
        return f"{self.W.shape[0]}, {self.W.shape[1]}"

    def forward(self, x):
        """Inputs: x (N, T, D). Returns: (N, T, M)."""
        affine = temporal_affine if x.requires_grad else temporal_affine_of_data
        return affine(x, self.W, self.b)


def to_torch(layer):
    """Copy an RNN or LSTM of ours into torch.nn.RNN or torch.nn.LSTM (batch_first).

    torch stores the gates in the order i, f, g, o, transposed, and adds two biases: the second
    one is set to zero.

    Inputs: layer: RNN or LSTM
    Returns: torch.nn.RNN or torch.nn.LSTM with the same outputs
    """
    twin = (nn.LSTM if layer.gates == 4 else nn.RNN)(*layer_sizes(layer), batch_first=True)
    twin = twin.to(layer.Wx)
    weights = {
        "weight_ih_l0": swap_gates(layer.Wx.T, layer.gates),
        "weight_hh_l0": swap_gates(layer.Wh.T, layer.gates),
        "bias_ih_l0": swap_gates(layer.b, layer.gates),
        "bias_hh_l0": torch.zeros_like(layer.b),
    }
    twin.load_state_dict(weights)
    return twin


def from_torch(twin):
    """Copy a torch.nn.RNN or torch.nn.LSTM into a layer of ours; its two biases add up.

    Inputs: twin: one layer, one direction, with biases; tanh for torch.nn.RNN
    Returns: RNN or LSTM with the same outputs
    Raises: ValueError for a torch layer that ours cannot express
    """
    if twin.num_layers != 1 or twin.bidirectional or not twin.bias or twin.proj_size:
        raise ValueError(f"twin must have one layer, one direction and biases, not {twin}")
    if getattr(twin, "nonlinearity", "tanh") != "tanh":
        raise ValueError(f"twin must use tanh, not {twin.nonlinearity}")
    layer = (LSTM if isinstance(twin, nn.LSTM) else RNN)(twin.input_size, twin.hidden_size)
    layer = layer.to(twin.weight_ih_l0)
    with torch.no_grad():
        for ours, theirs in zip((layer.Wx, layer.Wh, layer.b), kernel_weights(twin), strict=True):
            ours.copy_(theirs)
    return layer


def kernel_weights(twin):
    """Give the weights of a torch.nn.RNN or torch.nn.LSTM as the kernels take them.

    Autograd sees through it: a gradient for these is a gradient for the torch layer's own.

    Inputs: twin: as for `from_torch`
    Returns: Wx (D, G), Wh (H, G), b (G,); G = H or 4H, gates in the order i, f, o, g
    """
    gates = 4 if isinstance(twin, nn.LSTM) else 1
    Wx = swap_gates(twin.weight_ih_l0, gates).T
    Wh = swap_gates(twin.weight_hh_l0, gates).T
    return Wx, Wh, swap_gates(twin.bias_ih_l0 + twin.bias_hh_l0, gates)


def layer_sizes(layer):
    """Return D and H of a recurrent layer."""
    return layer.Wx.shape[0], layer.Wh.shape[0]


def swap_gates(rows, gates):
    """Exchange the last two of four blocks of rows: i, f, o, g <-> i, f, g, o."""
    if gates == 1:
        return rows
    i, f, third, fourth = rows.chunk(4)
    return torch.cat([i, f, fourth, third])
