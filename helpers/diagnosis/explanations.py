"""What an output that is not right shows by itself: a factor, a sum left out, a wrong axis."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

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


def candidates(got, right, sizes):
    """Go through what a reader may have made of an output, whatever the kernel.

    Inputs:
        got, right: NumPy arrays of any shapes, the reader's output and ours
        sizes: dict from the letter of a dimension to its size
    Returns: iterator of (explanation, one array, another): the explanation holds if they are equal
    """
    for text, change in CHANGED:
        yield f"it {text}", got, change(right)
        yield f"it {text}", change(got), right
    for count in range(1, got.ndim + 1):
        for axes in combinations(range(got.ndim), count):
            yield f"the sum over {_over(got, axes, sizes)} is missing", got.sum(axis=axes), right
    for text, factor in FACTORS:
        yield f"it {text}", got, factor(sizes) * right
        yield f"it {text}, and has the wrong sign", got, -factor(sizes) * right
    if got.shape == right.shape and right.size > 1:
        factor = np.vdot(right, got) / np.vdot(right, right)
        yield f"it is {factor:.9g} times what it should be, in every entry", got, factor * right


def wrong_kind(got, right):
    """Return what is wrong with the type of an output, whatever its shape, or None."""
    if got is None:
        return "is None: not computed yet"
    if not isinstance(got, (np.ndarray, np.generic, float)):
        return f"is a {type(got).__module__}.{type(got).__name__}, but NumPy arrays went in"
    if np.asarray(got).dtype != right.dtype:
        return f"is {np.asarray(got).dtype}, but the inputs are {right.dtype}"
    return None


def same(x, y):
    """Tell whether two arrays have one shape and, but for rounding, equal entries.

    An all-zero y must be met exactly.
    """
    if np.shape(x) != np.shape(y):
        return False
    return bool(np.all(np.abs(x - y) < 1e-8 * np.maximum(1e-8, np.abs(x) + np.abs(y))))


def difference(got, right):
    """Describe in numbers how two NumPy arrays of one shape differ."""
    errors = np.abs(got - right) / np.maximum(1e-8, np.abs(got) + np.abs(right))
    worst = np.unravel_index(np.argmax(np.abs(got - right)), right.shape)
    return (
        f"differs, and no known mistake explains it: relative error {errors.max():.1e}, "
        f"{np.sum(errors >= 1e-8)} of {errors.size} entries, most at {[int(i) for i in worst]}: "
        f"got {got[worst]:.6g}, expected {right[worst]:.6g}"
    )


def _over(got, axes, sizes):
    names = {sizes["N"]: "the batch (N)", sizes["T"]: "time (T)"}
    return " and ".join(names.get(got.shape[axis], f"axis {axis}") for axis in axes)
