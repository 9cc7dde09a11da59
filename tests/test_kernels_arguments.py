import numpy as np
import pytest
import torch

from helpers.kernels.arguments import check_arguments


@pytest.mark.parametrize("make", [np.zeros, lambda shape: torch.zeros(shape, dtype=torch.float64)])
def test_namespace_and_sizes(make):
    xp, sizes = check_arguments(x=(make((2, 3, 4)), "N T D"), Wx=(make((4, 20)), "D 4H"))
    assert sizes == {"N": 2, "T": 3, "D": 4, "H": 5}
    assert type(xp.zeros(1)) is type(make(1))


ONE = np.zeros((2, 4))


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
    ],
)
def test_the_argument_at_fault_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        check_arguments(**arguments)
