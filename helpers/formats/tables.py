"""Captions in texts: Flickr8k and Flickr30k, as published and from Kaggle, and people's own.

A table's first line names the columns; one has the picture, one the caption, one may have the
split. Flickr8k (Hodosh, Young and Hockenmaier 2013) and Flickr30k (Young et al. 2014) come as
tables on Kaggle, and from their authors as token files. A .txt of captions beside each picture
needs no table.
"""

import contextlib
import csv
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from helpers.formats.archive import Archive
from helpers.formats.records import SPLITS, Content, Format, Record, lines, refuse

FLICKR8K = ("flicker8k_dataset", "flickr8k_dataset")  # the misspelt one is the authors'
FLICKR30K = ("flickr30k-images", "flickr30k_images")
_FOLDERS = (*FLICKR8K, *FLICKR30K, "images")
_LISTS = {s: f"Flickr_8k.{s.replace('val', 'dev')}Images.txt" for s in SPLITS}
_PICTURE = ("image", "image_name", "image_path", "file_name", "filename", "file", "path", "img")
_CAPTION = ("caption", "comment", "text", "description", "sentence", "captions")
_CALLED = {"dev": "val", "valid": "val", "validation": "val", "eval": "val", "training": "train"}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic")
_LARGEST = 1 << 17  # characters of a line; no caption has as many


def split_by_name(images: Iterable[str]) -> dict[str, list[str]]:
    """Divide distinct names: an eighth to val, an eighth to test, one of each where there are.

    A hash of its name decides where an image goes, so that an alphabetical order, in which alike
    pictures often stand, does not.
    """
    images = list(images)
    order = sorted(images, key=lambda name: hashlib.sha256(name.encode()).digest())
    eighth = max(1, round(len(images) / 8))
    val, test = (min(eighth, max(0, len(images) - others)) for others in (1, 1 + eighth))
    where = dict.fromkeys(order, "train") | dict.fromkeys(order[:val], "val")
    where |= dict.fromkeys(order[val : val + test], "test")
    return {split: [name for name in images if where[name] == split] for split in SPLITS}


def read_table(archive: Archive, name: str) -> tuple[dict, dict]:
    """Read a table of captions.

    Returns: dict from image to captions; dict from split to images, {} where no column tells
    Raises: DataError naming the file and the line that is no row
    """
    label = archive.label(name)
    numbered = lines(archive, name)
    head = numbered[0][1] if numbered else ""
    delimiter = next((each for each in "|\t;" if each in head), ",")
    columns = [column.strip().strip('"').lower() for column in head.split(delimiter)]
    picture, text = (
        next((columns.index(each) for each in known if each in columns), None)
        for known in (_PICTURE, _CAPTION)
    )
    if picture is None or text is None:
        refuse([label], "the first line does not name the columns, such as 'image,caption'")
    captions: dict[str, list[str]] = {}
    splits: dict[str, dict[str, None]] = {}
    for number, row in _rows(archive, numbered[1:], delimiter, columns, label):
        image = row[picture].strip()
        if not image:
            refuse((label, "line", number), "names no picture")
        captions.setdefault(image, []).append(row[text])
        if "split" in columns:
            split = row[columns.index("split")].strip().lower()
            splits.setdefault(_CALLED.get(split, split), {})[image] = None
    return captions, {split: list(images) for split, images in splits.items()}


def _rows(
    archive: Archive, numbered: list, delimiter: str, columns: list[str], label: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line of each row of a table, and its fields in the order of columns.

    A quote that opens a caption and is not closed stands for itself, unless the lines below
    belong to the caption: they do where they do not begin with a picture's name.
    """
    k = 0
    while k < len(numbered):
        number, row = numbered[k]
        fields, end = None, k + 1
        while delimiter != "|":  # of Flickr30k, where a quote is a quote
            with contextlib.suppress(csv.Error):
                reader = csv.reader([row], delimiter=delimiter, skipinitialspace=True, strict=True)
                fields, k = next(reader), end
                break
            following = numbered[end][1] if end < len(numbered) and len(row) < _LARGEST else ""
            if not following or _names_picture(archive, following.split(delimiter)[0]):
                break
            row, end = f"{row}\n{following}", end + 1
        if fields is None:  # as it stands
            row, k = numbered[k][1], k + 1
            fields = row.split(delimiter)
        where = (label, "line", number)
        if len(row) >= _LARGEST:
            refuse(where, f"holds more than {_LARGEST:,} characters")
        if len(fields) > len(columns) and columns[-1] in _CAPTION:  # commas that nobody quoted
            fields = row.split(delimiter, len(columns) - 1)
        # as line 19,999 of Flickr30k's, "2199200615.jpg| 4   A dog runs across the grass ."
        joined = re.fullmatch(r"\s*(\d+)\s+(.*)", fields[-1], re.DOTALL)
        if joined and len(fields) == len(columns) - 1 == 2:
            fields = [fields[0], *joined.groups()]
        if len(fields) != len(columns):
            found = f"{len(fields)} fields where {len(columns)} were expected"
            remedy = f"quote captions that hold a {delimiter!r}"
            refuse(where, f"{found} ({', '.join(columns)}); {remedy}")
        yield number, fields


def _names_picture(archive: Archive, field: str) -> bool:
    name = field.strip().strip('"').replace("\\", "/")
    return name.lower().endswith(_SUFFIXES) or name.rpartition("/")[2] in archive.called


def _split_of(name: str) -> str:
    """Return the split that a file's folders are called after, or ""."""
    named = [_CALLED.get(part, part) for part in name.lower().split("/")[:-1]]
    return next((part for part in reversed(named) if part in SPLITS), "")


def _content(archive: Archive, captions: dict, images: Iterable[str], above: str = "") -> Content:
    """Make the content of a split; `above`: the folder of its table, where pictures may lie."""
    records = []
    for image in images:
        path = archive.find(f"{above}/{image}") if above else None
        path = path or archive.find(image, _FOLDERS)
        records.append(Record(image, image, path, captions.get(image, []), archive))
    return Content(records)


def _read_table(archive: Archive, split: str, name: str) -> Content:
    """Read a table of all pictures, or one for each split in the folder of its pictures."""
    tables = {_split_of(each): each for each in archive.called.get(name, ())}
    if "" not in tables and split not in tables:
        return Content([])
    table = archive.require(name) if "" in tables else tables[split]
    captions, splits = read_table(archive, table)
    if "" not in tables:
        images = list(captions)
    elif name == "captions.txt" and any(each in archive.called for each in _LISTS.values()):
        images = _listed(archive, split)
    else:
        images = (splits or split_by_name(captions)).get(split, [])
    return _content(archive, captions, images, table.rpartition("/")[0])


def _read_tokens(archive: Archive, split: str, name: str) -> Content:
    """Read lines of name.jpg#number, a tab and a caption."""
    captions: dict[str, list[str]] = {}
    file = archive.require(name)
    for number, line in lines(archive, file):
        key, tab, caption = line.partition("\t")
        image, number_sign, _ = key.rpartition("#")
        if not (tab and number_sign):
            where = (archive.label(file), "line", number)
            refuse(where, "expected name.jpg#number, a tab and a caption")
        captions.setdefault(image, []).append(caption)
    flickr8k = name == "Flickr8k.token.txt"
    images = _listed(archive, split) if flickr8k else split_by_name(captions)[split]
    return _content(archive, captions, images)


def _listed(archive: Archive, split: str) -> list[str]:
    """List the images of a split of Flickr8k in the authors' order."""
    name = archive.find(_LISTS[split])
    if name is None:
        refuse([archive.path], f"{_LISTS[split]} is missing; put it beside the others")
    return list(dict.fromkeys(line.strip() for _, line in lines(archive, name)))


def _described(archive: Archive) -> dict[str, str]:
    """Map each picture that has a .txt of its name beside it to that."""
    files = set(archive.files())
    pictures = [each for each in archive.files() if each.lower().endswith(_SUFFIXES)]
    texts = {each: each.rpartition(".")[0] + ".txt" for each in pictures}
    return {picture: text for picture, text in texts.items() if text in files}


def _read_texts(archive: Archive, split: str) -> Content:
    pairs = _described(archive)
    splits = {picture: _split_of(picture) for picture in pairs}
    if "" in splits.values():
        splits = {picture: s for s, several in split_by_name(pairs).items() for picture in several}
    records = [
        Record(image, image, image, [line for _, line in lines(archive, text)], archive)
        for image, text in pairs.items()
        if splits[image] == split
    ]
    return Content(records)


def _one(name: str, read: Callable = _read_table, folders: tuple[str, ...] = ()) -> Format:
    """Make the format of one file that holds all splits."""
    return Format({split: [name] for split in SPLITS}, functools.partial(read, name=name), folders)


FORMATS = {
    "flickr8k": Format(
        {split: ["Flickr8k.token.txt", file] for split, file in _LISTS.items()},
        functools.partial(_read_tokens, name="Flickr8k.token.txt"),
        FLICKR8K,
    ),
    "flickr8k-kaggle": _one("captions.txt", folders=("images",)),
    "flickr30k": _one("results.csv", folders=FLICKR30K),
    "flickr30k-token": _one("results_20130124.token", _read_tokens, FLICKR30K),
    "captions-csv": _one("captions.csv"),
    "metadata-csv": _one("metadata.csv"),
    "texts": Format(
        {split: ["a .txt beside each picture"] for split in SPLITS},
        _read_texts,
        there=lambda archive: bool(_described(archive)),
    ),
}
