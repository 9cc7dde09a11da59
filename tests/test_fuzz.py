"""Damaged and hostile files in every reader: a result or a DataError, and nothing else happens.

300 cases, the same each time; `make fuzz` sets FUZZ_CASES to 5000 and draws new ones.
"""

import contextlib
import gzip
import io
import itertools
import os
import sys
import zipfile
from pathlib import Path

import layouts
import pytest
import torch
from damage import changed, damaged, damaged_one, harmless, new_folder, photographs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_files import pickled_vocabulary, write_checkpoint
from PIL import Image
from safetensors.torch import save_file
from small import small_examples, small_model

from helpers.coco import find_data, read_split
from helpers.encoder import WordDetector
from helpers.files.tensors import fill, read_tensors
from helpers.formats import FORMATS
from helpers.formats.archive import Archive
from helpers.images import open_image
from helpers.pretrained import load_captioner, save_captioner
from helpers.pretrained.legacy_vocabulary import read_legacy_vocabulary
from helpers.settings import TrainingSettings
from helpers.training import train
from helpers.training.text import read_texts
from helpers.vocabulary import Vocabulary

CASES, TESTS = int(os.environ.get("FUZZ_CASES", 300)), 10
WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "caf\u00e9"]


def fuzz(drawn):
    """Run a test on its share of the cases."""
    run = settings(
        max_examples=CASES // TESTS, derandomize=CASES <= 300, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    return lambda test: run(given(drawn)(test))


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch):
    """Let the modules that readers import late write nothing themselves."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def test_what_must_not_happen_is_noticed():
    with new_folder() as folder:
        with harmless(folder):
            (folder / "inside").touch()
        for act in (
            lambda: (folder.parent / "outside").touch(),
            lambda: os.rename(folder / "inside", folder.parent / "moved"),
            lambda: os.system("true"),
        ):
            with pytest.raises(AssertionError), harmless(folder):
                act()
        with pytest.raises(KeyError), harmless(folder):
            raise KeyError


# Pictures


PHOTOGRAPHS = photographs()


@contextlib.contextmanager
def few_pixels():
    """Refuse pictures above 4 megapixels, which a damaged header may ask for, to be quick."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 2_000_000
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@fuzz(st.data())
def test_photographs(case):
    name, content = case.draw(damaged_one(PHOTOGRAPHS))
    with new_folder() as folder, few_pixels(), harmless(folder):
        assert open_image(io.BytesIO(content), name).mode == "RGB"


# Annotations


def read_all(source, out):
    """Read every split of a data set, and what is read later: objects, pictures, words."""
    archive, kind = find_data(source)
    for split in FORMATS[kind].splits(archive):
        data = read_split(archive, kind, split)
        Vocabulary.build(itertools.chain(*data.captions)).save(out / "vocab.json")
        assert data.boxes is None or len(data.boxes) == len(data)
        repr(data).encode()  # as it is printed
        for i in range(len(data)):
            assert data.image(i).mode == "RGB" and data.fingerprint(i)


SETS = [layouts.coco(), layouts.flickr8k_images() | layouts.flickr8k_text(), layouts.kaggle(),
        *map(layouts.karpathy, ("coco", "flickr8k", "flickr30k"))]  # fmt: skip
JSON_SETS = [files for files in SETS if any(name.endswith(".json") for name in files)]


def check_set(case, sets, damage):
    """Read one of some data sets, one of its annotation files damaged."""
    files = sets[case.draw(st.integers(0, len(sets) - 1))]
    names = [name for name in files if name.endswith((".json", ".txt"))]
    name = case.draw(st.sampled_from(names))
    files = files | {name: case.draw(damage(layouts.to_bytes(files[name])))}
    with new_folder() as folder:
        layouts.write_files(folder, files)
        with harmless(folder):
            read_all(folder, folder)


@fuzz(st.data())
def test_annotations_with_damaged_bytes(case):
    check_set(case, SETS, damaged)


@fuzz(st.data())
def test_annotations_with_other_values(case):
    check_set(case, JSON_SETS, changed)


PAIRS = {"1": ["a red boat", "a boat"], "2": ["two dogs"]}
TEXTS = [{"annotations": [{"image_id": 1, "caption": "a boat"}]}, PAIRS]


@fuzz(st.data())
def test_texts_without_pictures(case):
    content = layouts.to_bytes(case.draw(st.sampled_from(TEXTS)))
    content = case.draw(case.draw(st.sampled_from([damaged, changed]))(content))
    packed = case.draw(st.booleans())
    with new_folder() as folder:
        name = "texts.json.gz" if packed else "texts.json"
        layouts.write_files(folder, {name: gzip.compress(content) if packed else content})
        with harmless(folder):
            texts = read_texts(folder / name)
            assert all(text for several in texts for text in several)
            " ".join(itertools.chain(*texts)).encode()


# Archives


def zipped(files, packing=zipfile.ZIP_DEFLATED):
    """Give the bytes of a zip archive."""
    with new_folder() as folder:
        return layouts.write_zip(folder / "a.zip", files, packing).read_bytes()


PACKINGS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ZIPS = {"words": zipped({"a/\u00e9.txt": "one", "b.json": {}, "a/c.txt": "x" * 300})}
ZIPS |= {f"set {k}, {p}": zipped(SETS[k], p) for k in range(3) for p in PACKINGS}


@fuzz(damaged_one(ZIPS))
def test_data_sets_in_damaged_zips(case):
    with new_folder() as folder:
        (folder / "all.zip").write_bytes(case[1])
        with harmless(folder):
            archive = Archive(folder)
            names = [archive.find(name) for name in ("c.txt", "captions.txt", "1_ab.jpg")]
            for name in filter(None, names):
                assert archive.fingerprint(name)
            read_all(folder / "all.zip", folder)


# Checkpoints


class Encoder:
    """Settings of an encoder, which is all that `save_captioner` takes of it."""

    backbone, weights, pool, image_size, stride = "efficientnet_lite0", None, True, 224, 32


def saved_model():
    """Give the files of a small captioner with a detector, whose encoder has a tuned layer."""
    with new_folder() as folder:
        Encoder.tuned = folder / "encoder.safetensors"
        save_file({"conv_head.bias": torch.zeros(1280)}, Encoder.tuned)
        save_captioner(folder, small_model("attn"), Encoder)
        WordDetector(["dog"], 1280).save(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


MODEL = saved_model()


def check_model(name, content):
    """Load a captioner of whose files one is damaged."""
    with new_folder() as folder:
        layouts.write_files(folder, MODEL | {name: content})
        with harmless(folder):
            load_captioner(folder)


@fuzz(damaged_one(MODEL))
def test_captioners_with_damaged_bytes(case):
    check_model(*case)


@fuzz(st.sampled_from(["config.json", "vocab.json"]).flatmap(
    lambda name: st.tuples(st.just(name), changed(MODEL[name]))
))  # fmt: skip
def test_captioners_with_other_values(case):
    check_model(*case)


def resume(folder, model=None):
    """Train for an epoch, from the checkpoint in a folder where there is one."""
    plan = TrainingSettings(epochs=1, batch_size=8)
    model = model or small_model()
    return train(
        model, small_examples(), lambda m: {"BLEU-4": 1.0}, plan, folder, True, progress=False
    )


def torch_files():
    """Give files that torch.save wrote, in its new format and in the old one."""
    tiny = layouts.eecs498_content()
    tiny |= {key: tiny[key][..., :4, :4].clone() for key in ("train_images", "val_images")}
    files = {"coco.pt": layouts.torch_file(tiny)}
    files["old/coco.pt"] = layouts.torch_file(tiny, _use_new_zipfile_serialization=False)
    with new_folder() as folder:
        resume(folder)
        files["last.pt"] = (folder / "last.pt").read_bytes()
        write_checkpoint(folder / "old.pth", small_model())
        files["old.pth"] = (folder / "old.pth").read_bytes()
        files["new.pth"] = layouts.torch_file(small_model().state_dict())
    return files


TORCH_FILES = torch_files()


# torch only warns of a number that damage has made of the format's version, and reads on
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@fuzz(damaged_one(TORCH_FILES))
def test_damaged_files_of_torch(case):
    path, content = case
    name = Path(path).name
    with new_folder() as folder:
        layouts.write_files(folder, {name: content})
        with harmless(folder):
            if name == "coco.pt":
                read_all(folder / name, folder)
            elif name == "last.pt":
                resume(folder)
            else:
                fill(small_model(), read_tensors(folder / name), name)


PICKLES = {
    f"{module} {protocol}": pickled_vocabulary(WORDS, module, protocol, python2=protocol == 0)
    for module in ("__main__", "build_vocab") for protocol in (0, 2, 4)
}  # fmt: skip


@fuzz(damaged_one(PICKLES))
def test_damaged_vocabularies(case):
    with new_folder() as folder:
        layouts.write_files(folder, {"vocab.pkl": case[1]})
        with harmless(folder):
            assert len(read_legacy_vocabulary(folder / "vocab.pkl")) >= 4
