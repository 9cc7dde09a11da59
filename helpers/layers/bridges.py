"""Autograd bridges: a kernel's hand-written forward and backward pass as one torch function.

Autograd never looks inside a kernel.
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
