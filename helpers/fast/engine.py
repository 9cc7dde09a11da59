"""The LSTM and the attention LSTM in C++: engine.cpp and parts.h, `layers.use_engine("compiled")`.

The kernels in helpers/kernels are the ones to read, and these must equal them.
"""

import contextlib
import functools
import hashlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from helpers.fast.word_loss import temporal_word_loss  # noqa: F401  (part of the engine)
from helpers.kernels.arguments import shapes

SOURCE = Path(__file__).with_name("engine.cpp")
HEADER = Path(__file__).with_name("parts.h")
NAME = "captioning_engine"
STATES = ("N T H", "N T H", "N T 4H", "N T H")  # of a cache: h, prev_c, gates, tanh_c


def fits(x):
    """Tell whether the engine can take a tensor of any shape: float32, on the CPU, and real."""
    plain = type(x) in (torch.Tensor, torch.nn.Parameter)
    return plain and x.device.type == "cpu" and x.dtype == torch.float32


@shapes(x="N T D", h0="N H", Wx="D 4H", Wh="H 4H", b="4H", c0="N H")
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    """Do what `kernels.lstm_forward` does: x (N, T, D) in, h (N, T, H) and a cache out."""
    return load().lstm_forward(x, h0, Wx, Wh, b, c0)


@shapes(dh="N T H", cache=("N T D", "N H", "D 4H", "H 4H", None, *STATES))
def lstm_backward(dh, cache):
    """Do what `kernels.lstm_backward` does with dh (N, T, H) and a cache of either."""
    return tuple(load().lstm_backward(dh, *cache))


@shapes(x="N T D", A="I P H", Wx="D 4H", Wh="H 4H", Wattn="H 4H", b="4H")
def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    """Do what `kernels.attention_lstm_forward` does, from A (I, P, H) that K = N / I rows share."""
    h, alpha, cache = load().attention_lstm_forward(x, A, Wx, Wh, Wattn, b)
    return h, alpha, tuple(cache)


@shapes(
    dh="N T H",
    cache=("N T D", "I P H", "D 4H", "H 4H", "H 4H", "N T H", "N T H", "N T P", *STATES[1:]),
)
def attention_lstm_backward(dh, cache):
    """Do what `kernels.attention_lstm_backward` does with dh (N, T, H) and a cache of either."""
    return tuple(load().attention_lstm_backward(dh, *cache))


@functools.cache
def load():
    """Load the compiled engine; compile it first, in half a minute, where that has not been done.

    It stands in torch's folder for extensions, under the hash of all that it depends on, and is
    moved there when it is whole: a compilation that was killed, or two at once, do no harm.

    Raises: RuntimeError where there is no compiler, or where it fails.
    """
    flags = _flags()
    parts = SOURCE.read_bytes(), HEADER.read_bytes(), torch.__version__, sys.version, *flags
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    default = Path.home() / ".cache" / "torch_extensions"
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or default)
    folder = root / f"{NAME}-{digest}"
    try:
        if not folder.exists():
            root.mkdir(parents=True, exist_ok=True)
            _compile(folder, flags)
        (library,) = folder.glob("*.so")
        spec = importlib.util.spec_from_file_location(library.stem, library)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except (RuntimeError, OSError, ImportError) as error:
        lines = str(error).strip().splitlines()
        told = (line for line in lines if "error:" in line or "not found" in line)
        reason = next(told, "".join(lines[:1]))
        raise RuntimeError(f"the engine could not be compiled: {reason}") from error


def _compile(folder, flags):
    path = os.environ.get("PATH", "")
    temporary = tempfile.mkdtemp(dir=folder.parent, prefix=".compiling-")
    try:
        import ninja

        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # CUDA is not there
        from torch.utils import cpp_extension

        os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, path])
        cpp_extension.load(NAME, [str(SOURCE)], flags, build_directory=temporary)
        with contextlib.suppress(OSError):  # another process was first
            os.rename(temporary, folder)
    finally:
        os.environ["PATH"] = path
        shutil.rmtree(temporary, ignore_errors=True)


def _flags():
    capability = torch.backends.cpu.get_cpu_capability()  # what torch itself was built for
    vectors = {"AVX512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma"],
               "AVX2": ["-mavx2", "-mfma", "-mf16c"]}.get(capability, [])  # fmt: skip
    if vectors:
        vectors += [f"-DCPU_CAPABILITY={capability}", f"-DCPU_CAPABILITY_{capability}"]
    return ["-O3", *(["-fopenmp"] if sys.platform == "linux" else []), *vectors]
