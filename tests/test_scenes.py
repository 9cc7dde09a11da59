"""The pictures of the built-in data set and its files: reproducible, true boxes, never half."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from data.scenes import dataset, draw_scene, drawing, generate_scenes
from data.scenes.drawing import draw_picture
from data.scenes.kinds import CONTENTS, KINDS
from data.scenes.layout import sample_scene
from helpers.coco import load_captions
from helpers.files import DataError

ROOT = Path(__file__).resolve().parents[1]
SCENES = [sample_scene(f"test/{number}") for number in range(400)]
DRAWN = {}


def drawn(scene):
    """Return the objects of a scene, drawn once for all tests."""
    if scene not in DRAWN:
        DRAWN[scene] = draw_picture(scene)[1]
    return DRAWN[scene]


def contents(folder):
    """Return the bytes of every file in a folder by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    return generate_scenes(tmp_path_factory.mktemp("small") / "scenes", train=5, val=3, seed=7)


# The same from the same seed


def test_another_process_draws_the_same_bytes(small_set, tmp_path):
    other = tmp_path / "other"
    program = f"from data.scenes import generate_scenes as g; g({str(other)!r}, 5, 3, 7)"
    environment = {**os.environ, "PYTHONHASHSEED": "99"}
    command = [sys.executable, "-W", "error", "-c", program]
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    assert contents(other) == contents(small_set)


def test_two_workers_draw_the_same_bytes(small_set, tmp_path):
    several = generate_scenes(tmp_path / "scenes", train=5, val=3, seed=7, workers=2)
    assert contents(several) == contents(small_set)


def test_another_seed_draws_other_pictures(small_set, tmp_path):
    other = contents(generate_scenes(tmp_path / "scenes", train=5, val=3, seed=8))
    pictures = [name for name in other if name.endswith(".png")]
    assert len(pictures) == 8
    assert not any(contents(small_set)[name] == other[name] for name in pictures)


def test_no_validation_scene_is_a_training_scene():
    layouts = {
        split: {replace(sample_scene(f"0/{split}/{number}"), look=0) for number in numbers}
        for split, numbers in (("train", range(1, 1601)), ("val", range(1601, 1801)))
    }
    assert len(layouts["train"]) == 1600 and len(layouts["val"]) == 200
    assert not layouts["train"] & layouts["val"]


# The pictures


def test_there_is_enough_to_see():
    kinds = Counter(thing.kind for scene in SCENES for thing in scene.things)
    assert set(kinds) == set(KINDS) and len(kinds) >= 14
    assert {scene.setting for scene in SCENES} == set(CONTENTS) and len(CONTENTS) >= 5
    assert {scene.relation for scene in SCENES} == {None, "beside", "above", "on", "under"}
    assert {len(scene.things) for scene in SCENES} == {1, 2, 3}
    assert {thing.size for scene in SCENES for thing in scene.things} == {"small", "medium", "big"}
    assert all(
        len({thing.colour for scene in SCENES for thing in scene.things if thing.kind == kind}) >= 2
        for kind in ("car", "dog", "ball", "flower")
    )


def test_draw_scene_gives_picture_captions_and_objects():
    picture, captions, objects = draw_scene(3)
    assert (picture.size, picture.mode) == ((224, 224), "RGB")
    assert len(captions) == 5 and 1 <= len(objects) <= 3
    assert set(objects[0]) == {"category", "bbox", "area"}


def test_boxes_lie_inside_and_most_are_large():
    found = [thing for scene in SCENES[:80] for thing in drawn(scene)]
    for thing in found:
        x, y, width, height = thing["bbox"]
        assert min(x, y) >= 0 and x + width <= 224 and y + height <= 224
        assert 0 < thing["area"] <= width * height
    large = sum(max(thing["bbox"][2:]) >= 40 for thing in found)
    assert large / len(found) > 0.95


def test_boxes_are_where_a_thing_changes_the_picture(monkeypatch):
    """The oracle: the box of all pixels that differ between the picture with and without it."""
    monkeypatch.setattr(drawing, "_add_below", lambda *arguments: None)
    monkeypatch.setattr(drawing, "_add_above", lambda *arguments: None)
    for scene in SCENES[:40]:
        for thing in scene.things:
            empty, _ = draw_picture(replace(scene, things=()))
            picture, (found,) = draw_picture(replace(scene, things=(thing,)))
            change = ImageChops.difference(empty, picture).convert("L").point(lambda v: v > 24)
            x, y, width, height = found["bbox"]
            changed = change.getbbox()
            assert changed == pytest.approx((x, y, x + width, y + height), abs=4)


def test_nothing_hides_another_thing_more_than_slightly():
    touching = [scene for scene in SCENES if scene.relation in ("on", "under")]
    assert len(touching) > 20
    for scene in touching:
        for thing, found in zip(scene.things, drawn(scene), strict=False):
            (alone,) = draw_picture(replace(scene, things=(thing,)))[1]
            assert found["bbox"] == alone["bbox"]
            assert found["area"] > 0.75 * alone["area"], (scene, thing.kind)


def test_things_side_by_side_do_not_touch():
    for scene in SCENES:
        if scene.relation not in ("on", "under"):
            for one, two in combinations(scene.things, 2):
                assert apart(one, two), scene


def apart(one, two):
    beside = one.left + one.width <= two.left or two.left + two.width <= one.left
    return beside or one.bottom <= two.top or two.bottom <= one.top


def test_no_drawing_is_cut_off_by_its_layer():
    seen = {(thing.kind, thing.variant): thing for scene in SCENES for thing in scene.things}
    for thing in seen.values():
        layer = drawing._draw_layer(replace(thing, scale=1.5), "meadow")
        left, top, right, bottom = layer.getchannel("A").getbbox()
        assert min(left, top) > 0 and right < layer.width and bottom < layer.height, thing.kind


HUES = {  # in degrees of the colour circle
    "red": (345, 375),
    "brown": (15, 40),
    "orange": (18, 42),
    "yellow": (40, 65),
    "green": (85, 150),
    "blue": (200, 245),
    "purple": (260, 300),
    "pink": (315, 345),
}


def test_a_thing_has_the_colour_that_it_is_said_to_have():
    """Most of its vivid pixels have the hue; things without a hue have few vivid pixels."""
    things = {(each.kind, each.colour): each for scene in SCENES for each in scene.things}
    for (kind, colour), thing in things.items():
        layer = drawing._draw_layer(replace(thing, scale=1.0, variant=""), "meadow")
        pixels = layer.convert("RGB").convert("HSV")
        solid = layer.getchannel("A").point(lambda alpha: 255 * (alpha > 200))
        vivid = pixels.getchannel("S").point(lambda s: 255 * (s > 110))
        hues = pixels.getchannel("H").histogram(ImageChops.darker(solid, vivid))
        if colour in HUES:
            low, high = (round(degrees / 360 * 256) for degrees in HUES[colour])
            near = sum(hues[hue % 256] for hue in range(low, high + 1))
            assert near > 0.5 * sum(hues), (kind, colour)
        elif colour is not None:
            assert sum(hues) < 0.5 * solid.histogram()[255], (kind, colour)


# The data set on disk


def test_the_json_is_that_of_coco(small_set):
    seen = set()
    for split, count in (("train", 5), ("val", 3)):
        captions, instances = (
            json.loads((small_set / f"annotations/{kind}_{split}.json").read_text())
            for kind in ("captions", "instances")
        )
        assert captions["images"] == instances["images"] and len(captions["images"]) == count
        images = {image["id"]: image for image in captions["images"]}
        assert not seen & set(images)
        seen |= set(images)
        for image in images.values():
            with Image.open(small_set / split / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"])
        names = {category["id"]: category["name"] for category in instances["categories"]}
        assert sorted(names.values()) == sorted(KINDS)
        for number in images:
            _, said, found = draw_scene(f"7/{split}/{number}")
            assert [
                each["caption"] for each in captions["annotations"] if each["image_id"] == number
            ] == said
            stored = [each for each in instances["annotations"] if each["image_id"] == number]
            assert [
                {"category": names[each["category_id"]], "bbox": each["bbox"], "area": each["area"]}
                for each in stored
            ] == found
            assert all(each["iscrowd"] == 0 for each in stored)
        for annotations in (captions["annotations"], instances["annotations"]):
            assert [each["id"] for each in annotations] == list(range(1, len(annotations) + 1))


def test_the_loader_opens_it_as_coco(small_set):
    data = load_captions(small_set, "val", strict=True)
    picture, captions, objects = draw_scene("7/val/6")
    assert len(data) == 3 and data.captions[0] == captions
    assert data.image(0).tobytes() == picture.tobytes()
    assert [box[0] for box in data.boxes[0]] == [thing["category"] for thing in objects]
    assert [list(box[1:]) for box in data.boxes[0]] == [thing["bbox"] for thing in objects]


def test_a_complete_set_is_not_drawn_again(small_set, monkeypatch):
    monkeypatch.setattr(dataset, "draw_scene", None)
    assert generate_scenes(small_set, train=5, val=3, seed=7) == small_set


def test_other_settings_replace_an_older_set(tmp_path):
    for train in (2, 1):
        folder = generate_scenes(tmp_path / "scenes", train=train, val=1)
        assert len(list((folder / "train").iterdir())) == train
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_a_failure_leaves_nothing_or_the_older_set(tmp_path, monkeypatch):
    folder = tmp_path / "scenes"
    generate_scenes(folder, train=1, val=1)
    before = contents(tmp_path)

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "write_json", fail)
    for target in (folder, tmp_path / "other"):
        with pytest.raises(KeyboardInterrupt):
            generate_scenes(target, train=2, val=1)
    assert contents(tmp_path) == before


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    old, new = (tmp_path / f".scenes-drawing-{name}" for name in ("old", "new"))
    for left in (old, new):
        (left / "drawn").mkdir(parents=True)
    os.utime(old, (time.time() - 4000,) * 2)
    generate_scenes(tmp_path / "scenes", train=1, val=1)
    assert not old.exists() and new.exists()  # the new one may be another process at work


def test_another_process_may_finish_first(tmp_path, monkeypatch):
    move = os.replace

    def finish_first(source, target):
        if Path(target).name == "scenes" and not Path(target).exists():
            monkeypatch.setattr(os, "replace", move)
            generate_scenes(target, train=1, val=1)
        move(source, target)

    monkeypatch.setattr(os, "replace", finish_first)
    folder = generate_scenes(tmp_path / "scenes", train=1, val=1)
    assert len(list(folder.rglob("*.png"))) == 2


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(DataError, match=f"{tmp_path.name}: holds other things"):
        generate_scenes(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"three years of work"}


@pytest.mark.parametrize("options", [{"train": 0}, {"val": -1}, {"train": 2.5}, {"workers": 0}])
def test_a_bad_number_is_named(tmp_path, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        generate_scenes(tmp_path / "scenes", **options)
    assert not (tmp_path / "scenes").exists()
