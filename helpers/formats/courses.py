"""COCO 2014 as two courses hand it out: captions as ids, and a vocabulary that tells the words.

CS231n (Stanford, assignment 3) has features from VGG-16 and the addresses of the pictures, but no
pictures; EECS 498 (Michigan, assignment 5) has the pictures, 112x112, in one file. In both, the
ids 0 to 3 are <NULL>, <START>, <END> and <UNK>, as ours are. A word that their vocabulary does
not hold stands as <UNK> in the captions.
"""

import functools
import zlib
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, Record, field, refuse
from helpers.images import ImageError
from helpers.vocabulary import Vocabulary


def _vocabulary(content: Any, key: str, label: str) -> Vocabulary:
    words = field(content, key, list, (label,))
    return Vocabulary.from_list(words, f"{label} {key}")


def _integers(array: np.ndarray, ndim: int, limit: int, where: tuple) -> np.ndarray:
    """Check that an array is one of integers in [0, limit) with so many dimensions."""
    if array.ndim != ndim or not np.issubdtype(array.dtype, np.integer):
        refuse(where, f"{array.dtype} of shape {array.shape}; expected integers, {ndim}-d")
    if array.size and not 0 <= array.min() <= array.max() < limit:
        refuse(where, f"ids from {array.min()} to {array.max()}; expected them in [0, {limit})")
    return array


# CS231n. `coco2014_captions.h5`: `{train,val}_captions` (M, 17) and `{train,val}_image_idxs` (M,),
# which picture each caption belongs to; picture k is line k of `{train,val}2014_urls.txt` and row
# k of `features`, (I, 512) float32, in `{train,val}2014_vgg16_fc7_pca.h5`.

_CAPTIONS, _WORDS = "coco2014_captions.h5", "coco2014_vocab.json"


class Addresses:
    """Stands in for pictures that are known by their address on the web alone."""

    def __init__(self, label: str) -> None:
        self._label = label

    def image(self, name: str) -> NoReturn:
        """Refuse. Raises: ImageError that tells what there is in place of the picture."""
        remedy = "use the data set's features, or COCO 2014 itself"
        raise ImageError(f"{self._label}: names its pictures, but has none ({name}); {remedy}")

    fingerprint = image


@functools.lru_cache(maxsize=2)
def _features(archive: Archive, name: str, count: int) -> np.ndarray:
    """Read features, float32 (I, C), row k for the picture whose id is k."""
    (features,) = _read_h5(archive, name, "features")
    if features.ndim != 2 or len(features) != count:
        problem = f"features of shape {features.shape}; expected {count} rows"
        refuse([archive.label(name)], f"{problem}, one for each line of the urls")
    return features


def _read_h5(archive: Archive, name: str, *keys: str) -> list[np.ndarray]:
    """Read some arrays of an HDF5 file, whose numbers must all be in it."""
    import h5py

    def read(content: Any, key: str) -> np.ndarray:
        if not isinstance(content.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"{key} is a link to elsewhere")
        data = content[key]
        if data.external or data.is_virtual:
            raise ValueError(f"{key} has its numbers in other files")
        if data.nbytes > 100_000_000 and data.nbytes > 200 * data.id.get_storage_size():
            raise ValueError(f"{key} would take {data.nbytes:,} bytes, made to fill the memory")
        return data[()]

    def read_all(file: Any) -> list[np.ndarray]:
        with h5py.File(file, "r") as content:
            return [read(content, key) for key in keys]

    return archive.parse(name, read_all, f"HDF5 file with {', '.join(keys)}")


def _read_cs231n(archive: Archive, split: str) -> Content:
    file, words = archive.require(_CAPTIONS), archive.require(_WORDS)
    vocabulary = _vocabulary(archive.read_json(words), "idx_to_word", archive.label(words))
    urls_file = archive.require(f"{split}2014_urls.txt")
    urls = [url.strip() for url in archive.read_text(urls_file).strip().split("\n")]

    label, keys = archive.label(file), (f"{split}_captions", f"{split}_image_idxs")
    captions, pictures = _read_h5(archive, file, *keys)
    captions = _integers(captions, 2, len(vocabulary), (label, keys[0]))
    pictures = _integers(pictures, 1, len(urls), (label, keys[1]))
    if len(pictures) != len(captions):
        refuse((label, keys[1]), f"{len(pictures)} entries for {len(captions)} captions")
    addresses = Addresses(archive.label(urls_file))
    records = [Record(k, url, url, [], addresses) for k, url in enumerate(urls)]
    for picture, ids in zip(pictures.tolist(), captions.tolist(), strict=True):
        records[picture].captions.append(vocabulary.decode(ids))

    names = [f"{split}2014_vgg16_fc7{end}.h5" for end in ("_pca", "")]
    name = next(filter(None, map(archive.find, names)), None)
    features = functools.partial(_features, archive, name, len(urls)) if name else None
    return Content(records, None, vocabulary, features)


# EECS 498. `coco.pt`: `{train,val}_images` (I, 3, 112, 112) uint8, `{train,val}_captions`
# (I, 17), one caption per picture, and `vocab` with `idx_to_token`.


class Pixels:
    """Pictures that lie in one array, uint8 (I, 3, height, width), called "key/row"."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def image(self, name: str) -> Image.Image:
        """Return a picture as a PIL image, RGB."""
        return Image.fromarray(self._row(name).transpose(1, 2, 0))

    def fingerprint(self, name: str) -> str:
        """Return a short string that changes with the picture."""
        return f"{zlib.crc32(self._row(name).tobytes()):08x}"

    def _row(self, name: str) -> np.ndarray:
        return self._array[int(name.rpartition("/")[2])]  # (3, height, width)


def _read_eecs498(archive: Archive, split: str) -> Content:
    import torch

    file = archive.require("coco.pt")
    label = archive.label(file)
    load = functools.partial(torch.load, map_location="cpu", weights_only=True)
    content = archive.parse(file, load, "file of tensors that is safe to load")
    vocabulary = _vocabulary(field(content, "vocab", dict, (label,)), "idx_to_token", label)
    arrays = []
    keys = f"{split}_images", f"{split}_captions"
    for key in keys:
        tensor = field(content, key, torch.Tensor, (label,))
        try:
            arrays.append(tensor.numpy())  # shares the memory
        except (TypeError, RuntimeError) as error:
            refuse((label, key), f"{error}; expected a plain tensor of integers")
    images, captions = arrays
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        found = f"{images.dtype} of shape {images.shape}"
        refuse((label, keys[0]), f"{found}; expected uint8, (I, 3, height, width)")
    captions = _integers(captions, 2, len(vocabulary), (label, keys[1])).tolist()
    if len(captions) != len(images):
        refuse((label, keys[1]), f"{len(captions)} captions for {len(images)} images")
    pixels, texts = Pixels(images), map(vocabulary.decode, captions)
    names = [f"{keys[0]}/{k}" for k in range(len(captions))]
    records = [Record(k, names[k], names[k], [text], pixels) for k, text in enumerate(texts)]
    return Content(records, None, vocabulary)


FORMATS = {
    "cs231n": Format(
        {split: [_CAPTIONS, _WORDS, f"{split}2014_urls.txt"] for split in ("train", "val")},
        _read_cs231n,
    ),
    "eecs498": Format({split: ["coco.pt"] for split in ("train", "val")}, _read_eecs498),
}
