"""The LSTM's kernels in C++, for those who have a compiler: lstm.cpp, built when asked for.

The kernels in lstm.py are the ones to read, and these must equal them.
"""

import contextlib
import functools
import os
import sys
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("lstm.cpp")
_in_use = []  # innermost last


@contextlib.contextmanager
def compiled_lstm():
    """Run `lstm_forward` and `lstm_backward` in C++ where that is possible: float32 on the CPU.

    The first use on a machine compiles them, in a quarter of a minute; torch keeps the result.
    https://docs.pytorch.org/docs/stable/cpp_extension.html

    Raises: RuntimeError where there is no compiler, or where it fails.
    """
    _in_use.append(_load())
    try:
        yield
    finally:
        _in_use.pop()


def compiled_lstm_for(x):
    """Return the compiled module if it is in use and can take x, of any shape, else None."""
    fits = isinstance(x, torch.Tensor) and x.device.type == "cpu" and x.dtype == torch.float32
    return _in_use[-1] if _in_use and fits else None


@functools.cache
def _load():
    capability = torch.backends.cpu.get_cpu_capability()  # what torch itself was built for
    vectors = {"AVX512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma"],
               "AVX2": ["-mavx2", "-mfma", "-mf16c"]}.get(capability, [])  # fmt: skip
    if vectors:
        vectors += [f"-DCPU_CAPABILITY={capability}", f"-DCPU_CAPABILITY_{capability}"]
    path = os.environ.get("PATH", "")
    try:
        import ninja  # only here: few need it, and torch's part warns of what it does not find
        from torch.utils import cpp_extension

        os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, path])
        threads = ["-fopenmp"] if sys.platform == "linux" else []
        return cpp_extension.load(
            "captioning_lstm", [str(SOURCE)], extra_cflags=["-O3", *threads, *vectors]
        )
    except (RuntimeError, OSError, ImportError) as error:
        lines = str(error).strip().splitlines()
        told = (line for line in lines if "error:" in line or "not found" in line)
        reason = next(told, "".join(lines[:1]))
        raise RuntimeError(f"the LSTM in C++ could not be compiled: {reason}") from error
    finally:
        os.environ["PATH"] = path
