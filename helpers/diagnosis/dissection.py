"""The kernels again, in plain torch and taken apart, so that one part can be replaced.

A replaced part may change a value, as a mistake in a forward pass does, or keep the value and
change its derivative alone, as a mistake in a backward pass does. Autograd then gives all the
gradients that a reader who made that mistake would compute.
"""

from collections.abc import Callable
from types import SimpleNamespace

import torch


def keep(a, *_):
    """Give the first argument, of any shape, as it is."""
    return a


def with_gradient_of(value, other):
    """Keep the value, and take the gradient of another expression of the same shape."""
    return other + (value - other).detach()


def scaled(scores, hidden):
    """Divide scores (N, P) by the root of the number of hidden units."""
    return scores / hidden**0.5


def softmax(scores):
    """Turn scores (N, P) into weights (N, P); each row sums to 1."""
    return scores.softmax(dim=1)


def mean_position(A):
    """Average image positions (N, P, H) to (N, H)."""
    return A.mean(dim=1)  # (N, H)


PARTS = {
    "input": keep,  # x Wx
    "recurrent": torch.matmul,  # prev_h Wh
    "attended": keep,  # attn Wattn
    "bias": keep,
    "tanh": torch.tanh,  # of the vanilla RNN
    "remember": lambda prev_h, next_h: prev_h,  # what dWh is multiplied with
    "gates": keep,
    "i": torch.sigmoid,
    "f": torch.sigmoid,
    "o": torch.sigmoid,
    "g": torch.tanh,
    "forget": torch.mul,  # f * prev_c
    "tanh_c": torch.tanh,
    "next_c": keep,
    "first": mean_position,  # the h0 made from A
    "first_c": keep,  # the c0 made from h0
    "carry_h": keep,  # from one timestep to the next
    "carry_c": keep,
    "shared": keep,  # the weights, and A, as one timestep sees them
    "forwards_in_time": False,
    "query": keep,
    "keys": keep,
    "values": keep,
    "weights": keep,  # alpha, as it weighs the values
    "scale": scaled,
    "softmax": softmax,
    "lookup": keep,
    "mask": keep,
    "mask_of_target": keep,
    "target": keep,
}


def _rnn_step(part, x, prev_h, Wx, Wh, b):
    known = part.input(x @ Wx) + part.bias(b)
    a = known + part.recurrent(prev_h, Wh)
    remembered = part.remember(prev_h, part.tanh(a)).detach()
    a = with_gradient_of(a, a - prev_h.detach() @ Wh + remembered @ Wh)
    return (part.tanh(a),)


def _lstm_step(part, x, prev_h, prev_c, Wx, Wh, b):
    return _gated(part, part.input(x @ Wx) + part.recurrent(prev_h, Wh) + part.bias(b), prev_c)


def _attention_lstm_step(part, x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = part.input(x @ Wx) + part.recurrent(prev_h, Wh) + part.attended(attn @ Wattn)
    return _gated(part, a + part.bias(b), prev_c)


def _gated(part, a, prev_c):
    i, f, o, g = part.gates(a).chunk(4, dim=1)
    next_c = part.forget(part.f(f), prev_c) + part.i(i) * part.g(g)
    return part.o(o) * part.tanh_c(next_c), part.next_c(next_c)


def _attention(part, prev_h, A):
    scores = torch.einsum("nh,nph->np", part.query(prev_h), part.keys(A))
    alpha = part.softmax(part.scale(scores, prev_h.shape[1]))  # (N, P)
    return torch.einsum("np,nph->nh", part.weights(alpha), part.values(A)), alpha


def _unroll(part, step, x, first, weights):
    """Return each output of step, stacked over time; its outputs begin with the state."""
    state, history, T = first, [], x.shape[1]
    for t in range(T):
        history.append(step(x[:, t], *state, *[part.shared(w, t, T) for w in weights]))
        carry = zip((part.carry_h, part.carry_c), history[-1], first, strict=False)
        state = [through(now, start) for through, now, start in carry]
    if part.forwards_in_time:
        history = _linked_forwards(step, x, first, weights, history)
    return [torch.stack(outputs, dim=1) for outputs in zip(*history, strict=True)]


def _linked_forwards(step, x, first, weights, history):
    """Keep every value, and hand a state's gradient to the timestep after it, not before."""
    linked, after = [], first
    for t in reversed(range(len(history))):
        before = history[t - 1] if t > 0 else first
        state = [with_gradient_of(v, a) for v, a in zip(before, after, strict=False)]
        linked.insert(0, step(x[:, t], *state, *weights))
        after = linked[0][: len(first)]
    return linked


def _rnn(part, x, h0, Wx, Wh, b):
    return _unroll(part, lambda *a: _rnn_step(part, *a), x, [h0], [Wx, Wh, b])


def _lstm(part, x, h0, Wx, Wh, b):
    first = [h0, torch.zeros_like(h0)]
    return _unroll(part, lambda *a: _lstm_step(part, *a), x, first, [Wx, Wh, b])[:1]


def _attention_lstm(part, x, A, Wx, Wh, Wattn, b):
    def step(x, h, c, A, *weights):
        attn, alpha = _attention(part, h, A)
        return *_attention_lstm_step(part, x, h, c, attn, *weights), alpha

    mean = part.first(A)
    h, _, alpha = _unroll(part, step, x, [mean, part.first_c(mean)], [A, Wx, Wh, Wattn, b])
    return h, alpha


def _word_embedding(part, x, W):
    return (part.lookup(W[x], x),)


def _temporal_affine(part, x, W, b):
    return (part.input(x @ W) + part.bias(b),)


def _temporal_softmax_loss(part, scores, y, mask):
    scores = scores.detach().requires_grad_()
    mask = mask.to(scores.dtype)
    target = part.target(scores.gather(2, y[..., None])[..., 0])  # (N, T)
    words = part.mask(mask) * scores.logsumexp(dim=2) - part.mask_of_target(mask) * target
    loss = words.sum() / len(scores)
    return loss.detach(), torch.autograd.grad(loss, scores)[0]


MODELS: dict[str, Callable] = {
    "rnn_step": _rnn_step,
    "rnn": _rnn,
    "lstm_gates": _gated,
    "lstm_step": _lstm_step,
    "lstm": _lstm,
    "dot_product_attention": _attention,
    "attention_lstm_step": _attention_lstm_step,
    "attention_lstm": _attention_lstm,
    "word_embedding": _word_embedding,
    "temporal_affine": _temporal_affine,
    "temporal_softmax_loss": _temporal_softmax_loss,
}


def forward_with(mistake, model, inputs):
    """Return a model's outputs, as a list of NumPy arrays, with one of its parts got wrong.

    Inputs:
        mistake: dict from names of PARTS to what replaces them; empty for none
        model: a name in MODELS
        inputs: list of NumPy arrays, of the shapes in `trial.KERNELS`
    """
    part = SimpleNamespace(**PARTS | mistake)
    return [out.detach().numpy() for out in MODELS[model](part, *map(torch.tensor, inputs))]


def backward_with(mistake, model, inputs, upstream):
    """Return the gradient of each floating-point input, as NumPy, with a part got wrong.

    Inputs: as for forward_with; and
        upstream: list of NumPy arrays, the gradients of the model's first outputs, of their shapes
    """
    part = SimpleNamespace(**PARTS | mistake)
    inputs = [torch.tensor(array) for array in inputs]
    wanted = [array.requires_grad_() for array in inputs if array.is_floating_point()]
    outputs = MODELS[model](part, *inputs)[: len(upstream)]
    pairs = [
        (o, torch.tensor(d)) for o, d in zip(outputs, upstream, strict=True) if o.requires_grad
    ]
    outputs, upstream = zip(*pairs, strict=True)
    gradients = torch.autograd.grad(outputs, wanted, upstream, allow_unused=True)
    return [
        (torch.zeros_like(array) if gradient is None else gradient).numpy()
        for array, gradient in zip(wanted, gradients, strict=True)
    ]
