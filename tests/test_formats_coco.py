import re

import layouts
import pytest
from layouts import (
    CAPTIONS,
    coco_folder,
    coco_images_folder,
    coco_one_zip,
    coco_zips,
    described,
    write_files,
)
from PIL import Image

from helpers.coco import load_captions
from helpers.files import DataError


@pytest.mark.parametrize("write", [coco_folder, coco_images_folder, coco_one_zip, coco_zips])
@pytest.mark.parametrize("split", ["train2014", "val2017", "val", "test"])
def test_coco(tmp_path, write, split):
    data = load_captions(write(tmp_path, split), re.match("[a-z]+", split)[0], strict=True)
    name = "coco" + split.lstrip("abcdefghijklmnopqrstuvwxyz")
    assert described(data) == (name, split.rstrip("01247"), 3, {tuple(CAPTIONS)})
    assert data.ids == [0, 1, 2]
    assert data.boxes == [[("dog", 1.5, 2, 3, 4), ("boat", 0, 0, 5, 5)], [], []]
    assert data.image(0).size == (8, 6)


def test_instances_are_read_only_when_asked_for(tmp_path):
    files = layouts.coco() | {"annotations/instances_train2017.json": "{"}
    data = load_captions(write_files(tmp_path, files), "train")
    with pytest.raises(DataError, match=r"instances_train2017\.json: not JSON"):
        data.boxes  # noqa: B018


def test_images_of_two_splits_with_the_same_name_are_told_apart(tmp_path):
    write_files(tmp_path, layouts.coco("train", 1) | layouts.coco("val", 1))
    Image.new("RGB", (40, 30)).save(tmp_path / "val" / "000000000000.jpg")
    assert load_captions(tmp_path, "train").image(0).size == (8, 6)
    assert load_captions(tmp_path, "val").image(0).size == (40, 30)
    assert load_captions(tmp_path, "val").files == ["val/000000000000.jpg"]
    (tmp_path / "train" / "000000000000.jpg").unlink()
    with pytest.raises(DataError, match="images without a file: 1"):
        load_captions(tmp_path, "train")


def test_a_file_name_may_hold_its_folder(tmp_path):
    content = layouts.coco_captions(1)
    content["images"][0]["file_name"] = "Photos/000000000000.jpg"
    write_files(tmp_path, {"captions_val.json": content} | layouts.coco_images(1, "Photos"))
    assert load_captions(tmp_path, "val").files == ["Photos/000000000000.jpg"]


def changed(path, value):
    """Give COCO captions in which the entry at a path of keys is another, or left out."""
    content = layouts.coco_captions()
    target = content
    for key in path[:-1]:
        target = target[key]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return content


BAD_CAPTIONS = {
    "not JSON": ("{", "not JSON"),
    "cut off": ('{"images": [{"id": 1', "not JSON.*fetch it again"),
    "a list": ([], "'images' is missing"),
    "no images": (changed(["images"], None), "'images' is missing"),
    "no annotations": (changed(["annotations"], None), "'annotations' is missing"),
    "images is a dict": (changed(["images"], {"a": 1}), "'images' is .*expected list"),
    "no id": (changed(["images", 1, "id"], None), "images 1: 'id' is missing"),
    "no file name": (changed(["images", 2, "file_name"], None), "images 2: 'file_name' is missing"),
    "file name a number": (
        changed(["images", 2, "file_name"], 7),
        "'file_name' is 7; expected str",
    ),
    "id a list": (changed(["images", 0, "id"], [1]), "images 0: 'id' is .*expected int or str"),
    "id true": (changed(["images", 1, "id"], True), "images 1: 'id' is True; expected int or str"),
    "same id twice": (changed(["images", 0, "id"], 1), "images 1: id 1 stands twice"),
    "image is null": (changed(["images", 1], 5), "images 1: 'id' is missing"),
    "unknown image": (
        changed(["annotations", 4, "image_id"], 99),
        "annotations 4: image 99 is not among 'images'",
    ),
    "id as text": (changed(["annotations", 4, "image_id"], "1"), "image '1' is not among"),
    "no image id": (changed(["annotations", 4, "image_id"], None), "annotations 4: 'image_id'"),
    "no caption": (
        changed(["annotations", 3, "caption"], None),
        "annotations 3: 'caption' is miss",
    ),
    "caption a number": (changed(["annotations", 3, "caption"], 5), "'caption' is 5; expected str"),
    "caption true": (changed(["annotations", 3, "caption"], True), "'caption' is True"),
}


@pytest.mark.parametrize("kind", BAD_CAPTIONS)
def test_bad_coco_annotations_are_refused_by_name(tmp_path, kind):
    content, reason = BAD_CAPTIONS[kind]
    write_files(tmp_path, layouts.coco() | {"annotations/captions_train2017.json": content})
    with pytest.raises(DataError, match=rf"captions_train2017\.json.* {reason}"):
        load_captions(tmp_path, "train")


BAD_INSTANCES = {
    "no categories": ({"annotations": []}, "'categories' is missing"),
    "no annotations": ({"categories": []}, "'annotations' is missing"),
    "unknown category": (
        {"categories": [], "annotations": [{"image_id": 0, "category_id": 1, "bbox": [0] * 4}]},
        "annotations 0: its category is not in 'categories'",
    ),
    "short box": (
        {
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [{"image_id": 0, "category_id": 1, "bbox": [0, 1, 2]}],
        },
        "annotations 0: bbox .0, 1, 2. is not x, y, width, height",
    ),
    "box of text": (
        {
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [{"image_id": 0, "category_id": 1, "bbox": ["a"] * 4}],
        },
        "is not x, y, width, height",
    ),
}


@pytest.mark.parametrize("kind", BAD_INSTANCES)
def test_bad_instances_are_refused_by_name(tmp_path, kind):
    content, reason = BAD_INSTANCES[kind]
    write_files(tmp_path, layouts.coco() | {"annotations/instances_train2017.json": content})
    data = load_captions(tmp_path, "train")
    with pytest.raises(DataError, match=rf"instances_train2017\.json.* {reason}"):
        data.boxes  # noqa: B018
