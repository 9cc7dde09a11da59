"""Pictures as people have them, opened as upright 8-bit RGB."""

import contextlib
import functools
import importlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sized
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.files import DataError

_WANTED = "a path, a PIL image, an array or a tensor"
# The value that means white in each mode of more than 8 bits. Pillow calls 16-bit greys "I;16",
# or plain "I" where they come from some formats.
_WHITE = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I": 65535, "F": 1.0}


class ImageError(DataError):
    """Say which image cannot be used, and why."""


def open_image(file: str | os.PathLike | IO[bytes], name: str | None = None) -> Image.Image:
    """Open a picture as RGB, 8 bits per channel, whatever kind of picture it is.

    EXIF rotation is applied, of an animation the first frame is taken, transparency is laid on
    white, and 16-bit greys are scaled to 8 bits (not clipped, as a plain conversion would).

    Inputs: file: path, or binary file at its start; name: what errors call it, if not its path
    Raises: ImageError naming the file when it is missing, a folder, empty, cut off, too large
        to be a photograph, or not an image; TypeError for what is neither path nor file
    """
    if not isinstance(file, str | os.PathLike):
        if hasattr(file, "read"):
            return _decode(file, name or str(getattr(file, "name", "image")))
        raise TypeError(f"file: expected a path or a binary file, got {type(file).__name__}")
    path, name = os.path.expanduser(file), name or str(file)
    if os.path.isdir(path):
        raise ImageError(f"{name}: is a folder; give the path of a picture")
    if not os.path.isfile(path):  # a pipe would wait for ever
        there = "is not a regular file" if os.path.exists(path) else "no such file"
        raise ImageError(f"{name}: {there}")
    try:
        with open(path, "rb") as opened:
            return _decode(opened, name)
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror or error})") from error


def _decode(file: IO[bytes], name: str) -> Image.Image:
    """Decode the first frame of a picture to RGB, and turn what Pillow raises into an ImageError.

    Pillow's warnings are kept back: of details that a camera noted wrongly, and of more than 89
    megapixels, which telephones have nowadays. From 179 megapixels on it refuses, and so do we.
    """
    _register_heic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                if image.format in ("EPS", "WMF"):  # Pillow would start a PostScript interpreter
                    raise ImageError(f"{name}: a drawing ({image.format}); save it as PNG or JPEG")
                image.load()
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if file.seekable() and file.seek(0, os.SEEK_END) == 0:
            raise ImageError(f"{name}: is empty") from error
        remedy = "save it as JPEG, PNG or WebP, or for HEIC: pip install pillow-heif"
        raise ImageError(f"{name}: not an image in a format that can be read; {remedy}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: too many pixels for a photograph; scale it down") from error
    except Exception as error:  # on broken data Pillow's decoders raise nearly any kind of error
        raise ImageError(f"{name}: damaged or cut off, cannot be decoded ({error})") from error
    try:
        return to_rgb(image)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from error


@functools.cache
def _register_heic() -> None:
    """Let Pillow read HEIC, as telephones write it, where the plug-in for that is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a PIL image of any mode to upright 8-bit RGB, transparency laid on white.

    Raises: ValueError when the pixel values have no known scale (32 bits outside [0, 65535],
        floating point outside [0, 1])
    """
    with contextlib.suppress(Exception), warnings.catch_warnings():  # of broken EXIF
        warnings.simplefilter("ignore")
        image = ImageOps.exif_transpose(image)
    if image.mode in _WHITE:
        white = _WHITE[image.mode]
        problem = f"pixel values {{}} where 0 to {white} were expected"
        problem = f"{problem}; save it with 8 bits per channel"
        image = _to_8_bits(np.asarray(image), white, problem)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def pictures(images: Any) -> Iterator[Image.Image]:
    """Open pictures as programs have them, one after the other, as upright 8-bit RGB.

    Inputs:
        images: one picture, or several in a list, tuple, iterator or array (N, ...). A picture is
            a path, a PIL image of any mode, or an array or tensor: (height, width), (height, width,
            channels) or (channels, height, width) with 1 channel for grey, 3 for RGB or 4 with
            transparency; uint8 or uint16, other integers in [0, 255], or floats in [0, 1]
    Returns: iterator of PIL images, mode "RGB"
    Raises: TypeError or ValueError that names the picture and what is wanted; ImageError for a
        file that cannot be used
    """
    if isinstance(images, (str, os.PathLike, Image.Image)) or getattr(images, "ndim", 4) < 4:
        images = [images]
    if not isinstance(images, Iterable) or isinstance(images, (bytes, dict)):
        raise TypeError(f"images: expected pictures, {_WANTED}; got {type(images).__name__}")
    if isinstance(images, Sized) and not len(images):
        raise ValueError(f"images: expected at least one picture, {_WANTED}; got none")
    return (_picture(image, f"images[{k}]") for k, image in enumerate(images))


def _picture(image: Any, name: str) -> Image.Image:
    """Open one of the pictures that `pictures` takes; `name` is what errors call it."""
    if isinstance(image, (str, os.PathLike)):
        return open_image(image)
    try:
        if isinstance(image, Image.Image):
            return to_rgb(image)
        if hasattr(image, "detach"):  # a tensor, on any device
            image = image.detach().cpu().numpy()
        if isinstance(image, np.ndarray):
            return to_rgb(_from_array(image))
    except (ValueError, OSError) as error:
        raise ValueError(f"{name}: {error}") from error
    raise TypeError(f"{name}: expected {_WANTED}; got {type(image).__name__}")


def _from_array(values: np.ndarray) -> Image.Image:
    channels = (1, 3, 4)
    if values.ndim == 3 and values.shape[2] not in channels and values.shape[0] in channels:
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.size == 0 or values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,), (4,)):
        wanted = "(height, width), (height, width, channels) or (channels, height, width)"
        raise ValueError(f"expected shape {wanted} with 1, 3 or 4 channels, not {values.shape}")
    if values.dtype.kind not in "fbiu":
        raise ValueError(f"expected numbers, not an array of {values.dtype}")
    white = 1.0 if values.dtype.kind in "fb" else 65535.0 if values.dtype == np.uint16 else 255.0
    wanted = "expected integers in [0, 255] or floats in [0, 1]"
    return _to_8_bits(values, white, f"{wanted}, not {values.dtype} {{}}")


def _to_8_bits(values: np.ndarray, white: float, problem: str) -> Image.Image:
    """Scale values in [0, white], (height, width, ...), to [0, 255]."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):  # so written, it refuses NaN too
        raise ValueError(problem.format(f"from {low} to {high}"))
    return Image.fromarray(np.round(values * (255.0 / white)).astype(np.uint8))
