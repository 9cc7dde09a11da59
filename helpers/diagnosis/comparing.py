"""Compare two arrays, and name the simple way in which one differs from the other, as a whole."""

from itertools import combinations

import numpy as np

BOUND = 1e-8  # of relative errors, in float64

# What a reader may have made of an output that should be `right`.
CHANGED = {
    "is zero everywhere": np.zeros_like,
    "has the wrong sign": np.negative,
    "is transposed": np.transpose,
    "has its first two axes swapped": lambda a: a.swapaxes(0, 1),
    "runs backwards in time": lambda a: a[:, ::-1] if a.ndim == 3 else None,
    "has an axis too many or too few, of size 1": np.squeeze,
    "has two axes in one: reshape it": np.ravel,
    "is in the order of time first, read as if the batch came first: transpose, do not reshape":
        lambda a: a.swapaxes(0, 1).reshape(a.shape) if a.ndim == 3 else None,
    "is one timestep late: it repeats the first": lambda a: a[:, [0, *range(a.shape[1] - 1)]],
    "is one timestep late, and begins with the last": lambda a: np.roll(a, 1, axis=1),
    "is one timestep early, and ends with the first": lambda a: np.roll(a, -1, axis=1),
    "is the same number in every entry, the sum of all": lambda a: 0 * a + a.sum(),
    "is added up over all entries": lambda a: a.sum(),
    "is added up over time": lambda a: a.sum(axis=1) if a.ndim == 3 else None,
    "is averaged over time": lambda a: a.mean(axis=1) if a.ndim == 3 else None,
    "is 1 too large in every entry": lambda a: a + 1,
    "is squared": np.square,
}  # fmt: skip

# Factors that occur, by the sizes they are made of; W is the number of words in the mask.
FACTORS = {
    "is N times too large: divide by N": "N",
    "is averaged over the batch instead of summed: 1/N of it": "1 / N",
    "is averaged over time instead of summed: 1/T of it": "1 / T",
    "is T times too large": "T",
    "is averaged over batch and time: 1/(N T) of it": "1 / (N * T)",
    "is averaged over batch and time, instead of over the batch": "1 / T",
    "is averaged over the words in the mask instead of over the batch": "N / W",
    "is averaged over the words in the mask instead of summed": "1 / W",
    "is averaged over all N T V scores": "1 / (T * V)",
    "is 2 times too large": "2",
    "is half of what it should be": "0.5",
    "is sqrt(H) times too large: divide by sqrt(H)": "H**0.5",
    "is 1/sqrt(H) of what it should be": "H**-0.5",
    "is averaged over the P positions: 1/P of it": "1 / P",
    "is P times too large: divide by P": "P",
    "is in bits, not nats: the logarithm is to base 2": "1 / log(2)",
}


def error(got, right):
    """Return the largest difference over the largest entry of what is right; infinity for NaN.

    Inputs: got, right: arrays of any shape. Where right is zero or nearly so, it counts as 1e-6.
    """
    got, right = np.asarray(got), np.asarray(right)
    if got.shape != right.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        off = np.max(np.abs(got - right), initial=0.0) / np.max(np.abs(right), initial=1e-6)
    return float(off) if np.isfinite(off) else float("inf")


def same(got, right):
    """Tell whether two arrays have one shape and one content, but for rounding."""
    return error(got, right) < BOUND


def as_array(got):
    """Return a NumPy array, of any shape, of what may be a tensor, or anything else."""
    try:
        return np.asarray(got.detach().cpu() if hasattr(got, "detach") else got)
    except ValueError:  # a cache
        return np.array(np.nan)


def simple_changes(got, right, sizes):
    """List in which simple ways an array differs from another, as a whole.

    Inputs:
        got, right: arrays of any shape
        sizes: dict from N, T, H and so on to sizes, which occur as factors
    Returns: list of str
    """
    changes = _changes(got, right, sizes)
    return [text for text, *two in changes if not any(a is None for a in two) and same(*two)]


def _changes(got, right, sizes):
    """Yield (what is wrong, array, another): true where the two are the same."""
    for text, change in CHANGED.items():
        yield text, got, _tried(change, right)
        if text.startswith("has") and got.shape != right.shape:
            yield text, _tried(change, got), right
    if got.shape != right.shape and got.size == right.size:
        shapes = f"{got.shape} instead of {right.shape}"
        yield f"has the right numbers in a wrong shape, {shapes}", got.reshape(right.shape), right
    if got.ndim == right.ndim == 3 and got.shape[1] == right.shape[1] + 1:
        yield "holds the first state too: leave it out, [:, 1:]", got[:, 1:], right
    if right.ndim == 3 and got.shape == right.shape and right.shape[1] > 1:
        late = "is one timestep late: it begins with the first state, not the one after it"
        yield late, got[:, 1:], right[:, :-1]
        yield "is one timestep early", got[:, :-1], right[:, 1:]
    for count in range(1, got.ndim - right.ndim + 1):
        for axes in combinations(range(got.ndim), count):
            names = {sizes["N"]: "the batch (N)", sizes["T"]: "time (T)"}
            over = " and ".join(names.get(got.shape[axis], f"axis {axis}") for axis in axes)
            yield f"lacks the sum over {over}", got.sum(axis=axes), right
    for text, formula in FACTORS.items():
        factor = eval(formula, {"log": np.log}, sizes)
        yield text, got, factor * right
        yield f"{text}, and has the wrong sign", got, -factor * right
    if got.shape == right.shape and right.size > 1 and right.any():
        factor = np.vdot(right, got) / np.vdot(right, right)
        yield f"is {factor:.9g} times what it should be, in every entry", got, factor * right


def _tried(change, array):
    try:
        return change(array)
    except (IndexError, ValueError):
        return None
