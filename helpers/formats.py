"""Readers for the layouts in which captioned images are published.

A reader takes an Archive and a split and gives a list of `Record`, one per image of the split,
whether or not the image's file is there. `FORMATS` at the end lists them.
"""

import csv
import functools
import io
import zlib
from typing import NamedTuple

from helpers.files import DataError

__all__ = ["FORMATS", "DataError", "Instances", "Record", "choose_format"]


class Record(NamedTuple):
    """One image as its annotations describe it."""

    id: int | str
    file: str  # as the annotations call it
    path: str | None  # where it lies in the archive; None where it is missing
    captions: list  # of str, in the order of the file


class Format(NamedTuple):
    """One layout: how to recognise it, and how to read a split of it."""

    needs: dict  # split -> names of the annotation files whose presence makes the split
    read: object  # (archive, split) -> list of Record
    instances: dict | None = None  # split -> file with the objects' boxes, which may be absent

    def splits(self, archive):
        """List the splits of this layout that the archive holds."""
        return [split for split, files in self.needs.items() if all(map(archive.find, files))]


def choose_format(archive, name=None):
    """Find out which layout an archive has, by the names of its annotation files.

    Inputs:
        archive: Archive
        name: a key of FORMATS, to say it outright; None to look
    Returns: a key of FORMATS
    Raises: DataError when nothing is recognised, or more than one layout is
    """
    names = FORMATS if name is None else [name]
    found = [each for each in names if FORMATS[each].splits(archive)]
    if len(found) == 1:
        return found[0]
    if found:
        remedy = "say which with the format, or name a folder that holds one alone"
        raise DataError(f"{archive.path}: holds several data sets ({', '.join(found)}); {remedy}")
    looked = "; ".join(f"{each} ({', '.join(_all_needs(FORMATS[each]))})" for each in names)
    raise DataError(f"{archive.path}: no captioned data set found; looked for {looked}")


def _all_needs(layout):
    return dict.fromkeys(file for files in layout.needs.values() for file in files)


def _refuse(where, problem):
    raise DataError(f"{' '.join(map(str, where))}: {problem}")


def _field(entry, key, kinds, where):
    """Give `entry[key]`, and check that it is there and of one of the kinds."""
    if not isinstance(entry, dict) or key not in entry:
        _refuse(where, f"'{key}' is missing; fetch the file again")
    value = entry[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        expected = " or ".join(kind.__name__ for kind in kinds)
        _refuse(where, f"'{key}' is {value!r:.60}; expected {expected}")
    return value


def _entries(content, key, label):
    """Go through a list of a JSON file; give each entry, and where it stands for an error."""
    for k, entry in enumerate(_field(content, key, list, (label,))):
        yield entry, (label, key, k)


# COCO Captions (Chen et al. 2015, https://cocodataset.org/#format-data): JSON with `images`
# (`id`, `file_name`) and `annotations` (`image_id`, `caption`), one image folder per split.


def _read_coco(archive, split, year=""):
    name = archive.find(f"captions_{split}{year}.json")
    label, content = archive.label(name), archive.read_json(name)
    images = {}
    for image, where in _entries(content, "images", label):
        image_id = _field(image, "id", (int, str), where)
        if image_id in images:
            _refuse(where, f"id {image_id!r} stands twice; keep one")
        images[image_id] = Record(image_id, _field(image, "file_name", str, where), None, [])
    for annotation, where in _entries(content, "annotations", label):
        image_id = _field(annotation, "image_id", (int, str), where)
        if image_id not in images:
            _refuse(where, f"image {image_id!r} is not among 'images'; fetch the file again")
        images[image_id].captions.append(_field(annotation, "caption", str, where))
    folders = (f"{split}{year}", split, "images", "")
    return [_with_path(record, archive, folders) for record in images.values()]


def _with_path(record, archive, folders):
    *folder, file_name = record.file.split("/")  # some files name the folder as well
    folders = (folder[-1].lower(), *folders) if folder else folders
    return record._replace(path=archive.locate(file_name, folders))


def _coco(year=""):
    splits = ("train", "val")
    return Format(
        needs={split: [f"captions_{split}{year}.json"] for split in splits},
        read=functools.partial(_read_coco, year=year),
        instances={split: f"instances_{split}{year}.json" for split in splits},
    )


class Instances:
    """The objects in the images of a COCO file, read when they are first asked for.

    (The real file is several times as large as the captions', and captioning needs none of it.)
    """

    def __init__(self, archive, name):
        self._archive, self._name = archive, name

    @functools.cached_property
    def boxes(self):
        """Map the id of an image to a list of (category, x, y, width, height), in pixels."""
        label, content = self._archive.label(self._name), self._archive.read_json(self._name)
        categories = {
            _field(category, "id", int, where): _field(category, "name", str, where)
            for category, where in _entries(content, "categories", label)
        }
        boxes = {}
        for annotation, where in _entries(content, "annotations", label):
            image_id = _field(annotation, "image_id", (int, str), where)
            category = categories.get(_field(annotation, "category_id", int, where))
            box = _field(annotation, "bbox", list, where)
            if category is None:
                _refuse(where, "its category is not in 'categories'; fetch the file again")
            if len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
                _refuse(where, f"bbox {box!r:.60} is not x, y, width, height")
            boxes.setdefault(image_id, []).append((category, *box))
        return boxes


# Flickr8k (Hodosh, Young and Hockenmaier 2013), as its authors published it, and as it is found
# on Kaggle. The folder's misspelt name is the authors'.

_FLICKR8K_FOLDERS = ("flicker8k_dataset", "flickr8k_dataset", "images", "")
_FLICKR8K_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}


def _lines(archive, name):
    """Give the number and the text of each line that is not blank."""
    # not splitlines(), which also breaks at characters that may stand in a caption
    lines = enumerate(archive.read_text(name).split("\n"), start=1)
    return [(number, line) for number, line in lines if line.strip()]


def _read_flickr8k(archive, split):
    name = archive.find("Flickr8k.token.txt")
    captions = {}
    for number, line in _lines(archive, name):
        key, tab, caption = line.partition("\t")
        image, number_sign, _ = key.rpartition("#")
        if not (tab and number_sign):
            where = (archive.label(name), "line", number)
            _refuse(where, "expected name.jpg#number, a tab and a caption")
        captions.setdefault(image, []).append(caption)
    return _flickr8k_records(archive, _flickr8k_list(archive, split), captions)


def _flickr8k_list(archive, split):
    name = archive.find(_FLICKR8K_LISTS[split])
    if name is None:
        _refuse([archive.path], f"{_FLICKR8K_LISTS[split]} is missing; put it beside the others")
    return [line.strip() for _, line in _lines(archive, name)]


def _flickr8k_records(archive, images, captions):
    return [
        Record(image, image, archive.locate(image, _FLICKR8K_FOLDERS), captions.get(image, []))
        for image in dict.fromkeys(images)
    ]


def _read_flickr8k_kaggle(archive, split):
    """Read `captions.txt` (CSV of image, caption), which says nothing about splits.

    The authors' lists are used where they lie beside it. Elsewhere a checksum of the image's
    name assigns it: six eighths train, one eighth val, one eighth test.
    """
    name = archive.find("captions.txt")
    rows = csv.reader(io.StringIO(archive.read_text(name)))
    captions = {}
    try:
        if next(rows, None) != ["image", "caption"]:
            _refuse([archive.label(name)], "the first line is not 'image,caption'")
        for row in filter(None, rows):
            if len(row) < 2:
                where = (archive.label(name), "line", rows.line_num)
                _refuse(where, "expected name.jpg, a comma and a caption")
            # a caption whose commas nobody quoted comes in several pieces
            captions.setdefault(row[0], []).append(",".join(row[1:]))
    except csv.Error as error:
        _refuse((archive.label(name), "line", rows.line_num), error)
    if any(map(archive.find, _FLICKR8K_LISTS.values())):
        images = _flickr8k_list(archive, split)
    else:
        splits = ("val", "test", *["train"] * 6)
        images = [image for image in captions if splits[zlib.crc32(image.encode()) % 8] == split]
    return _flickr8k_records(archive, images, captions)


FORMATS = {
    "flickr8k": Format(
        needs={split: ["Flickr8k.token.txt", file] for split, file in _FLICKR8K_LISTS.items()},
        read=_read_flickr8k,
    ),
    "flickr8k-kaggle": Format(
        needs={split: ["captions.txt"] for split in _FLICKR8K_LISTS},
        read=_read_flickr8k_kaggle,
    ),
    "coco2017": _coco("2017"),
    "coco2014": _coco("2014"),
    "coco": _coco(),
}
