"""Two independent oracles for a kernel: central differences, and autograd on plain torch code."""

import inspect

import numpy as np
import torch

from helpers import kernels
from helpers.checks import check, check_norm, numerical_gradient

SIZES = {"N": 2, "T": 3, "D": 4, "H": 5, "P": 6, "V": 7, "M": 8}

RECURRENT = {"Wx": "D H", "Wh": "H H", "b": "H"}
GATED = {"Wx": "D 4H", "Wh": "H 4H", "b": "4H"}
ATTENDED = {"Wx": "D 4H", "Wh": "H 4H", "Wattn": "H 4H", "b": "4H"}
SHAPES = {
    "rnn_step": {"x": "N D", "prev_h": "N H", **RECURRENT},
    "rnn": {"x": "N T D", "h0": "N H", **RECURRENT},
    "lstm_gates": {"a": "N 4H", "prev_c": "N H"},
    "lstm_step": {"x": "N D", "prev_h": "N H", "prev_c": "N H", **GATED},
    "lstm": {"x": "N T D", "h0": "N H", **GATED},
    "dot_product_attention": {"prev_h": "N H", "A": "N P H"},
    "attention_lstm_step": {
        "x": "N D", "prev_h": "N H", "prev_c": "N H", "attn": "N H", **ATTENDED,
    },
    "attention_lstm": {"x": "N T D", "A": "N P H", **ATTENDED},
    "temporal_affine": {"x": "N T D", "W": "D M", "b": "M"},
    "word_embedding": {"x": "ids", "W": "V D"},
}  # fmt: skip

KERNELS = [name for name in vars(kernels) if name.endswith(("_forward", "_backward", "_loss"))]


def forward_of(name):
    """Return the forward kernel of a name in SHAPES."""
    return getattr(kernels, f"{name}_forward")


def backward_of(name):
    """Return the backward kernel of a name in SHAPES."""
    return getattr(kernels, f"{name}_backward")


def random_inputs(name, seed=0, **sizes):
    """Draw the arguments of a kernel by name, in float64; word ids hold repeated words."""
    rng = np.random.default_rng(seed)
    sizes = SIZES | sizes
    inputs = {}
    for key, letters in SHAPES[name].items():
        if letters == "ids":
            inputs[key] = rng.integers(0, 3, (sizes["N"], sizes["T"]))
        else:
            shape = [int(s[:-1] or 1) * sizes[s[-1]] for s in letters.split()]
            inputs[key] = rng.normal(scale=0.7, size=shape)
    return inputs


def plain_rnn_step(x, prev_h, Wx, Wh, b):
    """Stack input, state and a one beside the weights: one product in place of two and a sum."""
    ones = x.new_ones(len(x), 1)
    return (torch.tanh(torch.cat([x, prev_h, ones], 1) @ torch.cat([Wx, Wh, b[None]], 0)),)


def plain_lstm_gates(a, prev_c):
    """Follow the textbook's three equations."""
    i, f, o, g = a.split(a.shape[1] // 4, dim=1)
    next_c = prev_c * torch.sigmoid(f) + torch.tanh(g) * torch.sigmoid(i)
    return torch.tanh(next_c) * torch.sigmoid(o), next_c


def plain_lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    """Let torch's linear do the affine part."""
    return plain_lstm_gates(torch.nn.functional.linear(x, Wx.T, b) + prev_h @ Wh, prev_c)


def plain_attention(prev_h, A):
    """Use torch's own scaled dot-product attention for the value, einsum for the weights."""
    scores = torch.einsum("nh,nph->np", prev_h, A) / np.sqrt(prev_h.shape[1])
    query = prev_h[:, None]
    attn = torch.nn.functional.scaled_dot_product_attention(query, A, A)[:, 0]
    return attn, torch.softmax(scores, dim=1)


def plain_attention_lstm_step(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    """Treat attn as more input, and Wattn as more rows of Wx."""
    return plain_lstm_step(torch.cat([x, attn], 1), prev_h, prev_c, torch.cat([Wx, Wattn]), Wh, b)


def plain_rnn(x, h0, Wx, Wh, b):
    """Repeat the plain step."""
    h = [h0]
    for x_t in x.unbind(1):
        h += plain_rnn_step(x_t, h[-1], Wx, Wh, b)
    return (torch.stack(h[1:], 1),)


def plain_lstm(x, h0, Wx, Wh, b, c0=None):
    """Repeat the plain step."""
    h, c = [h0], torch.zeros_like(h0) if c0 is None else c0
    for x_t in x.unbind(1):
        next_h, c = plain_lstm_step(x_t, h[-1], c, Wx, Wh, b)
        h.append(next_h)
    return (torch.stack(h[1:], 1),)


def plain_attention_lstm(x, A, Wx, Wh, Wattn, b):
    """Repeat attention and the plain step, from the mean of A."""
    h, c, alphas = [A.mean(1)], A.mean(1), []
    for x_t in x.unbind(1):
        attn, alpha = plain_attention(h[-1], A)
        next_h, c = plain_attention_lstm_step(x_t, h[-1], c, attn, Wx, Wh, Wattn, b)
        h.append(next_h)
        alphas.append(alpha)
    return torch.stack(h[1:], 1), torch.stack(alphas, 1)


PLAIN = {
    "rnn_step": plain_rnn_step,
    "rnn": plain_rnn,
    "lstm_gates": plain_lstm_gates,
    "lstm_step": plain_lstm_step,
    "lstm": plain_lstm,
    "dot_product_attention": plain_attention,
    "attention_lstm_step": plain_attention_lstm_step,
    "attention_lstm": plain_attention_lstm,
    "temporal_affine": lambda x, W, b: (torch.einsum("ntd,dm->ntm", x, W) + b,),
    "word_embedding": lambda x, W: (torch.nn.functional.embedding(x, W),),
}


def assert_gradients(name, seed, bound, **sizes):
    """Check a kernel pair's outputs and every gradient against both oracles, in float64.

    Inputs:
        name: a key of SHAPES
        bound: element-wise relative error to central differences
        sizes: sizes other than SIZES, such as T=1
    """
    inputs = random_inputs(name, seed, **sizes)
    *outputs, cache = forward_of(name)(*inputs.values())
    upstream = random_upstream(name, outputs, seed)
    gradients = backward_of(name)(*upstream, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    plain_outputs, plain_gradients = differentiate(PLAIN[name], inputs, upstream)
    for output, plain in zip(outputs, plain_outputs, strict=True):
        check_norm(f"{name} output", output, plain, 1e-12)
    numeric = numeric_gradients(forward_of(name), inputs, upstream)
    for (key, plain), gradient in zip(plain_gradients.items(), gradients, strict=True):
        check_norm(f"{name} d{key} to autograd", gradient, plain, 1e-10)
        check(f"{name} d{key} to central differences", gradient, numeric[key], bound)


def random_upstream(name, outputs, seed):
    """Draw a gradient for each output that the backward kernel takes one for."""
    rng = np.random.default_rng([seed, 1])
    taken = len(inspect.signature(backward_of(name)).parameters) - 1  # all but the cache
    return [rng.normal(size=output.shape) for output in outputs[:taken]]


def differentiate(plain, inputs, upstream):
    """Return a plain torch function's outputs, and by name autograd's gradients of its inputs."""
    tensors = {key: torch.tensor(value) for key, value in inputs.items()}
    wanted = {key: t.requires_grad_() for key, t in tensors.items() if t.is_floating_point()}
    outputs = plain(**tensors)
    taken = outputs[: len(upstream)]
    gradients = torch.autograd.grad(
        taken, list(wanted.values()), [torch.tensor(d) for d in upstream]
    )
    return outputs, dict(zip(wanted, gradients, strict=True))


def numeric_gradients(forward, inputs, upstream):
    """Return the gradient of each floating-point input by central differences, refined.

    Two step widths, combined so that the error in h**2 cancels (Richardson), allow a wide step,
    and so little rounding: an entry as small as 1e-5 still has eight correct digits.
    """
    df = np.concatenate([d.ravel() for d in upstream])

    def flat(_):
        return np.concatenate([o.ravel() for o in forward(*inputs.values())[: len(upstream)]])

    def gradient(x):
        fine, coarse = (numerical_gradient(flat, x, df, h) for h in (1e-3, 2e-3))
        return (4 * fine - coarse) / 3

    return {key: gradient(x) for key, x in inputs.items() if x.dtype == np.float64}
