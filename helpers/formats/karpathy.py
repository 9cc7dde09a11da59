"""Karpathy's splits of COCO 2014, Flickr8k and Flickr30k (Karpathy and Fei-Fei 2015).

`dataset_{coco,flickr8k,flickr30k}.json` has `images`, each with `filename`, `split` and
`sentences`; in COCO's, `filepath` is the folder and `cocoid` the id. Of COCO's four splits,
"restval" is what its val has beyond the 5,000 images each of "val" and "test"; papers train on
"train" and "restval" together. https://cs.stanford.edu/people/karpathy/deepimagesent/
"""

import functools
from collections.abc import Iterable
from typing import Any

from helpers.formats import flickr8k
from helpers.formats.archive import Archive
from helpers.formats.records import Content, Format, Record, entries, field, refuse, with_path

_FOLDERS = {
    "coco": ("train2014", "val2014"),
    "flickr8k": flickr8k.FOLDERS,
    "flickr30k": ("flickr30k-images", "flickr30k_images"),
}


def _read_karpathy(archive: Archive, split: str, name: str) -> Content:
    file = archive.require(f"dataset_{name}.json")
    label, content = archive.label(file), archive.read_json(file)
    folders, records, wanted = (*_FOLDERS[name], "images"), [], split.split("+")
    for image, where in entries(content, "images", label):
        if field(image, "split", str, where) in wanted:
            records.append(with_path(_record(image, where), archive, folders))
    return Content(records)


def _record(image: dict, where: Iterable) -> Record:
    file = field(image, "filename", str, where)
    image_id = field(image, "cocoid", int, where) if "cocoid" in image else file
    if "filepath" in image:
        file = f"{field(image, 'filepath', str, where)}/{file}"
    sentences = field(image, "sentences", list, where)
    captions = [_caption(each, [*where, "sentence", k]) for k, each in enumerate(sentences)]
    return Record(image_id, file, None, captions)


def _caption(sentence: Any, where: Iterable) -> str:
    """Give what was written, or where only the words were kept, those."""
    if isinstance(sentence, dict) and "raw" not in sentence and "tokens" in sentence:
        tokens = field(sentence, "tokens", list, where)
        if not all(isinstance(token, str) for token in tokens):
            refuse(where, f"'tokens' is {tokens!r:.60}; expected list of str")
        return " ".join(tokens)
    return field(sentence, "raw", str, where)


def _format(name: str) -> Format:
    splits = ("train", "val", "test")
    if name == "coco":
        splits = ("train", "train+restval", "restval", "val", "test")
    return Format(
        needs={split: [f"dataset_{name}.json"] for split in splits},
        read=functools.partial(_read_karpathy, name=name),
        folders=_FOLDERS[name],
    )


FORMATS = {f"karpathy-{name}": _format(name) for name in _FOLDERS}
