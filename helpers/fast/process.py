"""What makes heavy work faster in a process, and is set once: by commands and by training."""

import ctypes
import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt(3)


def keep_freed_memory():
    """Tell glibc to give no freed memory back to the system, from now on; elsewhere do nothing.

    Else half of an encoder's time may go into clearing pages, for large arrays at every layer. The
    price: a process stays as large as it once was. Returns: whether it was done
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # older versions refuse more than 32 MB; to set the other alone would make things worse
    kept = mallopt(MMAP_THRESHOLD, 1 << 30) or mallopt(MMAP_THRESHOLD, 32 << 20)
    return bool(kept and mallopt(TRIM_THRESHOLD, -1))


def use_onednn():
    """Let oneDNN multiply float32 matrices in this process, where that is faster and as exact.

    torch sends float32 products to MKL, which reaches a third of what an AMD processor can do;
    oneDNN reaches nearly all. The public switch to it permits it to round factors to bfloat16,
    which it does where there is hardware for it; else it multiplies in full float32.
    https://docs.pytorch.org/docs/stable/notes/mkldnn.html. Returns: whether it does
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
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    try:
        with torch.autocast("cpu", enabled=False):
            product = factor @ torch.ones(256, 256)
    finally:
        matmul.fp32_precision = before
    return bool((product == 256 * factor).all())
