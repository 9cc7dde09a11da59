"""One run of a kernel on small random arrays of unequal sizes, compared with what must come out."""

import copy
import inspect
import traceback
from functools import cached_property

import numpy as np

from helpers import kernels
from helpers.diagnosis import dissection, explanations
from helpers.diagnosis.mistakes import BACKWARD_MISTAKES, FORWARD_MISTAKES

SIZES = {"N": 3, "T": 5, "D": 4, "H": 7, "4H": 28, "P": 6, "V": 9, "M": 8}  # no two alike

# The arguments of each forward kernel, and its outputs but the cache.
KERNELS = {
    "rnn_step": ("x:N,D prev_h:N,H Wx:D,H Wh:H,H b:H", "next_h"),
    "rnn": ("x:N,T,D h0:N,H Wx:D,H Wh:H,H b:H", "h"),
    "lstm_gates": ("a:N,4H prev_c:N,H", "next_h next_c"),
    "lstm_step": ("x:N,D prev_h:N,H prev_c:N,H Wx:D,4H Wh:H,4H b:4H", "next_h next_c"),
    "lstm": ("x:N,T,D h0:N,H Wx:D,4H Wh:H,4H b:4H", "h"),
    "dot_product_attention": ("prev_h:N,H A:N,P,H", "attn alpha"),
    "attention_lstm_step": (
        "x:N,D prev_h:N,H prev_c:N,H attn:N,H Wx:D,4H Wh:H,4H Wattn:H,4H b:4H",
        "next_h next_c",
    ),
    "attention_lstm": ("x:N,T,D A:N,P,H Wx:D,4H Wh:H,4H Wattn:H,4H b:4H", "h alpha"),
    "word_embedding": ("x:N,T W:V,D", "out"),
    "temporal_affine": ("x:N,T,D W:D,M b:M", "out"),
    "temporal_softmax_loss": ("scores:N,T,V y:N,T mask:N,T", "loss dscores"),
}

# What may be left of a sum, by the axis of the upstream gradient.
PLACES = ["the sum over the batch is missing", "timesteps are missing"]


def checkable():
    """List the names of the kernels that check_kernel knows, in the order of the course."""
    names = [model + ending for model in KERNELS for ending in ("", "_forward", "_backward")]
    return [name for name in names if name in kernels.__all__]


class Trial:
    """One run of a kernel of ours on random inputs: what goes in, and what has to come out.

    Raises: ValueError for a kernel that is not in KERNELS
    """

    def __init__(self, name, seed):
        self.name = name
        self.model = _model(name)
        if name not in checkable():
            known = ", ".join(checkable())
            raise ValueError(f"no kernel of ours is called {name!r}; there are: {known}")
        rng = np.random.default_rng(seed)
        shapes, outputs = KERNELS[self.model]
        self.inputs = {
            key: _random(rng, key, [SIZES[letter] for letter in letters.split(",")])
            for key, letters in (argument.split(":") for argument in shapes.split())
        }
        self.sizes = SIZES | {"W": int(self.inputs.get("mask", np.ones(1)).sum())}
        self.backward = name.endswith("_backward")
        self.outputs = outputs.split() + ([] if name == self.model else ["cache"])
        values = dissection.forward_with({}, self.model, list(self.inputs.values()))
        self.expected = dict(zip(outputs.split(), values, strict=True))
        if self.backward:
            self._differentiate(rng)

    def _differentiate(self, rng):
        kernel = getattr(kernels, self.name)
        wanted = list(inspect.signature(kernel).parameters)[:-1]  # all but the cache
        self.upstream = {key: _random(rng, key, self.expected[key[1:]].shape) for key in wanted}
        self.outputs = ["d" + key for key, array in self.inputs.items() if array.dtype.kind == "f"]
        inputs, upstream = list(self.inputs.values()), list(self.upstream.values())
        gradients = dissection.backward_with({}, self.model, inputs, upstream)
        self.expected = dict(zip(self.outputs, gradients, strict=True))

    def arguments(self, forward):
        """Return the arguments by name, each a copy; the cache is that of forward, or of ours."""
        inputs = copy.deepcopy(self.inputs)
        if not self.backward:
            return inputs
        forward = forward or getattr(kernels, f"{self.model}_forward")
        cache = listed(call(forward, inputs, forward.__name__))[-1]
        return copy.deepcopy(self.upstream) | {"cache": cache}

    def explain(self, key, got):
        """Return what is wrong with one output, its shape included, or None when it is right."""
        right = self.expected[key]
        if kind := explanations.wrong_kind(got, right):
            return kind
        got = np.asarray(got)
        if not np.isfinite(got).all():
            return f"{np.sum(~np.isfinite(got))} of {got.size} entries are NaN or infinite"
        if explanations.same(got, right):
            return None
        shape = f"has shape {got.shape}, expected {right.shape}"
        for text, candidate, target in self._hypotheses(key, got, right):
            if explanations.same(candidate, target):
                return text if got.shape == right.shape else f"{shape}: {text}"
        return shape if got.shape != right.shape else explanations.difference(got, right)

    def _hypotheses(self, key, got, right):
        """Yield (mistake, what it makes of one side, the other side), the simplest first."""
        for other, array in self.expected.items():
            yield f"this is {other}; the order is {', '.join(self.outputs)}", got, array
        yield from explanations.candidates(got, right, self.sizes)
        position = list(self.expected).index(key)
        for text, outputs in self.mistaken:
            yield text, got, outputs[position]

    @cached_property
    def mistaken(self):
        """Hold what each known mistake computes: pairs of its name and all outputs."""
        inputs = list(self.inputs.values())
        if not self.backward:
            return [
                (text, dissection.forward_with(mistake, self.model, inputs))
                for text, mistake in FORWARD_MISTAKES
            ]
        upstream, names = list(self.upstream.values()), " and ".join(self.upstream)

        def gradients(mistake, axis=None, row=None):
            given = _part(upstream, axis, row)
            return dissection.backward_with(mistake, self.model, inputs, given)

        return [(text, gradients(mistake)) for text, mistake in BACKWARD_MISTAKES] + [
            (f"{what}: it comes from the {place} one's {names} alone", gradients({}, axis, row))
            for axis, what in enumerate(PLACES)
            for place, row in (("first", 0), ("last", -1))
        ]


def call(function, arguments, name):
    """Call a kernel with a dict of arguments; what it raises becomes an AssertionError.

    Raises: AssertionError that names the line of the kernel and what it was called with
    """
    try:
        return function(*arguments.values())
    except NotImplementedError as error:
        text = str(error) or "not written yet"
        raise AssertionError(text if text.startswith(name) else f"{name}: {text}") from None
    except Exception as error:
        code = getattr(function, "__code__", None)
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if code and frame.filename == code.co_filename]
        place = f"\n  in line {own[-1].lineno}: {own[-1].line}".rstrip(": ") if own else ""
        given = ", ".join(f"{key} {shape_text(value)}" for key, value in arguments.items())
        raise AssertionError(
            f"{name} raised {type(error).__name__}: {error}{place}\n  called with {given}"
        ) from error


def listed(result):
    """List the outputs of a kernel."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def shape_text(value):
    """Tell the shape of a value, or what it is instead of an array."""
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values"
    return str(np.shape(value)) if hasattr(value, "shape") else type(value).__name__


def _model(name):
    return name.removesuffix("_forward").removesuffix("_backward")


def _part(arrays, axis, row):
    """Zero arrays but for one example, or one timestep of a sequence; axis None keeps all."""
    if axis is None:
        return arrays
    kept = [np.zeros_like(array) for array in arrays]
    for array, full in zip(kept, arrays, strict=True):
        index = (slice(None),) * min(axis, full.ndim - 2) + (row,)
        array[index] = full[index]
    return kept


def _random(rng, key, shape):
    if key == "y" or (key == "x" and len(shape) == 2 and shape[1] == SIZES["T"]):
        return rng.integers(0, SIZES["V"], shape)
    if key == "mask":
        return rng.random(shape) < 0.7
    return rng.normal(scale=0.6, size=shape)
