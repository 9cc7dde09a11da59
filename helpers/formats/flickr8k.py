"""Flickr8k (Hodosh, Young and Hockenmaier 2013), as published and as found on Kaggle."""

from collections.abc import Iterable

from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, lines, refuse
from helpers.formats.tables import content, read_table, split_by_name, token_file

FOLDERS = ("flicker8k_dataset", "flickr8k_dataset")  # the misspelt one is the authors'
_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}


def _read(archive: Archive, split: str) -> Content:
    captions = token_file(archive, archive.require("Flickr8k.token.txt"))
    return content(archive, captions, _listed(archive, split), *FOLDERS)


def _listed(archive: Archive, split: str) -> Iterable[str]:
    """Give the images of a split, in the order of the authors' list."""
    name = archive.find(_LISTS[split])
    if name is None:
        refuse([archive.path], f"{_LISTS[split]} is missing; put it beside the others")
    return dict.fromkeys(line.strip() for _, line in lines(archive, name))


def _read_kaggle(archive: Archive, split: str) -> Content:
    """Read `captions.txt`; the authors' lists are used where they lie beside it."""
    name = archive.require("captions.txt")
    captions, splits = read_table(archive, name)
    if any(each in archive for each in _LISTS.values()):
        images = _listed(archive, split)
    else:
        images = (splits or split_by_name(captions)).get(split, [])
    return content(archive, captions, images, *FOLDERS, beside=name)


FORMATS = {
    "flickr8k": Format(
        needs={split: ["Flickr8k.token.txt", file] for split, file in _LISTS.items()},
        read=_read,
        folders=FOLDERS,
    ),
    "flickr8k-kaggle": Format(
        needs={split: ["captions.txt"] for split in _LISTS},
        read=_read_kaggle,
        folders=("images",),
    ),
}
