"""Shapes, dtypes and kinds of a kernel's arguments: they stand above it, and each call is checked.

    @shapes(x="N D", prev_h="N H", Wx="D 4H", Wh="H 4H", b="4H")

A letter is one size in all arguments of a call. The arguments are NumPy arrays or torch tensors,
all of one kind, of one float dtype and on one device.
"""

import array_api_compat as compat


def shapes(cache=(), **dimensions):
    """Check a kernel's arguments at each call against the shapes that stand above it.

    Inputs:
        cache: for a backward kernel, the shapes of its cache in order, None for anything
        dimensions: name="N T D"; "N T: ids below V" for integers, "N T: booleans" for a mask.
            An argument whose default is None may be None
    Returns: a decorator for functions of arrays of these shapes
    Raises: ValueError or TypeError, at a call, that names the argument, what was expected and
        what came.
    """
    names = [f"cache[{k}]" for k in range(len(cache))]
    wanted = dict(zip(names, cache, strict=True)) | dimensions
    wanted = {name: _parsed(text) for name, text in wanted.items() if text}
    passed = set()  # kinds, dtypes, devices and shapes that were right

    def decorate(kernel):
        parameters = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
        optional = parameters[len(parameters) - len(kernel.__defaults__ or ()) :]

        def checked(*arguments, **named):
            given = dict(zip(parameters, arguments, strict=False)) | named
            for name in optional:
                if given.get(name) is None:
                    given.pop(name, None)
            if cache and "cache" in given:
                if len(given["cache"]) != len(cache):
                    number = len(given["cache"])
                    raise ValueError(f"cache must hold {len(cache)} arrays, not {number}")
                given |= zip(names, given["cache"], strict=True)
            arrays = [(name, given[name], *wanted[name]) for name in wanted if name in given]
            seen = tuple(_seen(array) for _, array, _, _ in arrays)
            if seen not in passed and arrays:
                _check(arrays)
                if all(content == "floats" for *_, content in arrays) and len(passed) < 100:
                    passed.add(seen)
            return kernel(*arguments, **named)

        checked.__dict__["__wrapped__"] = kernel  # where inspect finds signature and source
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(checked, name, getattr(kernel, name))
        return checked

    return decorate


def _seen(array):
    """Return what decides whether a float array passes: in a loop it is much faster to look up."""
    if not hasattr(array, "shape"):
        return None
    return type(array), array.dtype, array.shape, getattr(array, "device", None)


def _check(arguments):
    """Check arrays in turn, each against those before it.

    Inputs: list of (name, array, dimensions, content), the last two as `_parsed` returns them
    """
    sizes = {}
    for name, array, dimensions, content in arguments:
        if not _is_like(array, arguments[0][1], content):
            _check_kind(name, array, content, *arguments[0][:2])
        shape = array.shape
        if len(shape) != len(dimensions):
            raise ValueError(
                f"{name} must have {len(dimensions)} dimensions ({_text(dimensions)}), "
                f"but its shape is {tuple(shape)}"
            )
        for size, (letter, factor) in zip(shape, dimensions, strict=True):
            if size != factor * sizes.setdefault(letter, size // factor):
                raise ValueError(
                    f"{name} must have shape ({_text(dimensions)}) with {letter} = "
                    f"{sizes[letter]}, but its shape is {tuple(shape)}"
                )
    if sizes.get("T") == 0:
        raise ValueError(f"{arguments[0][0]} must have at least one timestep, not T = 0")
    for name, array, _, content in arguments:
        if content not in sizes or hasattr(array, "fake_mode"):  # a tensor without values
            continue
        if ((array < 0) | (array >= sizes[content])).any():
            found = f"{array.min()} to {array.max()}"
            raise ValueError(f"{name} must hold ids in [0, {sizes[content]}), not {found}")


def _parsed(text):
    """Parse "N 4H" or "N T: ids below V".

    Returns: the dimensions as (letter, factor) pairs; "floats", "booleans" or the letter V
    """
    dimensions, _, content = text.partition(": ")
    pairs = tuple((each[-1], int(each[:-1] or 1)) for each in dimensions.split())
    return pairs, content.removeprefix("ids below ") or "floats"


def _text(dimensions):
    return ", ".join(
        letter if factor == 1 else f"{factor}{letter}" for letter, factor in dimensions
    )


def _is_like(array, first, content):
    """Tell quickly whether two float arrays, not the same one, agree in kind, dtype and device."""
    return (
        content == "floats"
        and array is not first
        and type(array) is type(first)
        and array.dtype == first.dtype
        and array.device == first.device
    )


def _check_kind(name, array, content, first_name, first):
    """Raise unless an array holds what it should, and is of the kind and device of the first."""
    if not (compat.is_numpy_array(array) or compat.is_torch_array(array)):
        raise TypeError(
            f"{name} must be a NumPy array or a torch tensor, not {type(array).__name__}"
        )
    if compat.is_numpy_array(array) != compat.is_numpy_array(first):
        raise TypeError(
            f"{name} is a {type(array).__name__}, but {first_name} is a {type(first).__name__}: "
            "give either NumPy arrays or torch tensors"
        )
    xp = compat.array_namespace(array)
    kind, said = {
        "floats": ("real floating", "floating point numbers"),
        "booleans": ("bool", "booleans"),
    }.get(content, ("integral", "integer word ids"))
    if not xp.isdtype(array.dtype, kind):
        raise TypeError(f"{name} must hold {said}, not {array.dtype}")
    floats = content == "floats" and xp.isdtype(first.dtype, kind)
    if floats and array.dtype != first.dtype and not first_name.startswith("cache"):
        raise TypeError(f"{name} is {array.dtype}, but {first_name} is {first.dtype}")
    if array.device != first.device:
        raise ValueError(f"{name} is on {array.device}, but {first_name} is on {first.device}")
