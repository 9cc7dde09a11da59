"""The built-in data set on disk: pictures, captions and boxes in COCO's own layout."""

import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from data.scenes.drawing import draw_scene
from data.scenes.kinds import KINDS, SIZE
from helpers.files import DataError, read_json, write_json

VERSION = 1  # to be raised whenever the same seed gives other pictures or captions
CATEGORY_IDS = {kind: number for number, kind in enumerate(KINDS, start=1)}
RECORD = "scenes.json"  # what a complete data set was made from


def generate_scenes(folder, train=1600, val=200, seed=0, workers=None):
    """Draw the built-in data set into a folder, in the layout and the JSON of COCO Captions.

    The folder gets `train/` and `val/` with PNG pictures, and `annotations/` with
    `captions_{train,val}.json` and `instances_{train,val}.json`. It appears under its name only
    once it is complete, and nothing is drawn where the same data set already lies. The same
    arguments give the same bytes in each process.

    Inputs:
    - folder: where the data set shall lie
    - train, val: how many pictures, at least 1 of each
    - seed: int or str
    - workers: how many processes draw, None for one; one takes about 6 ms a picture. A script
      that asks for more must start from `if __name__ == "__main__":`

    Returns: the folder, a `pathlib.Path`

    Raises: DataError when the folder holds something else; ValueError on a bad number
    """
    workers = 1 if workers is None else workers
    for name, count in (("train", train), ("val", val), ("workers", workers)):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{name}: expected an integer of at least 1, got {count!r}")
    folder = Path(folder).resolve()
    record = {"version": VERSION, "train": train, "val": val, "seed": seed}
    if _holds(folder, record):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryDirectory(prefix=_prefix(folder), dir=folder.parent) as temporary:
        drawn = Path(temporary) / "drawn"
        _write_split(drawn, "train", range(1, train + 1), seed, workers)
        _write_split(drawn, "val", range(train + 1, train + val + 1), seed, workers)
        write_json(drawn / RECORD, record)
        _move_into_place(drawn, folder, record)
    return folder


def _holds(folder, record):
    """Return whether the folder is a complete data set made from the same settings.

    Raises: DataError when it holds what is not ours to replace.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / RECORD).is_file():
        raise DataError(f"{folder}: holds other things than scenes; name a new or empty folder")
    return read_json(folder / RECORD) == record


def _prefix(folder):
    return f".{folder.name}-drawing-"


def _sweep(folder):
    """Remove what processes that were killed have left beside the folder over an hour ago."""
    for left in folder.parent.glob(f"{_prefix(folder)}*"):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


def _move_into_place(drawn, folder, record):
    """Give the drawn folder its name, in place of an older data set where there is one."""
    if folder.exists():
        os.replace(folder, drawn.with_name("older"))  # goes with the temporary folder
    try:
        os.replace(drawn, folder)
    except OSError:
        if not _holds(folder, record):  # else another process was the first to finish
            raise


def _draw_file(number, folder, split, seed):
    """Draw one picture into its split's folder; return what COCO's JSON says about it.

    Returns: the entry of the image, those of its captions and those of its objects
    """
    picture, captions, objects = draw_scene(f"{seed}/{split}/{number}")
    name = f"{number:06d}.png"
    # A higher level of compression costs more time than its smaller files save.
    picture.save(folder / split / name, compress_level=1)
    return (
        {"id": number, "file_name": name, "width": SIZE, "height": SIZE},
        [{"image_id": number, "caption": caption} for caption in captions],
        [
            {
                "image_id": number,
                "category_id": CATEGORY_IDS[found["category"]],
                "bbox": found["bbox"],
                "area": found["area"],
                "iscrowd": 0,
            }
            for found in objects
        ],
    )


def _write_split(folder, split, numbers, seed, workers):
    """Draw the pictures of one split and write its two annotation files."""
    (folder / split).mkdir(parents=True)
    draw = partial(_draw_file, folder=folder, split=split, seed=seed)
    if workers == 1:
        drawn = list(map(draw, numbers))
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(draw, numbers, chunksize=20))
    images, captions, objects = zip(*drawn, strict=False)
    content: dict[str, object] = {
        "info": {"description": f"Scenes, {split}", "version": str(VERSION)},
        "licenses": [],
        "images": images,
    }
    categories = [{"id": number, "name": kind} for kind, number in CATEGORY_IDS.items()]
    annotations = folder / "annotations"
    content["annotations"] = _number(captions)
    write_json(annotations / f"captions_{split}.json", content)
    content |= {"annotations": _number(objects), "categories": categories}
    write_json(annotations / f"instances_{split}.json", content)


def _number(annotations):
    """Return the annotations of all images in one list, with ids from 1."""
    return [{"id": k, **each} for k, each in enumerate(chain.from_iterable(annotations), start=1)]
