"""`python -m helpers data`, as a user meets it."""

import layouts
import pytest
from layouts import write_files, write_zip

from helpers.__main__ import main


def run(capsys, *arguments):
    assert main(["data", *map(str, arguments)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_what_a_data_set_holds(tmp_path, capsys):
    write_files(tmp_path, layouts.flickr8k_images(4) | layouts.flickr8k_text(4))
    printed = run(capsys, tmp_path)
    assert printed.startswith(f"{tmp_path}: flickr8k split images captions no file")
    assert "train 3 15 0 0 0" in printed and "val 1 5 0 0 0" in printed
    assert "vocabulary: 8 words at a minimum count of 5, 4 of them special" in printed
    assert "train: Flicker8k_Dataset/0_ab.jpg A dog number 0 runs ." in printed


def test_several_data_sets_share_a_vocabulary(tmp_path, capsys):
    first = write_zip(tmp_path / "a.zip", layouts.coco(count=1))
    second = write_zip(tmp_path / "b.zip", layouts.flickr8k_images(2) | layouts.flickr8k_text(2))
    printed = run(capsys, first, second, "--min-count", "2")
    assert f"{first}: coco2017" in printed and f"{second}: flickr8k" in printed
    # "0" to "4" stand once in each of the two, and so twice in all
    assert "vocabulary: 13 words at a minimum count of 2" in printed
    assert "vocabulary: 8 words at a minimum count of 2" in run(capsys, first, "--min-count", "2")
    assert printed.count("vocabulary") == 1


def test_options(tmp_path, capsys):
    write_files(tmp_path, layouts.coco("train2014") | layouts.coco("train2017"))
    options = ["--format", "coco2014", "--min-count", "1", "--examples", "1"]
    printed = run(capsys, tmp_path, *options)
    assert "coco2014" in printed and "vocabulary: 13 words at a minimum count of 1" in printed
    assert "train2014/000000000000.jpg" in printed and "train2014/000000000001.jpg" not in printed


def test_missing_files_are_counted_and_listed(tmp_path, capsys):
    content = layouts.coco_captions(15)
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != 1]
    files = layouts.coco_images(3) | {"captions_train2017.json": content}
    write_zip(tmp_path / "a.zip", files)
    printed = run(capsys, tmp_path)
    assert "train 2 10 12 1 0" in printed
    assert "train, no file: 000000000003.jpg," in printed and "000000000013.jpg" not in printed
    assert "and 2 more (--all)" in printed
    assert "train, no caption: 000000000001.jpg" in printed
    assert "000000000013.jpg" in run(capsys, tmp_path, "--all")


def test_annotations_without_any_image_are_shown_too(tmp_path, capsys):
    write_files(tmp_path, layouts.flickr8k_text())
    printed = run(capsys, tmp_path)
    assert "train 0 0 2 0 0" in printed and "vocabulary: none, since no image" in printed


def test_broken_pictures_are_found(tmp_path, capsys):
    write_files(tmp_path, layouts.coco("train") | {"train/000000000001.jpg": b"oops"})
    printed = run(capsys, tmp_path, "--open")
    assert "train: 3 pictures opened, 1 broken" in printed
    assert "000000000001.jpg: not an image" in printed


def test_captions_that_came_as_ids(tmp_path, capsys):
    printed = run(capsys, write_zip(tmp_path / "coco_captioning.zip", layouts.cs231n()))
    assert "cs231n" in printed and "train 2 3 0 1 0" in printed
    assert "vocabulary: 8 words came with the captions" in printed
    assert "train: http://a/train1.jpg a dog runs a <UNK> runs" in printed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        ([__file__], "not a folder or zip"),
        (["."], "no captioned data set found; looked for flickr8k"),
        (["scenes", "--format", "coco2015"], "format: expected one of flickr8k"),
    ],
)
def test_a_users_mistake_is_named(arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    printed = capsys.readouterr()
    assert named in printed.err and len(printed.err.splitlines()) == 1 and printed.out == ""
