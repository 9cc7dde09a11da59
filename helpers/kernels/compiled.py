"""The LSTM's loops in C++, for those who have a compiler: lstm_compiled.cpp, built when asked for.

The loops in lstm.py are the ones to read, and these must equal them.
"""

import contextlib
import functools
import os
import sys
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("lstm_compiled.cpp")
_in_use = []  # innermost last


@contextlib.contextmanager
def compiled_loops():
    """Run the LSTM's loops in C++ where they can be: for float32 on the CPU.

    The first use on a machine compiles them, in a quarter of a minute; torch keeps the result.
    https://docs.pytorch.org/docs/stable/cpp_extension.html

    Raises: RuntimeError where there is no compiler, or where it fails.
    """
    _in_use.append(_load())
    try:
        yield
    finally:
        _in_use.pop()


def loops_for(states):
    """Return the compiled loops if they are in use and fit, else None.

    Inputs: states: (N, T + 1, H)
    """
    fit = isinstance(states, torch.Tensor) and states.device.type == "cpu"
    return _in_use[-1] if _in_use and fit and states.dtype == torch.float32 else None


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
            "lstm_compiled", [str(SOURCE)], extra_cflags=["-O3", *threads, *vectors]
        )
    except (RuntimeError, OSError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RuntimeError(f"the loops in C++ could not be compiled: {reason}") from error
    finally:
        os.environ["PATH"] = path
