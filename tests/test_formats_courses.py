import pickle
import zipfile

import h5py
import layouts
import numpy as np
import pytest
import torch
from layouts import every_packing, in_folder, in_one_zip, write_files, write_zip

from helpers.coco import load_captions
from helpers.encoder import ImageEncoder
from helpers.features import encode_features
from helpers.files import DataError
from helpers.images import ImageError
from helpers.vocabulary import UNK, Vocabulary

# CS231n


@every_packing
def test_cs231n(tmp_path, write):
    source = write(tmp_path, layouts.cs231n())
    for split in ("train", "val"):
        data = load_captions(source, split)
        assert (data.name, data.split, data.ids) == ("cs231n", split, [0, 1])
        assert data.captions == [["a cat"], ["a dog runs", "a <UNK> runs"]]
        assert data.files == [f"http://a/{split}0.jpg", f"http://a/{split}1.jpg"]
        assert data.uncaptioned == [f"http://a/{split}2.jpg"]
        assert data.features.dtype == np.float32 and data.features.shape == (2, 512)
        assert data.features[:, 0].tolist() == [0, 512]
        assert data.subset([1]).features[:, 0].tolist() == [512]
        assert pickle.loads(pickle.dumps(data)).features.shape == (2, 512)


def test_the_published_vocabulary_gives_the_published_ids(tmp_path):
    data = load_captions(write_files(tmp_path, layouts.cs231n()), "train")
    assert data.vocabulary == Vocabulary(layouts.WORDS[4:])
    captions = [data.captions[1][0], data.captions[1][1], data.captions[0][0]]
    for caption, ids in zip(captions, layouts.IDS.tolist(), strict=True):
        assert data.vocabulary.encode(caption) == ids[: ids.index(2) + 1]
    built = Vocabulary.build(captions)
    assert sorted(built.idx_to_word[4:]) == ["a", "cat", "dog", "runs"]
    assert built.encode("a <UNK>") == [1, built.word_to_idx["a"], UNK, 2]


def test_cs231n_has_no_pictures_and_says_so(tmp_path):
    data = load_captions(write_files(tmp_path, layouts.cs231n()), "train")
    expected = r"train2014_urls\.txt: .*none \(http://a/train1\.jpg\); use the data set's features"
    with pytest.raises(ImageError, match=expected):
        data.image(1)
    with pytest.raises(ImageError, match="use the data set's features"):
        encode_features(data, ImageEncoder(), tmp_path / "cache", progress=False)


def test_cs231n_without_the_features_or_with_the_large_ones(tmp_path):
    files = layouts.cs231n("")
    small = files.pop("train2014_vgg16_fc7_pca.h5")
    write_files(tmp_path, files)
    assert load_captions(tmp_path, "train").features is None
    write_files(tmp_path, {"train2014_vgg16_fc7.h5": small})
    assert load_captions(tmp_path, "train").features.shape == (2, 512)


def linked(folder):
    """Return HDF5 files whose captions are somewhere else, or nowhere and huge."""
    write_files(
        folder, {"secret.h5": layouts.hdf5(train_captions=layouts.IDS), "secret": bytes(999)}
    )
    for kind in ("soft", "external", "raw", "huge"):
        with h5py.File(folder / f"{kind}.h5", "w") as file:
            file["train_image_idxs"] = np.array([1, 1, 0], np.int32)
            if kind == "soft":
                file["other"] = layouts.IDS
                file["train_captions"] = h5py.SoftLink("/other")
            elif kind == "external":
                file["train_captions"] = h5py.ExternalLink("secret.h5", "/train_captions")
            elif kind == "raw":
                place = [(str(folder / "secret"), 0, 204)]
                file.create_dataset("train_captions", (3, 17), np.int32, external=place)
            else:
                file.create_dataset("train_captions", (10**9, 17), np.int32, chunks=(1000, 17))
        yield kind, (folder / f"{kind}.h5").read_bytes()


def test_numbers_of_other_files_are_not_read(tmp_path):
    (tmp_path / "made").mkdir()
    for kind, content in linked(tmp_path / "made"):
        files = layouts.cs231n("") | {"coco2014_captions.h5": content}
        with pytest.raises(DataError, match=r"captions\.h5: no whole HDF5 .*train_captions"):
            load_captions(write_files(tmp_path / kind, files), "train")


BAD_CS231N = {
    "captions cut off": ("coco2014_captions.h5", b"\x89HDF\r\n", "no whole HDF5 file with train_c"),
    "captions are text": ("coco2014_captions.h5", "words", "no whole HDF5 file"),
    "a key is missing": ("coco2014_captions.h5", {"train_captions": layouts.IDS}, "image_idxs"),
    "words outside": ("coco2014_captions.h5", {"train_captions": layouts.IDS + 7}, "ids from 7 to"),
    "floats": ("coco2014_captions.h5", {"train_captions": layouts.IDS / 2}, "float64 of shape"),
    "pictures outside": (
        "coco2014_captions.h5", {"train_image_idxs": [0, 1, 3]}, "train_image_idxs: ids from 0 to 3"
    ),
    "too few pictures": (
        "coco2014_captions.h5", {"train_image_idxs": [0, 1]}, "2 entries for 3 captions"
    ),
    "features of others": (
        "train2014_vgg16_fc7_pca.h5", {"features": np.zeros((4, 2))}, "shape .4, 2.; expected 3"
    ),
    "other specials": ("coco2014_vocab.json", {"idx_to_word": ["a", "b"]}, "expected <NULL>"),
    "a word twice": (
        "coco2014_vocab.json", {"idx_to_word": [*layouts.WORDS, "cat"]}, "'cat' stands twice"
    ),
    "no words": ("coco2014_vocab.json", {"words": 1}, "'idx_to_word' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_CS231N)
def test_bad_files_of_cs231n_are_refused_by_name(tmp_path, kind):
    name, content, reason = BAD_CS231N[kind]
    if name.endswith(".h5") and isinstance(content, dict):
        whole = {"train_captions": layouts.IDS, "train_image_idxs": [0, 1, 1]}
        if kind != "a key is missing":
            content = whole | content
        content = layouts.hdf5(**content)
    write_files(tmp_path, layouts.cs231n("") | {name: content})
    with pytest.raises(DataError, match=rf"{name.replace('.', '.')}.*{reason}"):
        load_captions(tmp_path, "train").features  # noqa: B018


# EECS 498


@pytest.mark.parametrize("legacy", [False, True])  # how torch wrote files before version 1.6
@pytest.mark.parametrize("packed", [False, True])
def test_eecs498(tmp_path, packed, legacy):
    options = {"_use_new_zipfile_serialization": not legacy}
    files = {"datasets/coco.pt": layouts.torch_file(layouts.eecs498_content(), **options)}
    source = (in_one_zip if packed else in_folder)(tmp_path, files)
    for split in ("train", "val"):
        data = load_captions(source, split, strict=True)
        assert (data.name, data.split, data.ids) == ("eecs498", split, [0, 1, 2])
        assert data.captions == [["a dog runs"], ["a <UNK> runs"], ["a cat"]]
        assert data.vocabulary == Vocabulary(layouts.WORDS[4:]) and data.features is None
        assert (data.image(1).mode, data.image(1).size) == ("RGB", (112, 112))
        assert data.image(1).getpixel((50, 60)) == (60, 80, 100)
        assert data.files[1] == f"{split}_images/1"
        assert len({data.fingerprint(i) for i in range(3)}) == 3


def test_eecs498_is_one_file_that_can_be_named(tmp_path):
    folder = write_files(tmp_path, {"coco.pt": layouts.torch_file(layouts.eecs498_content())})
    write_files(tmp_path, layouts.coco())
    assert load_captions(folder / "coco.pt", "train").name == "eecs498"


def test_pictures_from_a_tensor_are_encoded_like_others(tmp_path):
    folder = write_files(tmp_path, {"coco.pt": layouts.torch_file(layouts.eecs498_content())})
    data = load_captions(folder, "train").subset(2)
    features = encode_features(data, ImageEncoder(pool=True), tmp_path / "cache", progress=False)
    assert features.shape == (2, 1280) and not np.array_equal(features[0], features[1])


class Hostile:
    def __reduce__(self):
        return print, ("code that a file must not run",)


def change(**entries):
    return layouts.eecs498_content() | entries


META = torch.zeros(3, 3, 4, 4, dtype=torch.uint8, device="meta")
BAD_EECS498 = {
    "not torch's": ("words", "no whole file of tensors"),
    "empty": (b"", "no whole file of tensors"),
    "hostile": (change(vocab=Hostile()), "no whole file of tensors that is safe to load"),
    "a tensor": (torch.zeros(3), "'vocab' is missing"),
    "no images": ({"vocab": layouts.eecs498_content()["vocab"]}, "'train_images' is missing"),
    "images are a list": (change(train_images=[1]), "'train_images' is .1.; expected Tensor"),
    "floats": (change(train_images=torch.zeros(3, 3, 4, 4)), "float32 of shape .3, 3, 4, 4"),
    "grey": (change(train_images=torch.zeros(3, 1, 4, 4).byte()), "expected uint8, .I, 3, "),
    "too few": (change(train_captions=torch.ones(2, 17).long()), "2 captions for 3 images"),
    "flat captions": (change(train_captions=torch.ones(3).long()), "expected integers, 2-d"),
    "bfloat16": (change(train_captions=torch.ones(3, 17).bfloat16()), "captions: .*plain tensor"),
    "weights": (change(train_captions=torch.ones(3, 17, requires_grad=True)), "plain tensor"),
    "no values": (change(train_images=META), "images: .*plain tensor"),
    "unknown ids": (change(train_captions=torch.full((3, 17), 99)), "ids from 99 to 99"),
}


@pytest.mark.parametrize("kind", BAD_EECS498)
def test_bad_files_of_eecs498_are_refused_by_name(tmp_path, kind, capsys):
    content, reason = BAD_EECS498[kind]
    content = content if isinstance(content, (bytes, str)) else layouts.torch_file(content)
    write_files(tmp_path, {"coco.pt": content})
    with pytest.raises(DataError, match=rf"coco\.pt.*{reason}"):
        load_captions(tmp_path, "train")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_file_of_eecs498_cut_off_is_refused_by_name(tmp_path, cut):
    whole = layouts.torch_file(layouts.eecs498_content())
    write_files(tmp_path, {"coco.pt": whole[: int(cut * len(whole))]})
    with pytest.raises(DataError, match=r"coco\.pt: no whole file"):
        load_captions(tmp_path, "train")


def test_a_damaged_zip_member_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "all.zip", layouts.cs231n(""))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("coco2014_captions.h5").header_offset + 100
    content = bytearray(path.read_bytes())
    content[start] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"all\.zip/coco2014_captions\.h5: damaged"):
        load_captions(path, "train")
