"""COCO Captions (Chen et al. 2015), and any data set that is written down in the same way.

JSON with `images` (`id`, `file_name`) and `annotations` (`image_id`, `caption`), one folder of
pictures per split: https://cocodataset.org/#format-data
"""

import functools

from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, Record, entries, field, refuse, with_path

_SPLITS = ("train", "val", "test")


class Instances:
    """The objects in the images of a COCO file, read when they are first asked for.

    (The real file is several times as large as the captions', and captioning needs none of it.)
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self._archive, self._name = archive, name

    @functools.cached_property
    def boxes(self) -> dict[int | str, list[tuple]]:
        """Map the id of an image to a list of (category, x, y, width, height), in pixels."""
        label, content = self._archive.label(self._name), self._archive.read_json(self._name)
        categories = {
            field(category, "id", int, where): field(category, "name", str, where)
            for category, where in entries(content, "categories", label)
        }
        boxes = {}
        for annotation, where in entries(content, "annotations", label):
            image_id = field(annotation, "image_id", (int, str), where)
            category = categories.get(field(annotation, "category_id", int, where))
            box = field(annotation, "bbox", list, where)
            if category is None:
                refuse(where, "its category is not in 'categories'; fetch the file again")
            if len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
                refuse(where, f"bbox {box!r:.60} is not x, y, width, height")
            boxes.setdefault(image_id, []).append((category, *box))
        return boxes


def _read_coco(archive: Archive, split: str, year: str = "") -> Content:
    name = archive.require(f"captions_{split}{year}.json")
    label, content = archive.label(name), archive.read_json(name)
    images = {}
    for image, where in entries(content, "images", label):
        image_id = field(image, "id", (int, str), where)
        if image_id in images:
            refuse(where, f"id {image_id!r} stands twice; keep one")
        images[image_id] = Record(image_id, field(image, "file_name", str, where), None, [])
    for annotation, where in entries(content, "annotations", label):
        image_id = field(annotation, "image_id", (int, str), where)
        if image_id not in images:
            refuse(where, f"image {image_id!r} is not among 'images'; fetch the file again")
        images[image_id].captions.append(field(annotation, "caption", str, where))
    apart = [other + y for other in _SPLITS if other != split for y in (year, "")]
    folders = (f"{split}{year}", split, "images")
    return Content([with_path(record, archive, folders, apart) for record in images.values()])


def _format(year: str = "") -> Format:
    return Format(
        needs={split: [f"captions_{split}{year}.json"] for split in _SPLITS},
        read=functools.partial(_read_coco, year=year),
        folders=tuple(f"{split}{year}" for split in _SPLITS),
        instances={split: f"instances_{split}{year}.json" for split in _SPLITS},
    )


FORMATS = {"coco2017": _format("2017"), "coco2014": _format("2014"), "coco": _format()}
