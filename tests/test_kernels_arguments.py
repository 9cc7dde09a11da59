import inspect

import numpy as np
import pytest
import torch

from helpers.kernels.arguments import shapes


def call(dimensions, **arguments):
    """Call a kernel that does nothing, with these shapes above it."""
    names = ", ".join(arguments)
    kernel = eval(f"lambda {names}: ({names},)")
    return shapes(**dimensions)(kernel)(**arguments)


ONE = np.zeros((2, 4))
IDS = np.array([[0, 1], [2, 4]])


@pytest.mark.parametrize("make", [np.zeros, lambda shape: torch.zeros(shape, dtype=torch.float64)])
def test_what_fits_goes_through(make):
    x, Wx = make((2, 3, 4)), make((4, 20))
    assert call({"x": "N T D", "Wx": "D 4H"}, x=x, Wx=Wx) == (x, Wx)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": (ONE, "N T D")}, ValueError, r"^x must have 3 dimensions \(N, T, D\).*\(2, 4\)$"),
        (
            {"x": (ONE, "N D"), "b": (np.zeros(3), "D")},
            ValueError,
            r"^b must have shape \(D\) with D = 4, but its shape is \(3,\)$",
        ),
        (
            {"Wh": (np.zeros((5, 18)), "H 4H")},
            ValueError,
            r"^Wh must have shape \(H, 4H\) with H = 5, but its shape is \(5, 18\)$",
        ),
        ({"b": (np.zeros(18), "4H")}, ValueError, "^b must have shape"),
        ({"x": (np.zeros((2, 0, 4)), "N T D")}, ValueError, "^x must have at least one timestep"),
        (
            {"x": ([[1.0]], "N D")},
            TypeError,
            "^x must be a NumPy array or a torch tensor, not list",
        ),
        ({"x": (None, "N D")}, TypeError, "^x must be .* not NoneType"),
        ({"x": (ONE.astype(int), "N D")}, TypeError, "^x must hold floating point .* not int64"),
        ({"x": (ONE > 0, "N D")}, TypeError, "^x must hold floating point numbers, not bool"),
        ({"x": (ONE + 0j, "N D")}, TypeError, "^x must hold floating point .* not complex128"),
        (
            {"x": (ONE, "N D"), "W": (ONE.astype("f4"), "N D")},
            TypeError,
            "^W is float32, but x is float64",
        ),
        (
            {"x": (ONE, "N D"), "W": (torch.zeros(2, 4, dtype=torch.float64), "N D")},
            TypeError,
            "^W is a Tensor, but x is a ndarray",
        ),
        (
            {"x": (torch.zeros(2), "N"), "W": (torch.zeros(2, device="meta"), "N")},
            ValueError,
            "^W is on meta, but x is on cpu",
        ),
        (
            {"W": (ONE, "V E"), "x": (IDS, "N T: ids below V")},
            ValueError,
            r"^x must hold ids in \[0, 2\), not 0 to 4",
        ),
        (
            {"W": (ONE, "V E"), "x": (-IDS, "N T: ids below V")},
            ValueError,
            r"^x must hold ids in \[0, 2\), not -4 to 0",
        ),
        ({"W": (ONE, "V E"), "x": (ONE, "N T: ids below V")}, TypeError, "^x must hold integer"),
        ({"x": (ONE, "N D"), "mask": (IDS, "N T: booleans")}, TypeError, "^mask must hold bool"),
    ],
)
def test_the_argument_at_fault_is_named(arguments, error, message):
    dimensions = {name: wanted for name, (_, wanted) in arguments.items()}
    with pytest.raises(error, match=message):
        call(dimensions, **{name: array for name, (array, _) in arguments.items()})


@shapes(dh="N H", cache=("N D", None, "N H"), c0="N H")
def kernel(dh, cache, c0=None):
    """Return the cache."""
    return cache


def test_a_cache_is_checked_too():
    cache = np.zeros((2, 3)), None, np.zeros((2, 4), dtype=np.float32)
    assert kernel(ONE, cache) is cache
    with pytest.raises(ValueError, match=r"^dh must have shape \(N, H\) with H = 4"):
        kernel(ONE[:, :3], cache)
    with pytest.raises(ValueError, match=r"^cache\[2\] must have shape \(N, H\) with N = 2"):
        kernel(ONE, (*cache[:2], np.zeros((3, 4))))
    with pytest.raises(ValueError, match="^cache must hold 3 arrays, not 2"):
        kernel(ONE, cache[:2])


def test_what_is_none_by_default_may_be_none():
    cache = ONE, None, ONE
    assert kernel(ONE, cache, None) is kernel(ONE, cache, c0=ONE) is cache
    with pytest.raises(ValueError, match="^c0 must have shape"):
        kernel(ONE, cache, ONE.T)


def test_a_call_that_python_refuses_is_refused_as_python_does():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'cache'"):
        kernel(ONE)
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        kernel(ONE, (ONE, None, ONE), d=1)


def test_a_kernel_keeps_its_signature_and_its_source():
    assert str(inspect.signature(kernel)) == "(dh, cache, c0=None)"
    assert inspect.getsource(kernel).startswith('@shapes(dh="N H", cache=')
    assert kernel.__doc__ == "Return the cache."
