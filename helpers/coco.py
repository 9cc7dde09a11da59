"""Data sets of captioned images, all in one representation, whatever they are stored as."""

import functools
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PIL import Image

from helpers.files import DataError
from helpers.formats import FORMATS, Record, choose_format
from helpers.formats.archive import Archive
from helpers.settings import DATA
from helpers.vocabulary import Vocabulary

SPLITS = ("train", "val", "test", "restval", "train+restval")


class CaptionedImages:
    """N images, each with its captions.

    name: the kind of data set ("flickr8k", "coco2017", "scenes", ...); split: "train", ...
    ids: N int or str, as the data set numbers its images
    files: N str, where each image lies inside the folder or archive, or its address
    captions: N lists of at least one str
    vocabulary: the Vocabulary that came with the captions, or None where none did
    missing, uncaptioned: images left out since their file is not there, or nobody described them
    blank: how many captions were left out since they hold no text
    """

    def __init__(
        self, name: str, split: str, records: Iterable[Record], boxes: Callable | None = None,
        vocabulary: Vocabulary | None = None, features: Callable | None = None,
    ) -> None:  # fmt: skip
        """Keep the records that have both a file and captions, and note the others.

        Inputs: as the attributes, and as of `formats.Content`; features: reads them, (I, C)
        """
        self.name, self.split, self.vocabulary = name, split, vocabulary
        self.ids, self.files, self.captions, self._pictures = [], [], [], []
        self.missing, self.uncaptioned, self.blank = [], [], 0
        self._boxes, self._features = boxes, features
        for record in records:
            captions = [" ".join(caption.split()) for caption in record.captions]
            worded = list(filter(None, captions))
            self.blank += len(captions) - len(worded)
            if record.path is None:
                self.missing.append(record.file)
            elif not worded:
                self.uncaptioned.append(record.file)
            else:
                self.ids.append(record.id)
                self.files.append(record.path)
                self.captions.append(worded)
                self._pictures.append(record.pictures)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        captions = sum(map(len, self.captions))
        text = f"{self.name} {self.split}: {len(self):,} images, {captions:,} captions"
        return f"{text}; left out: {self.left_out()}" if self.left_out() else text

    def left_out(self) -> str:
        """Tell in words what was left out and why; "" when nothing was."""
        parts = [
            f"images without a {what}: {len(names):,} (first {names[0]})"
            for what, names in (("file", self.missing), ("caption", self.uncaptioned))
            if names
        ]
        return ", ".join(parts + [f"captions without text: {self.blank:,}"] * (self.blank > 0))

    @functools.cached_property
    def boxes(self) -> list[list[tuple]] | None:
        """List per image the (category, x, y, width, height) of its objects, in pixels.

        x and y are the top left corner. None where the data set says nothing about objects.
        """
        if self._boxes is None:
            return None
        boxes = self._boxes()
        return [boxes.get(image_id, []) for image_id in self.ids]

    @functools.cached_property
    def features(self) -> np.ndarray | None:
        """Return the data set's own features, as CS231n has some, float32 (N, C), or None."""
        return None if self._features is None else self._features()[self.ids]

    def image(self, i: int) -> Image.Image:
        """Open image `i` as RGB. Raises: DataError naming the file; ImageError if it is broken."""
        return self._pictures[i].image(self.files[i])

    def fingerprint(self, i: int) -> str:
        """Return a short string that changes as soon as the file of image `i` does."""
        return self._pictures[i].fingerprint(self.files[i])

    def records(self, choice: Iterable[int]) -> list[Record]:
        """Return images of some indices as records."""
        columns = self.ids, self.files, self.files, self.captions, self._pictures
        return [Record._make(column[i] for column in columns) for i in choice]

    def subset(self, choice: int | Iterable[int]) -> "CaptionedImages":
        """Take the first so many images, or those of some indices, as a data set of its own."""
        if not isinstance(choice, Iterable):
            choice = range(min(choice, len(self)))
        records, more = self.records(choice), (self._boxes, self.vocabulary, self._features)
        return CaptionedImages(self.name, self.split, records, *more)


def load_captions(
    source: Any, split: str, format: str | None = None, strict: bool = False, aside: int = 0
) -> CaptionedImages:
    """Open one split of a data set of captioned images, or of several as if they were one.

    Inputs:
        source: "scenes" for the built-in data set (drawn on first use), or the path of a folder,
            a zip archive, a folder that holds the zip archives, or EECS 498's coco.pt; nothing is
            unpacked. Or a list of several of these
        split: "train", "val" (also "dev"), "test", "restval" or "train+restval"
        format: a key of `formats.FORMATS`, to say what it is; None to look
        strict: refuse incomplete data, instead of leaving out and counting what is missing
        aside: how many pictures of the training split to return as "val" instead, where a data
            set has no such split
    Raises: ValueError for a split or a format that there is not; DataError naming the file and
        the remedy
    """
    if isinstance(source, (list, tuple)):
        parts = [load_captions(each, split, format, strict, aside) for each in source]
        return parts[0] if len(parts) == 1 else _join(parts)
    split = "val" if split == "dev" else split
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    archive, kind = find_data(source, format)
    splits = FORMATS[kind].splits(archive)
    divided = aside > 0 and "val" not in splits and split in ("train", "val")
    if ("train" if divided else split) not in splits:
        there = ", ".join(splits)
        raise DataError(f"{archive.path}: no split '{split}' of {kind} here; there is {there}")
    data = read_split(archive, kind, "train" if divided else split)
    if divided:
        kept = _keep_aside(data, aside)
        data = data.subset(kept if split == "val" else sorted(set(range(len(data))) - set(kept)))
        data.split = split
    if source == "scenes":
        data.name = source
    left_out = data.left_out()
    if strict and left_out:
        raise DataError(f"{archive.path}: {left_out}; complete the data, or drop 'strict'")
    if len(data) == 0:
        remedy = "put the images or their zip beside" if data.missing else "write captions for them"
        problem = left_out or "it lists no image"
        remedy = remedy if left_out else "add some, or choose another split"
        raise DataError(f"{archive.path}: nothing to use in split '{split}': {problem}; {remedy}")
    return data


def find_data(source: str | os.PathLike, format: str | None = None) -> tuple[Archive, str]:
    """Find the files of a data set, and out what they are; source, format: as `load_captions`.

    Returns: Archive, and a key of `formats.FORMATS`
    Raises: ValueError for a format that there is not; DataError when there is no data set there
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    if source == "scenes":
        from data.scenes import generate_scenes  # drawn first where they are not there

        source = DATA / "drawn"
        generate_scenes(source)
    archive = Archive(source)
    return archive, choose_format(archive, format)


def read_split(archive: Archive, kind: str, split: str) -> CaptionedImages:
    """Read a split that `FORMATS[kind].splits(archive)` lists, whatever is missing of it.

    Raises: DataError naming the file and the remedy
    """
    return CaptionedImages(kind, split, *FORMATS[kind].read(archive, split))


def _keep_aside(data: CaptionedImages, count: int) -> list[int]:
    """Choose pictures of a training split, evenly spread over those with five captions or more.

    Where there are too few of these, they are spread over all. The choice is the same each time.
    """
    if count >= len(data):
        raise DataError(f"{data}: of these, {count:,} cannot be kept aside; choose fewer")
    well_described = [i for i, several in enumerate(data.captions) if len(several) >= 5]
    choice = np.arange(len(data)) if len(well_described) < count else np.array(well_described)
    return choice[np.linspace(0, len(choice) - 1, count).round().astype(int)].tolist()


def _join(parts: list[CaptionedImages]) -> CaptionedImages:
    """Make one data set of several; ids begin with the number of their own."""
    records = [
        record._replace(id=f"{number}/{record.id}")
        for number, part in enumerate(parts)
        for record in part.records(range(len(part)))
    ]
    boxes = functools.partial(_boxes, parts) if any(part._boxes for part in parts) else None
    name = "+".join(part.name for part in parts)
    joined = CaptionedImages(name, parts[0].split, records, boxes)
    for part in parts:
        joined.missing += part.missing
        joined.uncaptioned += part.uncaptioned
        joined.blank += part.blank
    return joined


def _boxes(parts: list[CaptionedImages]) -> dict:
    return {
        f"{number}/{image_id}": boxes
        for number, part in enumerate(parts)
        for image_id, boxes in zip(part.ids, part.boxes or [[]] * len(part), strict=True)
    }
