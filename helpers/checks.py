"""Checks that assert: each compares a value with an oracle and prints what it measured.

A line such as ``dWx: relative error 3.1e-10 (below 1e-8)`` holds the bound too. When notebooks are
compared with their stored outputs, digits are left out.
"""

import inspect
import json
from pathlib import Path

import array_api_compat
import numpy as np

from helpers.diagnosis import check_function, check_kernel  # noqa: F401  (a reader looks here)

PUBLISHED = Path(__file__).parent / "diagnosis" / "published_checks.json"


def rel_error(x, y):
    """Return the largest element-wise relative error max |x - y| / max(1e-8, |x| + |y|).

    Inputs: x, y: numbers or arrays (NumPy or torch, any device) of one shape, not empty
    Returns: a float in [0, 1]; NaN when either holds a NaN or an infinity.
    Raises: TypeError for what is not made of real numbers; ValueError for two shapes or none.
    Source: the measure of CS231n's assignments.
    """
    return float(_entry_errors(*_comparable(x, y)).max())


def rel_norm(x, y):
    """Return the relative error of x as a whole, ||x - y|| / ||y||, where y is to be trusted.

    Inputs, raises: as for `rel_error`
    Returns: a float, at least 0; 0 when both are zero, infinity when only y is, and NaN when
    either holds a NaN or an infinity.
    """
    x, y = _comparable(x, y)
    with np.errstate(all="ignore"):
        difference, size = np.linalg.norm(x - y), np.linalg.norm(y)
        return float(difference / size) if size or difference else 0.0


def numerical_gradient(f, x, df=None, h=1e-5):
    """Estimate the gradient of sum(f(x) * df) with respect to x by central differences.

    The error shrinks as h**2 until rounding, which grows as 1 / h, takes over; at h = 1e-5 both are
    about 1e-10 in float64.

    Inputs:
        f: function of x that returns an array of any shape, or a number when df is None
        x: float64 array (NumPy or torch) of any shape. Its entries are moved in place, by h to
            either side, so that f may be a model that holds x; each is restored exactly
        df: upstream gradient, of the shape of f(x); None for a loss, whose upstream gradient is 1
    Returns: an array of the shape and the kind of x.
    Raises: TypeError when x is not a float64 array; ValueError when df and f(x) differ in shape.
    """
    if not hasattr(x, "dtype"):
        raise TypeError(f"x must be an array; got {type(x).__name__}")
    if "float64" not in str(x.dtype):
        raise TypeError(f"x must be float64 for central differences; got {x.dtype}")
    upstream = np.ones(()) if df is None else _to_numpy("df", df)
    entries = x.detach() if array_api_compat.is_torch_array(x) else x
    gradient = 1 * entries
    for index in np.ndindex(*x.shape):
        kept, values = float(entries[index]), []
        try:
            for moved in (kept + h, kept - h):
                entries[index] = moved
                values.append(_to_numpy("f(x)", f(x)))
        finally:
            entries[index] = kept
        if values[0].shape != upstream.shape:
            raise ValueError(f"f(x) has shape {values[0].shape}, but df has shape {upstream.shape}")
        gradient[index] = float(((values[0] - values[1]) * upstream).sum() / (2 * h))
    return gradient


def check(name, actual, expected, bound):
    """Assert that actual equals expected up to a relative error below bound, and say so.

    Prints `dWx: relative error 3.1e-10 (below 1e-8)`.

    Inputs: name: what is compared; actual, expected: numbers or arrays (NumPy or torch) of one
        shape; bound: on `rel_error`
    Raises: AssertionError that shows the shape, the measured error and the worst entry; also for
        different shapes, empty arrays, NaN, infinities, and values that are not real numbers.
    """
    _compare(name, actual, expected, bound, rel_error, "relative error")


def check_norm(name, actual, expected, bound):
    """Assert that ||actual - expected|| / ||expected|| is below bound, and say so.

    Prints `dWx: relative norm 2.2e-16 (below 1e-10)`. One tiny entry that is all rounding error
    fails check but not this; it suits an oracle that is exact up to rounding, such as autograd.

    Inputs, raises: as for `check`.
    """
    _compare(name, actual, expected, bound, rel_norm, "relative norm")


def check_at_most(name, value, bound):
    """Assert that one number is at most bound, and print `final loss: 0.03 (at most 0.1)`.
    Raises: AssertionError that shows the value; also for NaN and for more than one number.
    """
    _check_number(name, value, bound, "at most", np.less_equal)


def check_at_least(name, value, bound):
    """Assert that one number is at least bound, and print `BLEU-4: 0.51 (at least 0.45)`.
    Raises: AssertionError that shows the value; also for NaN and for more than one number.
    """
    _check_number(name, value, bound, "at least", np.greater_equal)


def check_gradients(forward, backward, inputs, bound=1e-7, seed=0):
    """Assert that a backward pass agrees with central differences and with autograd, and say so.

    Prints `dWx: relative error 3.1e-10 (below 1e-7); from autograd 2.2e-16 (below 1e-10)`, the
    latter unless the forward pass fills tensors in place. Upstream gradients are random.

    Inputs:
        forward: kernel that returns one or more outputs and, last, a cache
        backward: kernel of the upstream gradients of the first outputs and the cache
        inputs: dict from the forward pass's arguments to NumPy arrays of their shapes
        bound: on `rel_error`, beside central differences
    Raises: AssertionError naming the gradient that differs, and how far off it is
    """
    import torch

    def flat(arrays):
        return np.concatenate([array.ravel() for array in arrays])

    outputs = len(inspect.signature(backward).parameters) - 1  # those that a gradient comes into
    *out, cache = forward(**inputs)
    rng = np.random.default_rng(seed)
    upstream = [rng.normal(size=array.shape) for array in out[:outputs]]
    gradients = backward(*upstream, cache)
    gradients = gradients if isinstance(gradients, (tuple, list)) else (gradients,)
    names = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    learned = [tensors[name].requires_grad_() for name in names]
    try:
        out = forward(**tensors)[:outputs]
        autograd = torch.autograd.grad(out, learned, [torch.from_numpy(dout) for dout in upstream])
    except RuntimeError as error:
        if "inplace operation" not in str(error) and "in-place operation" not in str(error):
            raise
        print("autograd cannot follow what fills arrays in place: central differences alone")
        autograd = [None] * len(learned)
    for name, gradient, exact in zip(names, gradients, autograd, strict=True):
        numerical = numerical_gradient(
            lambda _: flat(forward(**inputs)[:outputs]), inputs[name], flat(upstream)
        )
        gradient, numerical = _comparable_or_fail(f"d{name}", gradient, numerical)
        error, norm = rel_error(gradient, numerical), 0.0
        text = f"d{name}: relative error {error:.1e} ({{0}}{as_text(bound)})"
        if exact is not None:
            norm = rel_norm(gradient, exact)
            text += f"; from autograd {norm:.1e} ({{0}}1e-10)"
        if not (error < bound and norm < 1e-10):
            raise AssertionError(text.format("must be below "))
        print(text.format("below "))


def published(name):
    """Return the inputs and the expected outputs that a course printed for one kernel.

    Inputs: name: a key of published_checks.json, such as "rnn_step_forward"
    Returns: two dicts of arrays of their shapes, float64 (int64 for word ids), the second exact to
        8 decimals. A picture's grid, stored as (N, H, 4, 4), comes as (N, 16, H).
    Raises: KeyError that lists the kernels there are.
    Source: the notebooks of CS231n (Stanford) and EECS 498 (Michigan).
    """
    kernels = json.loads(PUBLISHED.read_text(encoding="utf-8"))["kernels"]
    if name not in kernels:
        raise KeyError(f"no published values for {name!r}; there are: {', '.join(kernels)}")
    inputs = {key: _input(entry) for key, entry in kernels[name]["inputs"].items()}
    return inputs, {key: np.array(entry) for key, entry in kernels[name]["expected"].items()}


def as_text(number):
    """Write a bound the short way: 1e-8 rather than 1e-08, 0.45 as it is."""
    return f"{number:g}".replace("e-0", "e-").replace("e+0", "e+")


def _input(entry):
    if isinstance(entry, list):
        return np.array(entry)
    start, stop = entry["linspace"]
    array = np.linspace(start, stop, int(np.prod(entry["shape"]))).reshape(entry["shape"])
    if array.ndim == 4:  # a grid with its channels first
        return np.moveaxis(array.reshape(*array.shape[:2], -1), 1, 2)  # (N, H, 4, 4) -> (N, 16, H)
    return array


def _to_numpy(name, value):
    """Copy a number or an array of real numbers to NumPy, in float64."""
    if array_api_compat.is_torch_array(value):
        value = value.detach().cpu()
        value = value.double().numpy() if value.dtype.is_floating_point else value.numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers; got {type(value).__name__} {array.dtype}")
    return array.astype(np.float64)


def _comparable(x, y, names=("x", "y")):
    x, y = _to_numpy(names[0], x), _to_numpy(names[1], y)
    if x.shape != y.shape:
        raise ValueError(f"{names[0]} has shape {x.shape}, but {names[1]} has shape {y.shape}")
    if x.size == 0:
        raise ValueError(f"both are empty, of shape {x.shape}: nothing to compare")
    return x, y


def _comparable_or_fail(name, actual, expected):
    try:
        return _comparable(actual, expected, names=("the actual value", "the expected one"))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}: {error}") from None


def _compare(name, actual, expected, bound, measure, what):
    actual, expected = _comparable_or_fail(name, actual, expected)
    error = measure(actual, expected)
    if not error < bound:
        worst = np.unravel_index(np.argmax(_entry_errors(actual, expected)), actual.shape)
        raise AssertionError(
            f"{name}: {what} {error:.1e} is not below {as_text(bound)}, shape {actual.shape}, "
            f"worst entry {[int(i) for i in worst]}: "  # argmax puts a NaN first
            f"got {actual[worst]:.10g}, expected {expected[worst]:.10g}"
        )
    print(f"{name}: {what} {error:.1e} (below {as_text(bound)})")


def _entry_errors(x, y):
    with np.errstate(invalid="ignore"):  # infinity minus infinity: the NaN is what we want
        return np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))


def _check_number(name, value, bound, text, holds):
    try:
        number = _to_numpy("the value", value).item()
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}: {error}") from None
    if not holds(number, bound):
        raise AssertionError(f"{name}: {number:.6g} is not {text} {as_text(bound)}")
    print(f"{name}: {as_text(float(f'{number:.3g}'))} ({text} {as_text(bound)})")
