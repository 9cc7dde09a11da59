"""Call what a reader wrote, whatever it does, and say in one line what came of it."""

import contextlib
import inspect
import io
import linecache
import sys
import traceback
import warnings

import numpy as np

HINTS = [
    ("broadcast together", "* multiplies entry by entry; the matrix product is @"),
    ("matmul", "the inner sizes of A @ B must agree: is a factor transposed, or are they swapped?"),
    ("not enough values to unpack", "the forward pass returns fewer values than are taken here"),
    ("too many values to unpack", "the forward pass returns more values than are taken here"),
    ("positional argument", "it must take the arguments of the kernel, in their order"),
]


class Failed(Exception):
    """What a function of the reader's did instead of returning."""


class NotWritten(Failed):
    """A function whose body is still empty."""


class Wrong(Exception):
    """What is wrong with a kernel: lines, each about one output or about all."""

    def __init__(self, *lines):
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def call(function, arguments, quiet=True):
    """Call a function with a dict of arguments, by position.

    Inputs:
        function: any callable
        arguments: dict from name to value
        quiet: whether what it prints is thrown away
    Returns: what it returns
    Raises: NotWritten for NotImplementedError; Failed, with the line and what stood in it, for
        anything else that it raises, SystemExit and endless recursion included
    """
    aside = contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
    try:
        with aside, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*arguments.values())
    except NotImplementedError as error:
        raise NotWritten(str(error)) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Failed(_told(error, function, arguments)) from None


def _told(error, function, arguments):
    """Tell an exception, the line of the reader's that it comes from, and the shapes in it."""
    parts = [f"{type(error).__name__}: {str(error).strip()[:300]}".rstrip(": ")]
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    frames = [f for f in traceback.walk_tb(error.__traceback__) if f[0].f_code.co_filename == file]
    if frames:
        frame, number = frames[-1] if not isinstance(error, RecursionError) else frames[0]
        line = linecache.getline(str(file), number).strip()
        parts.append(f"in line {number}" + (f": {line}" if line else ""))
        words = line.replace(".", " ") if line else " ".join(frame.f_locals)
        shapes = {k: v for k, v in frame.f_locals.items() if hasattr(v, "shape") and k in words}
        parts.append("where " + ", ".join(f"{k} is {shape_text(v)}" for k, v in shapes.items()))
        parts = parts if shapes else parts[:-1]
    else:
        parts.append(
            "called with " + ", ".join(f"{k} {shape_text(v)}" for k, v in arguments.items())
        )
    parts += [hint for sign, hint in HINTS if sign in str(error)][:1]
    return "raised " + "\n  ".join(parts)


def shape_text(value):
    """Tell the shape of a value, or what it is instead of an array."""
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values"
    return str(tuple(value.shape)) if hasattr(value, "shape") else type(value).__name__


def listed(result):
    """List what a kernel returned."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def arrays_in(value, depth=6):
    """Collect the NumPy arrays in a cache, whatever it is made of."""
    if isinstance(value, np.ndarray):
        return [value]
    if depth == 0 or isinstance(value, (str, bytes, int, float, type, type(sys))):
        return []
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, (tuple, list)):
        value = [*vars(value).values()] if hasattr(value, "__dict__") else []
    return [array for each in value for array in arrays_in(each, depth - 1)]


class ForwardWrong(Wrong):
    """A backward kernel cannot be judged, since its forward kernel is not right."""


class Unchanged:
    """Arrays that nobody may change, and what they were."""

    def __init__(self, value):
        self.arrays = arrays_in(value)
        self.kept = [array.copy() for array in self.arrays]

    def broken(self):
        """Tell whether one of them has changed."""
        return any(
            not np.array_equal(now, before, equal_nan=now.dtype.kind == "f")
            for now, before in zip(self.arrays, self.kept, strict=True)
        )
