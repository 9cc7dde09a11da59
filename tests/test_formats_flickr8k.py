import re

import layouts
import pytest
from layouts import (
    CAPTIONS,
    described,
    flickr8k_folder,
    flickr8k_two_folders,
    flickr8k_zips,
    write_files,
    write_zip,
)

from helpers.coco import load_captions
from helpers.files import DataError


@pytest.mark.parametrize("write", [flickr8k_zips, flickr8k_folder, flickr8k_two_folders])
def test_flickr8k(tmp_path, write):
    folder = write(tmp_path)
    train, val = (load_captions(folder, split, strict=True) for split in ("train", "dev"))
    assert described(train) == ("flickr8k", "train", 2, {tuple(CAPTIONS)})
    assert described(val) == ("flickr8k", "val", 1, {tuple(CAPTIONS)})
    assert train.ids == ["0_ab.jpg", "1_ab.jpg"] and val.ids == ["2_ab.jpg"]
    assert train.image(1).size == (8, 6)


@pytest.mark.parametrize("packed", [True, False])
def test_flickr8k_from_kaggle(tmp_path, packed):
    files = layouts.kaggle(64)
    source = write_zip(tmp_path / "archive.zip", files) if packed else write_files(tmp_path, files)
    parts = {split: load_captions(source, split, strict=True) for split in ("train", "val", "test")}
    assert {part.name for part in parts.values()} == {"flickr8k-kaggle"}
    ids = [image for part in parts.values() for image in part.ids]
    assert sorted(ids) == sorted(set(ids)) == sorted(f"{k}_ab.jpg" for k in range(64))
    assert [len(parts[split]) for split in ("train", "val", "test")] == [48, 8, 8]
    assert parts["val"].captions[0] == [f"A dog, number {k}, runs ." for k in range(5)]
    assert parts["val"].image(0).mode == "RGB"


def test_flickr8k_from_kaggle_uses_the_authors_lists_beside_it(tmp_path):
    lists = layouts.flickr8k_text()
    del lists["Flickr8k.token.txt"]
    write_files(tmp_path, layouts.kaggle() | lists)
    assert load_captions(tmp_path, "val").ids == ["2_ab.jpg"]
    assert load_captions(tmp_path, "train").ids == ["0_ab.jpg", "1_ab.jpg"]


def test_no_image_is_in_two_splits_when_one_of_the_lists_is_missing(tmp_path):
    lists = layouts.flickr8k_text()
    del lists["Flickr8k.token.txt"]
    write_files(tmp_path, layouts.kaggle(64) | lists)
    with pytest.raises(DataError, match=r"Flickr_8k\.testImages\.txt is missing"):
        load_captions(tmp_path, "test")


def test_an_image_that_a_list_names_twice_comes_once(tmp_path):
    texts = layouts.flickr8k_text() | {
        "Flickr_8k.trainImages.txt": "1_ab.jpg\r\n0_ab.jpg\n1_ab.jpg"
    }
    write_files(tmp_path, layouts.flickr8k_images() | texts)
    assert load_captions(tmp_path, "train").ids == ["1_ab.jpg", "0_ab.jpg"]


def test_an_unusual_character_does_not_break_a_line_of_flickr8k(tmp_path):
    token = "0_ab.jpg#0\tA caf\u00e9\u2028sign\x85 .\r\n0_ab.jpg#1\tA dog .\r\n\r\n"
    texts = layouts.flickr8k_text() | {"Flickr8k.token.txt": token}
    write_files(tmp_path, layouts.flickr8k_images() | texts)
    data = load_captions(tmp_path, "train")
    assert data.captions == [["A caf\u00e9 sign .", "A dog ."]]
    assert data.uncaptioned == ["1_ab.jpg"]


BAD_TEXTS = {
    "no tab": ("Flickr8k.token.txt", "0_ab.jpg#0 A dog .\n", "line 1: expected name.jpg#number"),
    "no number": ("Flickr8k.token.txt", "\n0_ab.jpg\tA dog .\n", "line 2: expected name.jpg#num"),
    "not UTF-8": ("Flickr8k.token.txt", b"0_ab.jpg#0\tcaf\xe9\n", "not UTF-8 text"),
    "binary list": ("Flickr_8k.trainImages.txt", b"\xff\xd8\xff", "not UTF-8 text"),
}


@pytest.mark.parametrize("kind", BAD_TEXTS)
def test_bad_texts_of_flickr8k_are_refused_by_name(tmp_path, kind):
    name, content, reason = BAD_TEXTS[kind]
    files = layouts.flickr8k_images() | layouts.flickr8k_text() | {name: content}
    with pytest.raises(DataError, match=rf"{re.escape(name)}.* {reason}"):
        load_captions(write_files(tmp_path, files), "train")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0_ab.jpg,A dog .\n", "the first line does not name the columns"),
        ("", "the first line does not name the columns"),
        ("image,caption\n0_ab.jpg\n", "line 2: 1 fields where 2 were expected"),
        ('image,caption\n0_ab.jpg,"' + "x" * 200_000, "line 2: holds more than 131,072"),
    ],
)
def test_bad_captions_of_kaggle_are_refused_by_name(tmp_path, content, reason):
    files = layouts.kaggle() | {"captions.txt": content}
    with pytest.raises(DataError, match=rf"captions\.txt.* {reason}"):
        load_captions(write_files(tmp_path, files), "train")
