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

from helpers.files import DataError
from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, Record, field, refuse
from helpers.images import ImageError
from helpers.vocabulary import SPECIAL_WORDS, Vocabulary

_SPLITS = ("train", "val")


def _vocabulary(words: list, where: list) -> Vocabulary:
    """Make a Vocabulary from the list of all words, by their ids."""
    if tuple(words[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS:
        refuse(where, f"begins with {words[:4]!r:.60}; expected {', '.join(SPECIAL_WORDS)}")
    try:
        return Vocabulary(words[len(SPECIAL_WORDS) :])
    except (TypeError, ValueError) as error:
        raise DataError(f"{' '.join(where)}: {error}; fetch the file again") from error


def _integers(array: np.ndarray, ndim: int, limit: int, where: list) -> np.ndarray:
    """Check that an array is one of integers in [0, limit) with so many dimensions."""
    if array.ndim != ndim or not np.issubdtype(array.dtype, np.integer):
        refuse(where, f"{array.dtype} of shape {array.shape}; expected integers, {ndim}-d")
    if array.size and not 0 <= array.min() <= array.max() < limit:
        refuse(where, f"ids from {array.min()} to {array.max()}; expected them in [0, {limit})")
    return array


def _texts(captions: Any, vocabulary: Vocabulary, where: list) -> list[str]:
    """Turn a matrix of ids (M, T) into M captions."""
    captions = _integers(np.asarray(captions), 2, len(vocabulary), where)
    return [vocabulary.decode(ids) for ids in captions.tolist()]


# CS231n. `coco2014_captions.h5`: `{train,val}_captions` (M, 17) and `{train,val}_image_idxs` (M,),
# which picture each caption belongs to; picture k is line k of `{train,val}2014_urls.txt` and row
# k of `features`, (I, 512) float32, in `{train,val}2014_vgg16_fc7_pca.h5`.

_CAPTIONS, _WORDS = "coco2014_captions.h5", "coco2014_vocab.json"


@functools.lru_cache(maxsize=2)
def _features(archive: Archive, name: str, count: int) -> np.ndarray:
    """Read features, float32 (I, C), row k for the picture whose id is k."""
    features = _read_h5(archive, name, ["features"])["features"]
    if features.ndim != 2 or len(features) != count:
        problem = f"features of shape {features.shape}; expected {count} rows"
        refuse([archive.label(name)], f"{problem}, one for each line of the urls")
    return features


class Addresses:
    """Stands in for pictures that are known by their address on the web alone."""

    def __init__(self, label: str) -> None:
        self._label = label

    def image(self, name: str) -> NoReturn:
        """Refuse. Raises: ImageError that tells what there is in place of the picture."""
        remedy = "use the data set's features, or COCO 2014 itself"
        raise ImageError(f"{self._label}: names its pictures, but has none ({name}); {remedy}")

    fingerprint = image


def _read_h5(archive: Archive, name: str, keys: list[str]) -> dict[str, np.ndarray]:
    """Read some arrays of an HDF5 file. Returns: dict from key to array."""
    import h5py

    with archive.open(name) as file:
        try:
            with h5py.File(file, "r") as content:
                return {key: _plain(content, key)[()] for key in keys}
        except Exception as error:  # on broken files h5py raises several kinds of error
            problem = f"no whole HDF5 file with {', '.join(keys)} ({error})"
            raise DataError(f"{archive.label(name)}: {problem}; fetch it again") from error


def _plain(content: Any, key: str) -> Any:
    """Give a data set whose numbers are all in its file. Raises: ValueError for another."""
    import h5py

    if not isinstance(content.get(key, getlink=True), h5py.HardLink):
        raise ValueError(f"{key} is a link to elsewhere")
    data = content[key]
    if data.external or data.is_virtual:
        raise ValueError(f"{key} has its numbers in other files")
    if data.nbytes > 100_000_000 and data.nbytes > 200 * data.id.get_storage_size():
        raise ValueError(f"{key} would take {data.nbytes:,} bytes, made to fill the memory")
    return data


def _read_cs231n(archive: Archive, split: str) -> Content:
    file, words_file = archive.require(_CAPTIONS), archive.require(_WORDS)
    label = archive.label(file)
    where = [archive.label(words_file), "idx_to_word"]
    words = field(archive.read_json(words_file), where[1], list, where[:1])
    vocabulary = _vocabulary(words, where)
    urls_file = archive.require(f"{split}2014_urls.txt")
    urls = [url.strip() for url in archive.read_text(urls_file).strip().split("\n")]

    keys = [f"{split}_captions", f"{split}_image_idxs"]
    arrays = _read_h5(archive, file, keys)
    captions = _texts(arrays[keys[0]], vocabulary, [label, keys[0]])
    pictures = _integers(arrays[keys[1]], 1, len(urls), [label, keys[1]])
    if len(pictures) != len(captions):
        refuse([label, keys[1]], f"{len(pictures)} entries for {len(captions)} captions")
    records = [Record(k, url, url, []) for k, url in enumerate(urls)]
    for picture, caption in zip(pictures.tolist(), captions, strict=True):
        records[picture].captions.append(caption)

    names = [f"{split}2014_vgg16_fc7{end}.h5" for end in ("_pca", "")]
    name = next(filter(None, map(archive.find, names)), None)
    features = functools.partial(_features, archive, name, len(urls)) if name else None
    return Content(records, Addresses(archive.label(urls_file)), vocabulary, features)


# EECS 498. `coco.pt`: `{train,val}_images` (I, 3, 112, 112) uint8, `{train,val}_captions`
# (I, 17), one caption per picture, and `vocab` with `idx_to_token`.


class Pixels:
    """Pictures that lie in one tensor, uint8 (I, 3, height, width), called "key/row"."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def image(self, name: str) -> Image.Image:
        """Return a picture as a PIL image, RGB."""
        return Image.fromarray(self._row(name).permute(1, 2, 0).numpy())

    def fingerprint(self, name: str) -> str:
        """Give a short string that is another one as soon as the picture has changed."""
        return f"{zlib.crc32(self._row(name).numpy().tobytes()):08x}"

    def _row(self, name: str) -> Any:
        return self._tensor[int(name.rpartition("/")[2])]  # (3, height, width)


def _read_eecs498(archive: Archive, split: str) -> Content:
    import torch

    file = archive.require("coco.pt")
    label = archive.label(file)
    with archive.open(file) as opened:
        try:
            content = torch.load(opened, map_location="cpu", weights_only=True)
        except Exception as error:  # on broken files torch raises nearly any kind of error
            first = str(error).split("\n")[0]
            problem = f"no whole file of tensors that is safe to load ({first:.80})"
            raise DataError(f"{label}: {problem}; fetch it again") from error
    vocab = field(content, "vocab", dict, [label])
    words = field(vocab, "idx_to_token", list, [label, "vocab"])
    vocabulary = _vocabulary(words, [label, "vocab"])
    keys = [f"{split}_images", f"{split}_captions"]
    images, captions = (field(content, key, torch.Tensor, [label]) for key in keys)
    for key, tensor in zip(keys, (images, captions), strict=True):
        try:
            tensor.numpy()  # shares the memory
        except (TypeError, RuntimeError) as error:
            refuse([label, key], f"{error}; expected a plain tensor of integers")
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        refuse([label, keys[0]], f"{found}; expected torch.uint8, (I, 3, height, width)")
    texts = _texts(captions, vocabulary, [label, keys[1]])
    if len(texts) != len(images):
        refuse([label, keys[1]], f"{len(texts)} captions for {len(images)} images")
    names = [f"{keys[0]}/{k}" for k in range(len(texts))]
    records = [Record(k, names[k], names[k], [text]) for k, text in enumerate(texts)]
    return Content(records, Pixels(images), vocabulary)


FORMATS = {
    "cs231n": Format(
        needs={split: [_CAPTIONS, _WORDS, f"{split}2014_urls.txt"] for split in _SPLITS},
        read=_read_cs231n,
    ),
    "eecs498": Format(needs={split: ["coco.pt"] for split in _SPLITS}, read=_read_eecs498),
}
