"""Annotations in JSON: COCO's, which many data sets copy, and Karpathy's of three data sets.

COCO Captions (Chen et al. 2015), https://cocodataset.org/#format-data: `images` (`id`,
`file_name`) and `annotations` (`image_id`, `caption`), one folder of pictures per split.

Karpathy and Fei-Fei 2015, https://cs.stanford.edu/people/karpathy/deepimagesent/:
`dataset_{coco,flickr8k,flickr30k}.json` has `images`, each with `filename`, `split` and
`sentences`; in COCO's, `filepath` is the folder and `cocoid` the id. Of COCO's four splits,
"restval" is what its val has beyond the 5,000 images each of "val" and "test"; papers train on
"train" and "restval" together.
"""

import functools
from typing import Any

from helpers.formats.archive import Archive
from helpers.formats.records import SPLITS, Content, Format, Record, field, read_lists, refuse
from helpers.formats.tables import FLICKR8K, FLICKR30K


def _read_coco(archive: Archive, split: str, year: str) -> Content:
    name = archive.require(f"captions_{split}{year}.json")
    images, annotations = read_lists(archive, name, "images", "annotations")
    apart = [other + y for other in SPLITS if other != split for y in (year, "")]
    folders = (f"{split}{year}", split, "images")
    records = {}
    for image, where in images:
        image_id = field(image, "id", (int, str), where)
        if image_id in records:
            refuse(where, f"id {image_id!r} stands twice; keep one")
        file = field(image, "file_name", str, where)
        path = archive.find(file, folders, apart)
        records[image_id] = Record(image_id, file, path, [], archive)
    for annotation, where in annotations:
        image_id = field(annotation, "image_id", (int, str), where)
        if image_id not in records:
            refuse(where, f"image {image_id!r} is not among 'images'; fetch the file again")
        records[image_id].captions.append(field(annotation, "caption", str, where))
    instances = archive.find(f"instances_{split}{year}.json")
    boxes = functools.partial(_boxes, archive, instances) if instances else None
    return Content(list(records.values()), boxes)


@functools.lru_cache(maxsize=4)  # the file is several times as large as the captions'
def _boxes(archive: Archive, name: str) -> dict[int | str, list[tuple]]:
    """Map the id of an image to a list of (category, x, y, width, height), in pixels."""
    kinds, annotations = read_lists(archive, name, "categories", "annotations")
    categories = {field(e, "id", int, where): field(e, "name", str, where) for e, where in kinds}
    boxes: dict[int | str, list[tuple]] = {}
    for annotation, where in annotations:
        image_id = field(annotation, "image_id", (int, str), where)
        category = categories.get(field(annotation, "category_id", int, where))
        box = field(annotation, "bbox", list, where)
        if category is None:
            refuse(where, "its category is not in 'categories'; fetch the file again")
        if len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
            refuse(where, f"bbox {box!r:.60} is not x, y, width, height")
        boxes.setdefault(image_id, []).append((category, *box))
    return boxes


def _read_karpathy(archive: Archive, split: str, name: str) -> Content:
    (images,) = read_lists(archive, archive.require(f"dataset_{name}.json"), "images")
    records = []
    for image, where in images:
        if field(image, "split", str, where) not in split.split("+"):
            continue
        file = field(image, "filename", str, where)
        image_id = field(image, "cocoid", int, where) if "cocoid" in image else file
        if "filepath" in image:
            file = f"{field(image, 'filepath', str, where)}/{file}"
        sentences = enumerate(field(image, "sentences", list, where))
        captions = [_caption(each, (*where, "sentence", k)) for k, each in sentences]
        path = archive.find(file, (*_KARPATHY[name], "images"))
        records.append(Record(image_id, file, path, captions, archive))
    return Content(records)


def _caption(sentence: Any, where: tuple) -> str:
    """Return what was written, or where only the words were kept, those."""
    if isinstance(sentence, dict) and "raw" not in sentence and "tokens" in sentence:
        tokens = field(sentence, "tokens", list, where)
        if not all(isinstance(token, str) for token in tokens):
            refuse(where, f"'tokens' is {tokens!r:.60}; expected list of str")
        return " ".join(tokens)
    return field(sentence, "raw", str, where)


_KARPATHY = {"coco": ("train2014", "val2014"), "flickr8k": FLICKR8K, "flickr30k": FLICKR30K}
_ALL = ("train", "train+restval", "restval", "val", "test")
FORMATS = {
    f"coco{year}": Format(
        {split: [f"captions_{split}{year}.json"] for split in SPLITS},
        functools.partial(_read_coco, year=year),
        folders=tuple(f"{split}{year}" for split in SPLITS),
    )
    for year in ("2017", "2014", "")
} | {
    f"karpathy-{name}": Format(
        {split: [f"dataset_{name}.json"] for split in (_ALL if name == "coco" else SPLITS)},
        functools.partial(_read_karpathy, name=name),
        folders,
    )
    for name, folders in _KARPATHY.items()
}
