"""Freed memory is kept for the next array, so that the system need not clear it each time."""

import ctypes
import platform

# parameters of glibc's mallopt(3)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def keep_freed_memory():
    """Tell glibc to give no freed memory back to the system, from now on; elsewhere do nothing.

    By itself it gives back arrays of 32 MB and more, and smaller ones by a rule that depends on
    what was freed before. An encoder's batches make such arrays at every layer; then half of the
    time may go into clearing pages. The price: a process stays as large as it once was.

    Returns: whether it was done
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # older versions refuse more than 32 MB; to set the other alone would make things worse
    kept = mallopt(MMAP_THRESHOLD, 1 << 30) or mallopt(MMAP_THRESHOLD, 32 << 20)
    return bool(kept and mallopt(TRIM_THRESHOLD, -1))
