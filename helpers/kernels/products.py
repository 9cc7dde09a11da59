"""Fast float32 matrix products on the CPU, for tensors and for NumPy arrays.

torch sends float32 products to MKL, which reaches about a third of what an AMD processor can
do. oneDNN, on which `torch.nn.LSTM` runs, reaches nearly all of it. The public switch to it
is the permission to round the factors to bfloat16. oneDNN uses that permission where there is
hardware for it (Intel's AMX) and otherwise multiplies in full float32.
https://docs.pytorch.org/docs/stable/notes/mkldnn.html

On the CPU a NumPy array and a tensor can be two views of one memory. So each library does what it
does faster: torch multiplies matrices, NumPy computes with short arrays.
"""

import contextlib
import functools

import array_api_compat as compat
import numpy as np
import torch


@contextlib.contextmanager
def fast_products():
    """Let oneDNN multiply float32 matrices, on machines where it does so without rounding them.

    A context manager and a decorator. The switch is torch's own, for the whole process, and is
    put back at the end.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    try:
        if keeps_float32():
            matmul.fp32_precision = "bf16"
        yield
    finally:
        matmul.fp32_precision = before


@functools.cache
def keeps_float32():
    """Tell by a trial whether oneDNN, free to round factors to bfloat16, keeps them whole."""
    factor = torch.full((256, 256), 1 + 2**-12)  # bfloat16 has no number between 1 and 1 + 2**-7
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "bf16"
        with torch.autocast("cpu", enabled=False):
            product = factor @ torch.ones(256, 256)
    finally:
        matmul.fp32_precision = before
    return bool((product == 256 * factor).all())


def multiplied_by_torch(kernel):
    """Let torch multiply for a kernel that is given float32 NumPy arrays.

    The kernel gets tensors in their memory and what it returns is turned back, so that the caller
    sees arrays alone. Calls with any other argument go to the kernel as they are.

    Inputs: kernel: function of arrays of any shape, of tuples of them, or of None
    Returns: a function with the same signature
    """

    @functools.wraps(kernel)
    def run(*arguments, **named):
        arrays = [each for each in _flat((*arguments, *named.values())) if each is not None]
        if not all(compat.is_numpy_array(each) and each.dtype == np.float32 for each in arrays):
            return kernel(*arguments, **named)
        with fast_products(), torch.no_grad(), torch.autocast("cpu", enabled=False):
            named = {name: _converted(value, as_tensor) for name, value in named.items()}
            return _converted(kernel(*_converted(arguments, as_tensor), **named), as_numpy)

    return run


def as_tensor(array):
    """View a NumPy array, of any shape, as a tensor; copy a reversed or a read-only one."""
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def as_numpy(array):
    """View a tensor on the CPU, of any shape, as a NumPy array; leave alone what NumPy cannot.

    Raises: RuntimeError for a tensor that autograd follows, since it would not see what is done.
    """
    if compat.is_torch_array(array) and array.device.type == "cpu" and array.itemsize > 2:
        return array.numpy()
    return array


def library(array):
    """Choose who computes with short arrays: NumPy on the CPU, whose calls cost less, or torch.

    Inputs: array: of any shape. Returns: the module numpy or torch
    """
    return np if compat.is_numpy_array(as_numpy(array)) else torch


def add(x, y, out):
    """Write x + y into `out`: arrays of shapes that broadcast to its."""
    (torch if compat.is_torch_array(out) else np).add(x, y, out=out)


def add_product(out, W, x):
    """Add W x to `out`, in place. Inputs: out (M, N), W (M, K), perhaps narrower, x (K, N)"""
    if compat.is_torch_array(out) and out.dtype == W.dtype:
        out.addmm_(W, x)
    else:
        out += W @ x


def subtract_product(a, x, y, out):
    """Write a - x y into `out`, which may be one of them: arrays of one shape."""
    if compat.is_torch_array(out):
        torch.addcmul(a, x, y, value=-1, out=out)
    else:
        np.subtract(a, x * y, out=out)


def _flat(values):
    for value in values:
        yield from _flat(value) if isinstance(value, tuple) else (value,)


def _converted(value, convert):
    if isinstance(value, tuple):
        return tuple(_converted(each, convert) for each in value)
    return value if value is None else convert(value)
