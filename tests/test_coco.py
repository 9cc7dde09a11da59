import pickle
import re
from collections import Counter
from types import SimpleNamespace

import layouts
import numpy as np
import pytest
from layouts import CAPTIONS, write_files, write_zip
from PIL import Image

from helpers import coco
from helpers.coco import CaptionedImages, load_captions
from helpers.files import DataError
from helpers.images import ImageError


def described(data):
    return data.name, data.split, len(data), set(map(tuple, data.captions))


# The real data


def test_flickr8k_as_published(shared):
    for split, count in (("train", 6000), ("dev", 1000)):
        data = load_captions(shared / "flickr8k", split, strict=True)
        assert (data.name, data.split) == ("flickr8k", {"dev": "val"}.get(split, split))
        assert len(data) == len(set(data.ids)) == len(set(data.files)) == count
        assert Counter(map(len, data.captions)) == {5: count}
        assert data.missing == [] and data.boxes is None
        for i in range(0, count, count // 20):
            assert data.image(i).mode == "RGB" and data.image(i).size == (224, 224)


def test_flickr8k_splits_share_no_image(shared):
    train, val = (load_captions(shared / "flickr8k", split) for split in ("train", "val"))
    assert not set(train.ids) & set(val.ids)


def test_eighty_images_of_coco(shared):
    data = load_captions(shared / "coco_mini" / "coco_mini_train2017.zip", "train", strict=True)
    assert (data.name, data.split, len(data)) == ("coco2017", "train", 80)
    assert Counter(map(len, data.captions)) == {5: 80}
    assert sum(map(len, data.boxes)) == 739
    for i in range(80):
        width, height = data.image(i).size
        for category, x, y, w, h in data.boxes[i]:
            assert category
            assert 0 <= x <= x + w <= width + 1 and 0 <= y <= y + h <= height + 1


# Every layout, from a folder and from zips


def flickr8k_zips(folder):
    write_zip(folder / "Flickr8k_Dataset.zip", layouts.flickr8k_images())
    write_zip(folder / "Flickr8k_text.zip", layouts.flickr8k_text())
    return folder


def flickr8k_folder(folder):
    return write_files(folder, layouts.flickr8k_images() | layouts.flickr8k_text())


def flickr8k_two_folders(folder):
    write_files(folder / "Flickr8k_Dataset", layouts.flickr8k_images())
    write_files(folder / "Flickr8k_text", layouts.flickr8k_text())
    return folder


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
    assert len(parts["train"]) > 40 and min(map(len, parts.values())) >= 4
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


def test_kaggle_captions_with_commas_that_nobody_quoted(tmp_path):
    files = layouts.kaggle(1) | {"captions.txt": "image,caption\r\n0_ab.jpg,A red, big dog .\r\n"}
    write_files(tmp_path, files)
    found = []
    for split in ("train", "val", "test"):
        try:
            found += load_captions(tmp_path, split).captions
        except DataError as error:
            assert "nothing to use" in str(error)
    assert found == [["A red, big dog ."]]


def coco_folder(folder, split):
    return write_files(folder, layouts.coco(split))


def coco_images_folder(folder, split):
    images = {f"images/{name}": file for name, file in layouts.coco_images(3, split).items()}
    annotations = layouts.coco(split).items()
    return write_files(folder, images | {k: v for k, v in annotations if "annotations" in k})


def coco_one_zip(folder, split):
    return write_zip(folder / "all.zip", layouts.coco(split))


def coco_zips(folder, split):
    files = layouts.coco(split)
    annotations = {name: files.pop(name) for name in list(files) if "annotations" in name}
    write_zip(folder / f"annotations_trainval{split[-4:]}.zip", annotations)
    write_zip(folder / f"{split}.zip", files)
    return folder


@pytest.mark.parametrize("write", [coco_folder, coco_images_folder, coco_one_zip, coco_zips])
@pytest.mark.parametrize("split", ["train2014", "val2014", "train2017", "val2017", "val"])
def test_coco(tmp_path, write, split):
    data = load_captions(write(tmp_path, split), re.match("[a-z]+", split)[0], strict=True)
    name = "coco" + split.removeprefix("train").removeprefix("val")
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
    (tmp_path / "train" / "000000000000.jpg").unlink()
    with pytest.raises(DataError, match="images without a file: 1"):
        load_captions(tmp_path, "train")


def test_a_file_name_may_hold_its_folder(tmp_path):
    content = layouts.coco_captions(1)
    content["images"][0]["file_name"] = "Photos/000000000000.jpg"
    write_files(tmp_path, {"captions_val.json": content} | layouts.coco_images(1, "Photos"))
    assert load_captions(tmp_path, "val").files == ["Photos/000000000000.jpg"]


def test_the_scenes_are_drawn_into_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "__file__", str(tmp_path / "helpers" / "coco.py"))
    monkeypatch.setattr("helpers.scenes.generate_scenes.__defaults__", (4, 2, 0, None))
    train, val = (load_captions("scenes", split, strict=True) for split in ("train", "val"))
    assert (train.name, train.split, len(train), len(val)) == ("scenes", "train", 4, 2)
    assert train.image(0).size == (224, 224)
    assert all(train.boxes) and all(val.boxes)
    assert (tmp_path / "data" / "scenes" / "train").is_dir()


# What is left out, and what is refused


def test_missing_images_are_left_out_and_listed(tmp_path):
    flickr8k_folder(tmp_path)
    (tmp_path / "Flicker8k_Dataset" / "0_ab.jpg").unlink()
    data = load_captions(tmp_path, "train")
    assert data.ids == ["1_ab.jpg"] and data.missing == ["0_ab.jpg"]
    assert "left out: images without a file: 1 (first 0_ab.jpg)" in repr(data)
    with pytest.raises(DataError, match=r"images without a file: 1 \(first 0_ab\.jpg\)"):
        load_captions(tmp_path, "train", strict=True)


def test_without_any_image_nothing_is_left(tmp_path):
    write_files(tmp_path, layouts.flickr8k_text())
    with pytest.raises(DataError, match=r"images without a file: 2.*put the images or their zip"):
        load_captions(tmp_path, "train")


def test_images_without_captions_and_blank_captions_are_left_out_and_counted(tmp_path):
    content = layouts.coco_captions()
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != 1]
    content["annotations"][0]["caption"] = " \n"
    write_files(tmp_path, {"captions_train2017.json": content} | layouts.coco_images())
    data = load_captions(tmp_path, "train")
    assert data.ids == [0, 2] and list(map(len, data.captions)) == [4, 5]
    assert data.uncaptioned == ["000000000001.jpg"] and data.blank == 1
    with pytest.raises(DataError, match=r"without a caption: 1 .*captions without text: 1"):
        load_captions(tmp_path, "train", strict=True)


def test_captions_in_any_script_are_kept_and_line_breaks_are_not(tmp_path):
    content = layouts.coco_captions(1)
    texts = ["Un café\u2028à Paris", "一只猫", " a dog\nruns ", "\U0001f415", "naïve"]
    for annotation, text in zip(content["annotations"], texts, strict=True):
        annotation["caption"] = text
    write_files(tmp_path, {"captions_train2017.json": content} | layouts.coco_images(1))
    captions = load_captions(tmp_path, "train", strict=True).captions[0]
    assert captions == ["Un café à Paris", "一只猫", "a dog runs", "\U0001f415", "naïve"]


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
        ("0_ab.jpg,A dog .\n", "the first line is not 'image,caption'"),
        ("", "the first line is not 'image,caption'"),
        ("image,caption\n0_ab.jpg\n", "line 2: expected name.jpg, a comma"),
        ('image,caption\n0_ab.jpg,"' + "x" * 200_000, "line 2: field larger than"),
    ],
)
def test_bad_captions_of_kaggle_are_refused_by_name(tmp_path, content, reason):
    files = layouts.kaggle() | {"captions.txt": content}
    with pytest.raises(DataError, match=rf"captions\.txt.* {reason}"):
        load_captions(write_files(tmp_path, files), "train")


def test_an_archive_cut_off_is_refused_by_name(tmp_path):
    folder = flickr8k_zips(tmp_path)
    path = folder / "Flickr8k_Dataset.zip"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"Flickr8k_Dataset\.zip: not a whole zip archive"):
        load_captions(folder, "train")


def test_an_absent_split_is_refused_with_what_there_is(tmp_path):
    flickr8k_folder(tmp_path)
    with pytest.raises(DataError, match="no split 'test' of flickr8k here; there is train, val"):
        load_captions(tmp_path, "test")


def test_a_folder_without_data_is_refused_with_what_was_looked_for(tmp_path):
    write_files(tmp_path, {"notes.txt": "nothing"})
    with pytest.raises(DataError, match=r"no captioned data set found.*captions_train2017\.json"):
        load_captions(tmp_path, "train")
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        load_captions(tmp_path / "nowhere", "train")


def test_two_data_sets_in_one_folder_need_a_word(tmp_path):
    flickr8k_folder(coco_folder(tmp_path, "train2017"))
    coco_folder(tmp_path, "train2014")
    with pytest.raises(DataError, match=r"several data sets \(flickr8k, coco2017, coco2014\)"):
        load_captions(tmp_path, "train")
    for name in ("flickr8k", "coco2017", "coco2014"):
        assert load_captions(tmp_path, "train", format=name).name == name
    with pytest.raises(DataError, match="no captioned data set found; looked for flickr8k-kaggle"):
        load_captions(tmp_path, "train", format="flickr8k-kaggle")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"split": "training"}, "split: expected one of train, val, test, restval, got 'training'"),
        ({"split": "val", "format": "coco2015"}, "format: expected one of .*, got 'coco2015'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, options, reason):
    with pytest.raises(ValueError, match=reason):
        load_captions(tmp_path, **options)


# What one can do with the data


@pytest.fixture(params=[coco_folder, coco_one_zip])
def data(request, tmp_path):
    return load_captions(request.param(tmp_path, "train2017"), "train")


def test_a_damaged_image_is_refused_by_its_place_in_the_archive(tmp_path):
    files = layouts.coco() | {"train2017/000000000001.jpg": b"oops"}
    data = load_captions(write_zip(tmp_path / "all.zip", files), "train")
    with pytest.raises(ImageError, match=r"all\.zip/train2017/000000000001\.jpg: not an image"):
        data.image(1)


def test_subset(data):
    data.captions = [["a dog"], ["a cat", "a tree"], ["a boat"]]
    assert data.subset(2).ids == [0, 1]
    assert data.subset(np.int64(2)).ids == [0, 1]
    assert data.subset(99).ids == [0, 1, 2]
    assert data.subset([2, 0]).ids == data.subset(np.array([2, 0])).ids == [2, 0]
    part = data.subset([2, 0])
    assert part.captions == [data.captions[2], data.captions[0]]
    assert part.boxes == [data.boxes[2], data.boxes[0]]
    assert part.fingerprint(0) == data.fingerprint(2)
    assert (part.name, part.split, part.missing) == (data.name, data.split, [])
    with pytest.raises(IndexError):
        data.subset([3])


def test_the_fingerprint_follows_the_file(tmp_path):
    data = load_captions(coco_folder(tmp_path, "train2017"), "train")
    before = [data.fingerprint(i) for i in range(3)]
    (tmp_path / data.files[1]).write_bytes(layouts.jpeg("blue", (9, 9)))
    after = [data.fingerprint(i) for i in range(3)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_data_can_be_sent_to_another_process(data):
    copy = pickle.loads(pickle.dumps(data))
    assert copy.captions == data.captions and copy.boxes == data.boxes
    assert copy.image(0).tobytes() == data.image(0).tobytes()


def test_data_from_memory():
    """A format without files can bring what opens its pictures."""
    store = SimpleNamespace(
        image=lambda name: Image.new("RGB", (8, 6), "red"),
        label=lambda name: f"memory {name}",
        fingerprint=lambda name: "0",
    )
    record = SimpleNamespace(id=7, file="7", path="7", captions=["a dog"])
    data = CaptionedImages("made up", "train", [record], store)
    assert len(data) == 1 and data.boxes is None
    assert data.image(0).getpixel((0, 0)) == (255, 0, 0)
