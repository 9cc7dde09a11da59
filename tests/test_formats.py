import layouts
import pytest
from layouts import write_files, write_zip

from helpers.coco import load_captions
from helpers.files import DataError
from helpers.formats import FORMATS


def test_of_karpathys_three_files_the_pictures_decide(tmp_path):
    for name in ("coco", "flickr8k", "flickr30k"):
        files = layouts.karpathy(name)
        write_zip(tmp_path / f"{name}.zip", {next(iter(files)): next(iter(files.values()))})
    write_files(tmp_path, layouts.karpathy("flickr30k"))
    assert load_captions(tmp_path, "train").name == "karpathy-flickr30k"
    (tmp_path / "flickr30k-images").rename(tmp_path / "pictures")
    with pytest.raises(DataError, match="several data sets .karpathy-coco, karpathy-flickr8k, kar"):
        load_captions(tmp_path, "train")


def test_the_same_pictures_with_two_kinds_of_captions_need_a_word(tmp_path):
    write_files(tmp_path, layouts.karpathy("coco") | layouts.coco("train2014"))
    with pytest.raises(DataError, match=r"several data sets \(coco2014, karpathy-coco\)"):
        load_captions(tmp_path, "train")
    assert load_captions(tmp_path, "train", "karpathy-coco").ids == [100, 101]
    assert load_captions(tmp_path, "train", "coco2014").ids == [0, 1, 2]


def test_every_format_can_be_named():
    assert set(FORMATS) == {
        "coco2014", "coco2017", "coco", "flickr8k", "flickr8k-kaggle", "karpathy-coco",
        "karpathy-flickr8k", "karpathy-flickr30k", "cs231n", "eecs498", "flickr30k",
        "flickr30k-token", "captions-csv", "metadata-csv", "texts",
    }  # fmt: skip
