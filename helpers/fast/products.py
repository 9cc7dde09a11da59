"""Faster float32 matrix products on processors that are not Intel's.

torch sends float32 products to MKL, which reaches about a third of what an AMD processor can do;
oneDNN reaches nearly all of it. The public switch to it is the permission to round the factors to
bfloat16. oneDNN uses that permission where there is hardware for it, and otherwise multiplies in
full float32. https://docs.pytorch.org/docs/stable/notes/mkldnn.html
"""

from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def use_onednn():
    """Let oneDNN multiply float32 matrices in this process, where that is faster and as exact.

    Returns: whether it does
    """
    known = CPUINFO.exists() and "AuthenticAMD" in CPUINFO.read_text()
    if known and keeps_float32():
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
        return True
    return False


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
