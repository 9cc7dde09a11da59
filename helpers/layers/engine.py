"""The one place that knows of helpers/fast, and goes on without it where it is not there."""

import importlib
import sys
from typing import Any


class use_engine:
    """Choose what computes the LSTMs and the loss of words, in this process.

    "textbook" is `helpers.kernels`, "compiled" is `helpers.fast`: the same numbers up to rounding,
    from C++ for float32 on the CPU. The first use on a machine compiles, in half a minute; where
    that fails, a line says why, and the textbook goes on. A statement, `use_engine("compiled")`,
    or a context manager, which puts back what was before. Raises: ValueError for another name.
    """

    engine: Any = None  # the module that is in use, beside the textbook

    def __init__(self, name):
        if name not in ("textbook", "compiled"):
            raise ValueError(f'name must be "textbook" or "compiled", not {name!r}')
        self.before, use_engine.engine = use_engine.engine, None
        if name == "compiled":
            try:
                engine = importlib.import_module("helpers.fast.engine")
                engine.load()
                use_engine.engine = engine
            except (ImportError, RuntimeError) as error:
                print(f"{error}; the textbook's kernels go on", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        use_engine.engine = self.before


def engine_for(x):
    """Return the engine, if one is in use that can take x, of any shape; else None."""
    engine = use_engine.engine
    return engine if engine and engine.fits(x) else None


def prepare_process():
    """Make this process fit for heavy work: freed memory is kept, and oneDNN may multiply.

    Commands and training call it once; nothing computed changes by more than rounding.

    Returns: whether helpers/fast was there to do it
    """
    try:
        process = importlib.import_module("helpers.fast.process")
    except ImportError:
        return False
    process.keep_freed_memory()
    process.use_onednn()
    return True
