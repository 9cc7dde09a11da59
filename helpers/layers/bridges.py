"""Autograd bridges: a kernel's forward and backward pass, by hand, as one torch function."""

import torch
from torch import nn

from helpers import kernels
from helpers.layers.engine import engine_for
from helpers.settings import check_range


def bridge(forward, backward):
    """Make a function of tensors that autograd can differentiate of a kernel pair.

    Inputs:
        forward: kernel returning (out, cache) or (out, alpha, cache); alpha counts as not
            differentiable. A flat tuple of tensors as cache is freed soonest
        backward: kernel (dout, cache) -> gradients in the order of forward's arguments
    """

    class Bridge(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            out, *others, cache = forward(*inputs)
            ctx.mark_non_differentiable(*others)
            flat = isinstance(cache, tuple) and all(
                each is None or torch.is_tensor(each) for each in cache
            )
            ctx.save_for_backward(*cache if flat else ())
            ctx.cache = None if flat else cache
            kind = out.device.type
            ctx.autocast = kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
            return (out, *others) if others else out

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, dout, *_):
            with torch.autocast(*ctx.autocast):
                return backward(dout, ctx.saved_tensors if ctx.cache is None else ctx.cache)

    Bridge.__name__ = Bridge.__qualname__ = forward.__name__
    return Bridge.apply


def _either(name):
    """Return a function that calls the kernel of that name, of the engine or of the textbook."""

    def run(first, *others):
        return getattr(engine_for(first) or kernels, name)(first, *others)

    run.__name__ = name
    return run


rnn = bridge(kernels.rnn_forward, kernels.rnn_backward)
lstm = bridge(_either("lstm_forward"), _either("lstm_backward"))
_attention_lstm = bridge(_either("attention_lstm_forward"), _either("attention_lstm_backward"))


def attention_lstm(x, A, Wx, Wh, Wattn, b):
    """Run `kernels.attention_lstm_forward` on x (N, T, D) whose K = N / I rows share A (I, P, H).

    Returns: h (N, T, H), alpha (N, T, P). Raises: ValueError for images that do not divide rows.
    """
    K = rows_per_image(x, A)
    A = A if engine_for(x) else A.repeat_interleave(K, 0)  # (N, P, H)
    return _attention_lstm(x, A, Wx, Wh, Wattn, b)


def rows_per_image(x, A):
    """Return K, of rows of x (N, ...) for each image of A (I, P, H). Raises: ValueError if none."""
    N, images = len(x), len(A)
    if images == 0 or N % images:
        raise ValueError(f"A must have N = {N} images, or N / K for a whole K, not {images}")
    return N // images


def _weight_gradients(dout, x):
    return None, torch.einsum("ntd,ntm->dm", x, dout), dout.sum((0, 1))


temporal_affine = bridge(kernels.temporal_affine_forward, kernels.temporal_affine_backward)
temporal_affine_of_data = bridge(  # data such as features want no gradient: half the work
    lambda x, W, b: (kernels.temporal_affine_forward(x, W, b)[0], (x,)),
    lambda dout, cache: _weight_gradients(dout, *cache),
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
    Returns: loss, scalar: summed over time, averaged over the batch, in nats per caption
    Raises: ValueError for a smoothing out of range.
    """
    check_range("label_smoothing", label_smoothing)
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
    """Score states h (N, T, H) with W (H, V), b (V,); the rest as for `temporal_softmax_loss`."""
    if engine := engine_for(h):
        check_range("label_smoothing", label_smoothing)
        arguments = h, W, b, y, mask, label_smoothing, weights, torch.is_grad_enabled()
        return bridge(engine.temporal_word_loss, _scaled)(*arguments)
    scores = temporal_affine(h, W, b)  # (N, T, V)
    return temporal_softmax_loss(scores, y, mask, label_smoothing, weights)


def _scaled(dloss, gradients):
    return *(dloss * gradient for gradient in gradients), *[None] * 5
