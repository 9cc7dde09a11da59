"""Shape, dtype and kind checks shared by the kernels."""

import functools

import array_api_compat as compat


def check_arguments(**arguments):
    """Check that arrays are of one kind, dtype and device and that their shapes fit together.

    Inputs: name=(array, dimensions) pairs; `dimensions` is a string such as "N T D" or "D 4H",
        in which a letter stands for the same size in every argument of the call.
    Returns:
        xp: the array namespace (NumPy's or torch's, through `array_api_compat`)
        sizes: dict from letter to size, in order of first appearance
    Raises: TypeError or ValueError naming the argument, what was expected and what came.
    """
    first_name, (first, _) = next(iter(arguments.items()))
    sizes = {}
    for name, (array, dimensions) in arguments.items():
        _check_kind(name, array, first_name, first)
        expected = _parsed(dimensions)
        if array.ndim != len(expected):
            raise ValueError(
                f"{name} must have {len(expected)} dimensions ({', '.join(dimensions.split())}), "
                f"but its shape is {tuple(array.shape)}"
            )
        for size, (letter, factor) in zip(array.shape, expected, strict=True):
            known = sizes.setdefault(letter, size // factor)
            if size != factor * known:
                raise ValueError(
                    f"{name} must have shape ({', '.join(dimensions.split())}) with "
                    f"{letter} = {known}, but its shape is {tuple(array.shape)}"
                )
    return compat.array_namespace(first), sizes


@functools.cache
def _parsed(dimensions):
    """Split "N 4H" into (letter, factor) pairs: (("N", 1), ("H", 4))."""
    return tuple((each[-1], int(each[:-1] or 1)) for each in dimensions.split())


def check_images(sizes):
    """Check that N rows can be shared out among I images.

    Inputs: sizes: dict with N and I, from `check_arguments`
    Raises: ValueError naming A.
    """
    N, images = sizes["N"], sizes["I"]
    if images == 0 or N % images:
        raise ValueError(f"A must have N = {N} images, or N / K for a whole K, not {images}")


def per_image(rows, A):
    """Group rows by the image of A that they belong to.

    Inputs: rows (N, ..., F); A (I, P, H)
    Returns: (I, N / I * ..., F)
    """
    return rows.reshape(len(A), -1, rows.shape[-1])


def _check_kind(name, array, first_name, first):
    """Raise TypeError unless `array` is a float array of the kind, dtype and device of `first`."""
    if array is not first and _are_alike(array, first):
        return
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
    if not xp.isdtype(array.dtype, "real floating"):
        raise TypeError(f"{name} must hold floating point numbers, not {array.dtype}")
    if array.dtype != first.dtype:
        raise TypeError(f"{name} is {array.dtype}, but {first_name} is {first.dtype}")
    if compat.device(array) != compat.device(first):
        raise ValueError(
            f"{name} is on {compat.device(array)}, but {first_name} is on {compat.device(first)}"
        )


def _are_alike(array, other):
    """Tell quickly whether two arrays are of the same kind, dtype and device."""
    numpy, torch = compat.is_numpy_array, compat.is_torch_array
    if torch(array) and torch(other):
        return array.dtype == other.dtype and array.device == other.device
    return numpy(array) and numpy(other) and array.dtype == other.dtype
