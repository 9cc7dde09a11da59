import pickle
from collections import Counter
from types import SimpleNamespace

import layouts
import numpy as np
import pytest
from layouts import (
    coco_folder,
    coco_one_zip,
    flickr8k_folder,
    flickr8k_zips,
    write_files,
    write_zip,
)
from PIL import Image

from helpers import coco
from helpers.coco import CaptionedImages, load_captions
from helpers.files import DataError
from helpers.images import ImageError

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


# What is left out, and what is refused


def test_the_scenes_are_drawn_into_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "DATA", tmp_path / "data")
    monkeypatch.setattr("data.scenes.generate_scenes.__defaults__", (4, 2, 0, None))
    train, val = (load_captions("scenes", split, strict=True) for split in ("train", "val"))
    assert (train.name, train.split, len(train), len(val)) == ("scenes", "train", 4, 2)
    assert train.image(0).size == (224, 224)
    assert all(train.boxes) and all(val.boxes)
    assert (tmp_path / "data" / "drawn" / "train").is_dir()


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
        ({"split": "training"}, "split: expected one of train, val, test, .*, got 'training'"),
        ({"split": "val", "format": "coco2015"}, "format: expected one of .*, got 'coco2015'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, options, reason):
    with pytest.raises(ValueError, match=reason):
        load_captions(tmp_path, **options)


# Several sources


def test_several_sources_are_one_data_set(tmp_path):
    flickr = flickr8k_folder(tmp_path / "flickr")
    coco_set = write_files(
        tmp_path / "coco",
        layouts.coco() | {"train2017/000000000001.jpg": layouts.jpeg(size=(9, 9))},
    )
    parts = [load_captions(source, "train") for source in (flickr, coco_set)]
    data = load_captions([flickr, coco_set], "train")
    assert (data.name, data.split, len(data)) == ("flickr8k+coco2017", "train", 5)
    assert data.captions == parts[0].captions + parts[1].captions
    assert data.ids[0] == "0/0_ab.jpg" and data.ids[2:] == ["1/0", "1/1", "1/2"]
    assert data.image(3).size == (9, 9) and data.image(1).size == (8, 6)
    assert data.fingerprint(3) == parts[1].fingerprint(1)
    assert data.boxes == [[], [], *parts[1].boxes] and data.boxes[2]
    assert data.subset([3]).image(0).size == (9, 9)
    assert pickle.loads(pickle.dumps(data)).image(3).size == (9, 9)
    assert load_captions([flickr, flickr], "val").ids == ["0/2_ab.jpg", "1/2_ab.jpg"]
    assert load_captions([flickr], "val").ids == ["2_ab.jpg"]
    assert load_captions([flickr, flickr], "val").boxes is None
    with pytest.raises(DataError, match="no split 'val' of coco2017 here; there is train"):
        load_captions([flickr, coco_set], "val")


def test_what_several_sources_lack_is_counted(tmp_path):
    flickr8k_folder(tmp_path)
    (tmp_path / "Flicker8k_Dataset" / "0_ab.jpg").unlink()
    data = load_captions([tmp_path, tmp_path], "train")
    assert data.missing == ["0_ab.jpg"] * 2 and len(data) == 2


def test_some_pictures_are_kept_aside_where_no_split_is_for_choosing(tmp_path):
    content = layouts.coco_captions(12)
    content["annotations"] = [
        each for each in content["annotations"] if each["image_id"] % 3 or each["id"] % 10 < 2
    ]  # every third picture has two captions, the others have five
    folder = tmp_path / "coco"
    write_files(folder, layouts.coco_images(12) | {"captions_train2017.json": content})
    train, val = (load_captions(folder, split, aside=4) for split in ("train", "val"))
    assert val.ids == [1, 4, 8, 11] and (train.split, val.split) == ("train", "val")
    assert train.ids == [0, 2, 3, 5, 6, 7, 9, 10]
    assert load_captions(folder, "val", aside=10).ids == [0, 1, 2, 4, 5, 6, 7, 9, 10, 11]
    assert len(load_captions(folder, "train")) == 12
    flickr = flickr8k_folder(tmp_path / "flickr")  # has such a split: nothing to keep aside
    assert load_captions([flickr, folder], "val", aside=4).ids[0] == "0/2_ab.jpg"
    assert len(load_captions(flickr, "train", aside=1)) == 2
    with pytest.raises(DataError, match="12 cannot be kept aside; choose fewer"):
        load_captions(folder, "val", aside=12)


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
    record = SimpleNamespace(id=7, file="7", path="7", captions=["a dog"], pictures=store)
    data = CaptionedImages("made up", "train", [record])
    assert len(data) == 1 and data.boxes is None
    assert data.image(0).getpixel((0, 0)) == (255, 0, 0)
