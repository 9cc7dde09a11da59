"""Tell a reader precisely what is wrong with a kernel of their own.

The kernel runs on small random arrays of unequal sizes. Where an output differs from what autograd
makes of the equations, known mistakes are tried one by one, and a mistake is named only if it
reproduces the reader's numbers.
"""

import copy
import inspect
import traceback
from collections.abc import Callable
from functools import cached_property
from itertools import combinations

import numpy as np

from helpers import kernels
from helpers.diagnosis import dissection
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

# What a reader may have made of an output that should be `right`.
CHANGED: list[tuple[str, Callable]] = [
    ("is zero everywhere", np.zeros_like),
    ("has the wrong sign", np.negative),
    ("is transposed", np.transpose),
    (
        "has its first two axes swapped",
        lambda right: right.swapaxes(0, 1) if right.ndim > 1 else right,
    ),
    ("runs backwards in time", lambda right: right[:, ::-1] if right.ndim == 3 else right),
    ("has an axis too many or too few, of size 1", np.squeeze),
]

# Factors that occur, by the sizes they are made of; W is the number of words in the mask.
FACTORS: list[tuple[str, Callable]] = [
    ("is N times too large: divide by N", lambda s: s["N"]),
    (
        "is averaged over the batch instead of summed: 1/N of what it should be",
        lambda s: 1 / s["N"],
    ),
    ("is averaged over time instead of summed: 1/T of what it should be", lambda s: 1 / s["T"]),
    ("is T times too large", lambda s: s["T"]),
    (
        "is averaged over batch and time instead of summed: 1/(N T) of what it should be",
        lambda s: 1 / (s["N"] * s["T"]),
    ),
    ("is averaged over the words in the mask instead of over the batch", lambda s: s["N"] / s["W"]),
    ("is 2 times too large", lambda s: 2),
    ("is half of what it should be", lambda s: 0.5),
    ("is sqrt(H) times too large: divide by sqrt(H)", lambda s: s["H"] ** 0.5),
    ("is 1/sqrt(H) of what it should be", lambda s: s["H"] ** -0.5),
]


# What may be left of a sum, by the axis of the upstream gradient.
PLACES = ["the sum over the batch is missing", "timesteps are missing"]


def check_kernel(function, reference=None, forward=None, seed=0):
    """Compare a kernel with what ours of the same name computes, and say what is wrong with it.

    Prints `rnn_step_backward ok: dx, dprev_h, dWx, dWh, db (relative error < 1e-8)`.

    Inputs:
        function: a kernel with the arguments and the outputs of one in helpers.kernels
        reference: our kernel to compare with; by default the one of the function's name
        forward: for a backward kernel, the reader's own forward kernel, which makes its cache;
            by default ours does
        seed: of the random inputs, in float64 NumPy
    Raises: AssertionError with one line per output that is wrong, or with the message of a kernel
    that raises NotImplementedError; ValueError when no kernel of ours has that name.
    """
    trial = Trial((reference or function).__name__, seed)
    arguments = trial.arguments(forward)
    kept = copy.deepcopy(arguments)
    result = _call(function, arguments, trial.name)
    lines = [
        f"{key}: the function modified this argument; work on a copy"
        for key, before in kept.items()
        if not _unchanged(before, arguments[key])
    ]
    shortage = _shortage(trial.outputs, result)
    for key, got in zip(trial.expected, [] if shortage else _listed(result), strict=False):
        problem = trial.explain(key, got)
        lines += [f"{key}: {problem}"] if problem else []
    lines += [shortage] if shortage else []
    if lines:
        raise AssertionError("\n  ".join([f"{trial.name} is not right yet:", *lines]))
    print(f"{trial.name} ok: {', '.join(trial.expected)} (relative error < 1e-8)")


def checkable():
    """List the names of the kernels that check_kernel knows, in the order of the course."""
    names = [model + ending for model in KERNELS for ending in ("", "_forward", "_backward")]
    return [name for name in names if name in kernels.__all__]


class Trial:
    """One run of a kernel of ours on random inputs: what goes in, and what has to come out."""

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
        cache = _listed(_call(forward, inputs, forward.__name__))[-1]
        return copy.deepcopy(self.upstream) | {"cache": cache}

    def explain(self, key, got):
        """Return what is wrong with one output, or None when it is right."""
        right = self.expected[key]
        if kind := _kind(got, right):
            return kind
        got = np.asarray(got)
        if not np.isfinite(got).all():
            return f"{np.sum(~np.isfinite(got))} of {got.size} entries are NaN or infinite"
        if _same(got, right):
            return None
        shape = f"has shape {got.shape}, expected {right.shape}"
        for text, candidate, target in self._hypotheses(key, got, right):
            if _same(candidate, target):
                return text if got.shape == right.shape else f"{shape}: {text}"
        return shape if got.shape != right.shape else _difference(got, right)

    def _hypotheses(self, key, got, right):
        """Yield (mistake, what it makes of one side, the other side), the simplest first."""
        for other, array in self.expected.items():
            yield f"this is {other}; the order is {', '.join(self.outputs)}", got, array
        for text, change in CHANGED:
            yield f"it {text}", got, change(right)
            yield f"it {text}", change(got), right
        for count in range(1, got.ndim + 1):
            for axes in combinations(range(got.ndim), count):
                yield f"the sum over {_over(got, axes)} is missing", got.sum(axis=axes), right
        for text, factor in FACTORS:
            yield f"it {text}", got, factor(self.sizes) * right
            yield f"it {text}, and has the wrong sign", got, -factor(self.sizes) * right
        if got.shape == right.shape and right.size > 1:
            factor = np.vdot(right, got) / np.vdot(right, right)
            yield f"it is {factor:.9g} times what it should be, in every entry", got, factor * right
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


def _call(function, arguments, name):
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
        given = ", ".join(f"{key} {_shape(value)}" for key, value in arguments.items())
        raise AssertionError(
            f"{name} raised {type(error).__name__}: {error}{place}\n  called with {given}"
        ) from error


def _shortage(wanted, result):
    """Return what is wrong with the number of outputs, or None."""
    several = isinstance(result, (tuple, list))
    got = len(result) if several else 1
    if got == len(wanted) and several == (got > 1):
        return None
    what = f"a tuple of {got}" if several else f"one value, {_shape(result)}"
    hint = "; the cache is missing" if [*wanted[:got], "cache"] == wanted else ""
    return f"returned {what}, expected {', '.join(wanted)}{hint}"


def _listed(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _kind(got, right):
    """Return what is wrong with the type of an output, or None."""
    if got is None:
        return "is None: not computed yet"
    if not isinstance(got, (np.ndarray, np.generic, float)):
        return f"is a {type(got).__module__}.{type(got).__name__}, but NumPy arrays went in"
    if np.asarray(got).dtype != right.dtype:
        return f"is {np.asarray(got).dtype}, but the inputs are {right.dtype}"
    return None


def _same(x, y):
    """Tell whether two arrays are equal but for rounding; an all-zero y must be met exactly."""
    if np.shape(x) != np.shape(y):
        return False
    return bool(np.all(np.abs(x - y) < 1e-8 * np.maximum(1e-8, np.abs(x) + np.abs(y))))


def _over(got, axes):
    names = {SIZES["N"]: "the batch (N)", SIZES["T"]: "time (T)"}
    return " and ".join(names.get(got.shape[axis], f"axis {axis}") for axis in axes)


def _shape(value):
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values"
    return str(np.shape(value)) if hasattr(value, "shape") else type(value).__name__


def _difference(got, right):
    errors = np.abs(got - right) / np.maximum(1e-8, np.abs(got) + np.abs(right))
    worst = np.unravel_index(np.argmax(np.abs(got - right)), right.shape)
    return (
        f"differs, and no known mistake explains it: relative error {errors.max():.1e}, "
        f"{np.sum(errors >= 1e-8)} of {errors.size} entries, most at {[int(i) for i in worst]}: "
        f"got {got[worst]:.6g}, expected {right[worst]:.6g}"
    )


def _unchanged(before, after):
    """Tell whether arrays, also those inside a cache, are what they were."""
    if isinstance(before, dict):
        before, after = list(before.values()), list(after.values())
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return not isinstance(before, np.ndarray) or np.array_equal(before, after, equal_nan=True)
