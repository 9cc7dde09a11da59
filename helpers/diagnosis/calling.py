"""Call what a reader wrote, whatever it does, and say in a few lines what came of it."""

import base64
import contextlib
import inspect
import io
import linecache
import traceback
import warnings
import zlib

import numpy as np

HINTS = {
    "broadcast together": "* multiplies entry by entry; the matrix product is @",
    "matmul": "the inner sizes of A @ B must agree: is a factor transposed, or are they swapped?",
    "not enough values to unpack": "the forward pass returns fewer values than are taken here",
    "too many values to unpack": "the forward pass returns more values than are taken here",
    "positional argument": "it must take the arguments of the kernel, in their order",
}


class NotWritten(Exception):
    """A function whose body is still empty."""


class Wrong(Exception):
    """What is wrong with a kernel: lines, each about one output or about all."""

    def __init__(self, *lines):
        super().__init__("\n".join(lines))
        self.lines = list(lines)


class ForwardWrong(Wrong):
    """A backward kernel cannot be judged, since its forward kernel is not right."""


def call(function, arguments, listed=True, quiet=True):
    """Call a function with a dict of arguments, by position.

    Inputs: listed: whether outputs come as a list, also when there is one; quiet: whether what it
        prints is thrown away
    Returns: what it returns
    Raises: NotWritten where it returns nothing, or raises NotImplementedError; Wrong, with the
        line and what stood in it, for all else that it raises, SystemExit and recursion included
    """
    aside = contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
    try:
        with aside, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = function(*arguments.values())
    except NotImplementedError as error:
        raise NotWritten(str(error)) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Wrong(_told(error, function, arguments)) from None
    if result is None or result is Ellipsis:
        raise NotWritten
    if not listed:
        return result
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _told(error, function, arguments):
    """Tell an exception, the line of the reader's that it comes from, and the shapes in it."""
    parts = [f"raised {type(error).__name__}: {str(error).strip()[:300]}".rstrip(": ")]
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    frames = [f for f in traceback.walk_tb(error.__traceback__) if f[0].f_code.co_filename == file]
    if frames:
        frame, number = frames[0 if isinstance(error, RecursionError) else -1]
        line = linecache.getline(str(file), number).strip()
        parts.append(f"in line {number}" + f": {line}" * bool(line))
        words = line.replace(".", " ") or " ".join(frame.f_locals)
        arguments = {k: v for k, v in frame.f_locals.items() if k in words and _is_array(v)}
    if shapes := ", ".join(f"{k} is {shape_text(v)}" for k, v in arguments.items()):
        parts.append(f"where {shapes}")
    return "\n  ".join([*parts, *[hint for sign, hint in HINTS.items() if sign in str(error)][:1]])


def shape_text(value):
    """Tell the shape of a value, or what it is instead of an array."""
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values"
    return str(tuple(value.shape)) if _is_array(value) else type(value).__name__


def _is_array(value):
    return isinstance(getattr(value, "shape", None), tuple)  # xp.shape is a function


def parameters(function):
    """Return the names of the arguments that a function takes, empty when it tells none."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def source_of(module):
    """Return the source code of a module, also where the students' copy has it packed."""
    before, packed, lines = inspect.getsource(module).partition("b85decode(")
    text = "".join(line.strip(' "') for line in lines.splitlines() if line.startswith('    "'))
    return zlib.decompress(base64.b85decode(text)).decode() if packed else before
