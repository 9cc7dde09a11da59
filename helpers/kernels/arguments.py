"""Shapes, dtypes and kinds of a kernel's arguments: they stand above it, and each call is checked.

    @shapes(x="N D", prev_h="N H", Wx="D 4H", Wh="H 4H", b="4H")

A letter is one size in all arguments of a call. The arguments are NumPy arrays or torch tensors,
all of one kind, of one float dtype and on one device.
"""

import array_api_compat as compat

KINDS = {  # what an array holds: its kinds of dtype, and what they are called
    "floats": ("real floating", "floating point numbers"),
    "booleans": ("bool", "booleans"),
    "ids": ("integral", "integer word ids"),
}


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
    wanted = {name: text.partition(": ")[::2] for name, text in wanted.items() if text}
    limits = {name: said[-1] for name, (_, said) in wanted.items() if said.startswith("ids")}
    known = {}  # sizes for kinds, dtypes, devices and shapes that were right: checked once

    def decorate(kernel):
        parameters = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
        optional = parameters[len(parameters) - len(kernel.__defaults__ or ()) :]

        def checked(*arguments, **named):
            given = dict(zip(parameters, arguments, strict=False)) | named
            if cache and "cache" in given:
                if len(given["cache"]) != len(cache):
                    number = len(given["cache"])
                    raise ValueError(f"cache must hold {len(cache)} arrays, not {number}")
                given |= zip(names, given["cache"], strict=True)
            given = {n: x for n, x in given.items() if x is not None or n not in optional}
            arrays = {name: given[name] for name in wanted if name in given}
            seen = tuple(
                (type(x), getattr(x, "dtype", 0), getattr(x, "shape", 0), getattr(x, "device", 0))
                for x in arrays.values()
            )
            if seen not in known:
                known[seen] = _sizes(arrays, wanted)
            for name in limits.keys() & arrays.keys():
                _check_ids(name, arrays[name], known[seen].get(limits[name]))
            return kernel(*arguments, **named)

        checked.__dict__["__wrapped__"] = kernel  # where inspect finds signature and source
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(checked, name, getattr(kernel, name))
        return checked

    return decorate


def _sizes(arrays, wanted):
    """Check arrays by name, each against those before it. Returns: the size of each letter."""
    sizes = {}
    for name, array in arrays.items():
        dimensions, content = wanted[name]
        first_name, first = next(iter(arrays.items()))
        _check_kind(name, array, content.split()[0] if content else "floats", first_name, first)
        letters, shape = dimensions.split(), tuple(array.shape)
        text = f"({', '.join(letters)})"
        if len(shape) != len(letters):
            raise ValueError(
                f"{name} must have {len(letters)} dimensions {text}, but its shape is {shape}"
            )
        for size, letter in zip(shape, letters, strict=True):
            factor, letter = int(letter[:-1] or 1), letter[-1]
            if size != factor * sizes.setdefault(letter, size // factor):
                raise ValueError(
                    f"{name} must have shape {text} with {letter} = {sizes[letter]}, "
                    f"but its shape is {shape}"
                )
    if sizes.get("T") == 0:
        raise ValueError(f"{first_name} must have at least one timestep, not T = 0")
    return sizes


def _check_kind(name, array, content, first_name, first):
    """Raise unless an array holds what it should, and is of the kind and device of the first."""
    if not (compat.is_numpy_array(array) or compat.is_torch_array(array)):
        kind = type(array).__name__
        raise TypeError(f"{name} must be a NumPy array or a torch tensor, not {kind}")
    if compat.is_numpy_array(array) != compat.is_numpy_array(first):
        raise TypeError(
            f"{name} is a {type(array).__name__}, but {first_name} is a {type(first).__name__}: "
            "give either NumPy arrays or torch tensors"
        )
    kind, said = KINDS[content]
    holds = compat.array_namespace(array).isdtype
    if not holds(array.dtype, kind):
        raise TypeError(f"{name} must hold {said}, not {array.dtype}")
    floats = content == "floats" and holds(first.dtype, kind)
    if floats and array.dtype != first.dtype and not first_name.startswith("cache"):
        raise TypeError(f"{name} is {array.dtype}, but {first_name} is {first.dtype}")
    if array.device != first.device:
        raise ValueError(f"{name} is on {array.device}, but {first_name} is on {first.device}")


def _check_ids(name, array, size):
    if size is None or hasattr(array, "fake_mode"):  # a tensor without values
        return
    if ((array < 0) | (array >= size)).any():
        found = f"{array.min()} to {array.max()}"
        raise ValueError(f"{name} must hold ids in [0, {size}), not {found}")
