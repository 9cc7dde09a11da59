"""Flickr8k (Hodosh, Young and Hockenmaier 2013), as published and as found on Kaggle."""

import csv
import io
import zlib
from collections.abc import Iterable

from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, Record, lines, refuse, with_path

FOLDERS = ("flicker8k_dataset", "flickr8k_dataset")  # the misspelt one is the authors'
_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}


def _read(archive: Archive, split: str) -> Content:
    name = archive.require("Flickr8k.token.txt")
    captions = {}
    for number, line in lines(archive, name):
        key, tab, caption = line.partition("\t")
        image, number_sign, _ = key.rpartition("#")
        if not (tab and number_sign):
            where = (archive.label(name), "line", number)
            refuse(where, "expected name.jpg#number, a tab and a caption")
        captions.setdefault(image, []).append(caption)
    return _content(archive, _listed(archive, split), captions)


def _listed(archive: Archive, split: str) -> Iterable[str]:
    """Give the images of a split, in the order of the authors' list."""
    name = archive.find(_LISTS[split])
    if name is None:
        refuse([archive.path], f"{_LISTS[split]} is missing; put it beside the others")
    return dict.fromkeys(line.strip() for _, line in lines(archive, name))


def _content(archive: Archive, images: Iterable[str], captions: dict) -> Content:
    records = (Record(image, image, None, captions.get(image, [])) for image in images)
    return Content([with_path(each, archive, (*FOLDERS, "images", "")) for each in records])


def _read_kaggle(archive: Archive, split: str) -> Content:
    """Read `captions.txt` (CSV of image, caption), which says nothing about splits.

    The authors' lists are used where they lie beside it. Elsewhere a checksum of the image's
    name assigns it: six eighths train, one eighth val, one eighth test.
    """
    name = archive.require("captions.txt")
    rows = csv.reader(io.StringIO(archive.read_text(name)))
    captions = {}
    try:
        if next(rows, None) != ["image", "caption"]:
            refuse([archive.label(name)], "the first line is not 'image,caption'")
        for row in filter(None, rows):
            if len(row) < 2:
                where = (archive.label(name), "line", rows.line_num)
                refuse(where, "expected name.jpg, a comma and a caption")
            # a caption whose commas nobody quoted comes in several pieces
            captions.setdefault(row[0], []).append(",".join(row[1:]))
    except csv.Error as error:
        refuse((archive.label(name), "line", rows.line_num), str(error))
    if any(map(archive.find, _LISTS.values())):
        images = _listed(archive, split)
    else:
        splits = ("val", "test", *["train"] * 6)
        images = [image for image in captions if splits[zlib.crc32(image.encode()) % 8] == split]
    return _content(archive, images, captions)


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
