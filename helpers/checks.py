"""Checks that assert: each compares a value with an oracle and prints what it measured.

A line such as ``dWx: relative error 3.1e-10 (below 1e-8)`` holds the bound too. When notebooks are
compared with their stored outputs, digits are left out.
"""

import inspect
import json
from pathlib import Path

import array_api_compat
import numpy as np

from helpers.diagnosis import check_kernel  # noqa: F401  (a reader finds them with the checks)
from helpers.diagnosis.functions import check_function  # noqa: F401

PUBLISHED = Path(__file__).parent / "diagnosis" / "published_checks.json"


def rel_error(x, y):
    """Return the largest element-wise relative error max |x - y| / max(1e-8, |x| + |y|).

    Inputs:
        x, y: numbers or arrays (NumPy or torch, any device) of one shape, not empty
    Returns: a float in [0, 1]; NaN when either holds a NaN or an infinity.
    Raises: TypeError when a value is not made of real numbers; ValueError for two different
    shapes or for empty arrays.
    Source: the measure of CS231n's assignments.
    """
    return float(_entry_errors(*_comparable(x, y)).max())


def rel_norm(x, y):
    """Return the relative error of x as a whole, ||x - y|| / ||y||.

    Inputs: as for `rel_error`, of one shape; y is the value to trust.
    Returns: a float, at least 0; 0 when both are zero, infinity when only y is, and NaN when
    either holds a NaN or an infinity.
    Raises: as for `rel_error`
    """
    x, y = _comparable(x, y)
    difference, size = np.linalg.norm(_difference(x, y)), np.linalg.norm(y)
    if size == 0:
        return 0.0 if difference == 0 else float("inf")
    return float(difference / size)


def numerical_gradient(f, x, df=None, h=1e-5):
    """Estimate the gradient of sum(f(x) * df) with respect to x by central differences.

    Each entry of x in turn is moved by h to either side:
    (f(x + h) - f(x - h)) * df, summed, over 2 h. The error shrinks as h**2 until rounding, which
    grows as 1 / h, takes over; at h = 1e-5 both are about 1e-10 in float64.

    Inputs:
        f: function of x that gives an array of any shape, or a number when df is None
        x: float64 array (NumPy or torch) of any shape. Its entries are moved in place, so that f
            may also be a model that holds x; each is restored exactly, also when f raises
        df: upstream gradient, of the shape of f(x); None for a loss, whose upstream gradient is 1
        h: half the distance between the two points, > 0
    Returns: an array of the shape and the kind of x.
    Raises: TypeError when x is not a float64 array; ValueError when df and f(x) differ in shape.
    """
    xp = _namespace("x", x)
    if x.dtype != xp.float64:
        raise TypeError(f"x must be float64 for central differences; got {x.dtype}")
    upstream = np.ones(()) if df is None else _to_numpy("df", df)
    entries = x.detach() if array_api_compat.is_torch_array(x) else x
    gradient = xp.zeros_like(entries)
    for index in np.ndindex(*x.shape):
        kept = float(entries[index])
        try:
            entries[index] = kept + h
            above = _value(f, x, upstream)
            entries[index] = kept - h
            below = _value(f, x, upstream)
        finally:
            entries[index] = kept
        gradient[index] = float(((above - below) * upstream).sum() / (2 * h))
    return gradient


def check(name, actual, expected, bound):
    """Assert that actual equals expected up to a relative error below bound, and say so.

    Prints `dWx: relative error 3.1e-10 (below 1e-8)`.

    Inputs:
        name: what is compared, for the printed line and the error message
        actual, expected: numbers or arrays (NumPy or torch) of one shape
        bound: the element-wise relative error (see rel_error) to stay below, > 0
    Raises: AssertionError that shows the shape, the measured error and its worst entry; also for
    different shapes, empty arrays, NaN, infinities, and values that are not real numbers.
    """
    actual, expected = _comparable_or_fail(name, actual, expected)
    errors = _entry_errors(actual, expected)
    if not errors.max() < bound:
        worst = np.unravel_index(np.argmax(errors), errors.shape)  # argmax puts a NaN first
        place = [int(i) for i in worst]
        raise AssertionError(
            f"{name}: relative error {errors.max():.1e} is not below {as_text(bound)}, "
            f"shape {actual.shape}, worst entry {place}: got {actual[worst]:.10g}, "
            f"expected {expected[worst]:.10g}"
        )
    print(f"{name}: relative error {errors.max():.1e} (below {as_text(bound)})")


def check_norm(name, actual, expected, bound):
    """Assert that ||actual - expected|| / ||expected|| is below bound, and say so.

    Prints `dWx: relative norm 2.2e-16 (below 1e-10)`. One tiny entry that is all rounding error
    fails check but not this; it suits an oracle that is exact up to rounding, such as autograd.

    Inputs, raises: as for `check`.
    """
    actual, expected = _comparable_or_fail(name, actual, expected)
    error = rel_norm(actual, expected)
    if not error < bound:
        raise AssertionError(
            f"{name}: relative norm {error:.1e} of the difference is not below {as_text(bound)}, "
            f"shape {actual.shape}"
        )
    print(f"{name}: relative norm {error:.1e} (below {as_text(bound)})")


def check_at_most(name, value, bound):
    """Assert that one number is at most bound, and print `final loss: 0.03 (at most 0.1)`.
    Raises: AssertionError that shows the value; also for NaN and for more than one number.
    """
    number = _number(name, value)
    if not number <= bound:
        raise AssertionError(f"{name}: {number:.6g} is not at most {as_text(bound)}")
    print(f"{name}: {as_text(float(f'{number:.3g}'))} (at most {as_text(bound)})")


def check_at_least(name, value, bound):
    """Assert that one number is at least bound, and print `BLEU-4: 0.51 (at least 0.45)`.
    Raises: AssertionError that shows the value; also for NaN and for more than one number.
    """
    number = _number(name, value)
    if not number >= bound:
        raise AssertionError(f"{name}: {number:.6g} is not at least {as_text(bound)}")
    print(f"{name}: {as_text(float(f'{number:.3g}'))} (at least {as_text(bound)})")


def check_gradients(forward, backward, inputs, bound=1e-7, seed=0):
    """Assert that a backward pass agrees with central differences and with autograd, and say so.

    The upstream gradients are random. Autograd goes through the forward pass, on tensors, where it
    can: not if that fills arrays in place. Prints a line for each gradient, such as
    `dWx: relative error 3.1e-10 (below 1e-7); from autograd 2.2e-16 (below 1e-10)`.

    Inputs:
        forward: kernel that returns one or more outputs and, last, a cache
        backward: kernel of the upstream gradients of the first outputs and the cache; returns the
            gradients of the floating-point inputs, in their order
        inputs: dict from the forward pass's arguments to NumPy arrays of their shapes, float64 or
            integer
        bound: on `rel_error`, beside central differences
        seed: of the upstream gradients
    Raises: AssertionError naming the gradient that differs, and how far off it is
    """
    import torch

    outputs = len(inspect.signature(backward).parameters) - 1  # those that a gradient comes into
    *out, cache = forward(**inputs)
    rng = np.random.default_rng(seed)
    upstream = [rng.normal(size=array.shape) for array in out[:outputs]]
    gradients = backward(*upstream, cache)
    gradients = gradients if isinstance(gradients, (tuple, list)) else (gradients,)

    def all_outputs(_):
        return np.concatenate([array.ravel() for array in forward(**inputs)[:outputs]])

    dall = np.concatenate([array.ravel() for array in upstream])
    names = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    learned = [tensors[name].requires_grad_() for name in names]
    try:
        out = forward(**tensors)[:outputs]
        autograd = torch.autograd.grad(out, learned, [torch.from_numpy(dout) for dout in upstream])
    except RuntimeError as error:
        if "inplace operation" not in str(error) and "in-place operation" not in str(error):
            raise
        print(
            "autograd cannot follow a kernel that fills arrays in place: central differences alone"
        )
        autograd = [None] * len(learned)
    for name, gradient, exact in zip(names, gradients, autograd, strict=True):
        numerical = numerical_gradient(all_outputs, inputs[name], dall)
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

    Inputs:
        name: a key of published_checks.json, such as "rnn_step_forward"
    Returns:
        inputs: dict of argument name -> float64 array (int64 for word ids). A picture's grid,
            stored channels first as (N, H, 4, 4), comes as our kernels want it: (N, 16, H)
        expected: dict of output name -> float64 array of its shape, exact to 8 decimals
    Raises: KeyError that lists the kernels there are.
    Source: the notebooks of CS231n (Stanford) and EECS 498 (Michigan).
    """
    kernels = json.loads(PUBLISHED.read_text(encoding="utf-8"))["kernels"]
    if name not in kernels:
        raise KeyError(f"no published values for {name!r}; there are: {', '.join(kernels)}")
    inputs = {key: _input(entry) for key, entry in kernels[name]["inputs"].items()}
    expected = {key: np.array(entry) for key, entry in kernels[name]["expected"].items()}
    return inputs, expected


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


def _namespace(name, array):
    try:
        return array_api_compat.array_namespace(array)
    except TypeError:
        raise TypeError(f"{name} must be an array; got {type(array).__name__}") from None


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


def _difference(x, y):
    with np.errstate(invalid="ignore"):  # infinity minus infinity: the NaN is what we want
        return x - y


def _entry_errors(x, y):
    with np.errstate(invalid="ignore"):
        return np.abs(_difference(x, y)) / np.maximum(1e-8, np.abs(x) + np.abs(y))


def _value(f, x, upstream):
    value = _to_numpy("f(x)", f(x))
    if value.shape != upstream.shape:
        raise ValueError(f"f(x) has shape {value.shape}, but df has shape {upstream.shape}")
    return value


def _number(name, value):
    try:
        array = _to_numpy("the value", value)
    except TypeError as error:
        raise AssertionError(f"{name}: {error}") from None
    if array.size != 1:
        raise AssertionError(f"{name}: one number expected; got shape {array.shape}")
    return array.item()
