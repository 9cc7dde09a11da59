import layouts
import pytest
from layouts import CAPTIONS, every_packing, write_files

from helpers.coco import load_captions
from helpers.files import DataError

ALL_SPLITS = ("train", "restval", "val", "test", "train")


@every_packing
@pytest.mark.parametrize("name", ["coco", "flickr8k", "flickr30k"])
def test_karpathy(tmp_path, write, name):
    splits = ALL_SPLITS if name == "coco" else tuple(s for s in ALL_SPLITS if s != "restval")
    source = write(tmp_path, layouts.karpathy(name, splits))
    for split in set(splits):
        data = load_captions(source, split, strict=True)
        assert (data.name, data.split) == (f"karpathy-{name}", split)
        places = [k for k, each in enumerate(splits) if each == split]
        assert data.ids == [100 + k if name == "coco" else f"{k}_ab.jpg" for k in places]
        assert data.captions == [CAPTIONS] * len(places)
        assert data.image(0).size == (8, 6)


def test_what_papers_train_on_is_train_and_restval(tmp_path):
    write_files(tmp_path, layouts.karpathy("coco", ALL_SPLITS))
    assert load_captions(tmp_path, "train+restval", strict=True).ids == [100, 101, 104]


def test_karpathy_flickr_has_no_restval(tmp_path):
    write_files(tmp_path, layouts.karpathy("flickr30k"))
    with pytest.raises(DataError, match="no split 'restval' of karpathy-flickr30k"):
        load_captions(tmp_path, "restval")


def test_karpathy_words_alone_will_do(tmp_path):
    files = layouts.karpathy()
    for image in files["dataset_flickr8k.json"]["images"]:
        for sentence in image["sentences"]:
            del sentence["raw"]
    data = load_captions(write_files(tmp_path, files), "val")
    assert data.captions == [[f"a dog number {k} runs" for k in range(5)]]


BAD_KARPATHY = {
    "no images": ([], "dataset_flickr8k.json: 'images' is missing"),
    "no split": ({"split": None}, "images 1: 'split' is missing"),
    "no file name": ({"filename": None}, "images 1: 'filename' is missing"),
    "no sentences": ({"sentences": None}, "images 1: 'sentences' is missing"),
    "sentence is text": ({"sentences": ["a dog"]}, "images 1 sentence 0: 'raw' is missing"),
    "raw is a number": ({"sentences": [{"raw": 5}]}, "sentence 0: 'raw' is 5; expected str"),
    "token is a number": ({"sentences": [{"tokens": [5]}]}, "'tokens' is .5.; expected list of"),
    "id is text": ({"cocoid": "7"}, "images 1: 'cocoid' is '7'; expected int"),
}


@pytest.mark.parametrize("kind", BAD_KARPATHY)
def test_bad_files_of_karpathys_are_refused_by_name(tmp_path, kind):
    change, reason = BAD_KARPATHY[kind]
    files = layouts.karpathy()
    content = files["dataset_flickr8k.json"]
    if change == []:
        files["dataset_flickr8k.json"] = []
    for key, value in dict(change).items():
        content["images"][1][key] = value
        if value is None:
            del content["images"][1][key]
    with pytest.raises(DataError, match=reason):
        load_captions(write_files(tmp_path, files), "train")
