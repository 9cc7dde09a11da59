"""Fast float32 matrix products on the CPU.

torch sends float32 products to MKL, which reaches about a third of what an AMD processor can
do. oneDNN, on which `torch.nn.LSTM` runs, reaches nearly all of it. The public switch to it
is the permission to round the factors to bfloat16. oneDNN uses that permission where there is
hardware for it (Intel's AMX) and otherwise multiplies in full float32.
https://docs.pytorch.org/docs/stable/notes/mkldnn.html
"""

import contextlib
import functools

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
        product = factor @ torch.ones(256, 256)
    finally:
        matmul.fp32_precision = before
    return bool((product == 256 * factor).all())
