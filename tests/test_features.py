"""The feature cache: encoded once, keyed, resumable."""

import multiprocessing
import os
import re
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import helpers.features
from helpers.encoder import ImageEncoder
from helpers.features import BrokenPictures, ahead, encode_features, encode_images, read_rows
from helpers.files import DataError
from helpers.images import ImageError


class Pictures:
    """Random pictures in the shape of CaptionedImages; counts how often one is opened."""

    name, split = "random", "train"

    def __init__(self, count, seed=0):
        from PIL import Image

        rng = np.random.default_rng(seed)
        self.images = [
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)) for _ in range(count)
        ]
        self.opened, self.broken = [], set()

    def __len__(self):
        return len(self.images)

    def image(self, i):
        self.opened.append(i)
        if i in self.broken:
            raise ImageError(f"{i}.jpg: cut off")
        return self.images[i]

    def fingerprint(self, i):
        return str(zlib.crc32(self.images[i].tobytes()))


class MeanColour(torch.nn.Module):
    """The smallest encoder: the mean of each channel."""

    backbone, image_size, pool = "mean", 8, True

    def __init__(self, scale=1.0):
        super().__init__()
        self.mean, self.scale = torch.zeros(1), scale

    prepare = ImageEncoder.prepare

    def forward(self, pixels):
        return pixels.float().mean((2, 3)) * self.scale

    def fingerprint(self):
        return f"mean {self.scale}"


def encode(data, folder, encoder=None):
    return encode_features(data, encoder or MeanColour(), folder, batch_size=4, progress=False)


def test_rows_are_the_images_features(tmp_path):
    data, encoder = Pictures(10), MeanColour(0.01)
    features = encode(data, tmp_path, encoder)
    assert isinstance(features, np.memmap) and features.dtype == np.float16
    expected = encode_images(encoder, data.images).numpy().astype(np.float16)
    np.testing.assert_array_equal(features, expected)


def test_encodes_once(tmp_path):
    data = Pictures(10)
    encode(data, tmp_path)
    data.opened.clear()
    encode(data, tmp_path)
    assert data.opened == []


def test_another_encoder_or_file_gives_another_cache(tmp_path):
    data = Pictures(5)
    encode(data, tmp_path)
    encode(data, tmp_path, MeanColour(2.0))
    data.images[3] = data.images[2]
    encode(data, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_broken_pictures_are_named_when_all_others_are_encoded(tmp_path):
    data = Pictures(20)
    data.broken = {3, 17}
    with pytest.raises(BrokenPictures, match=r"^2 pictures .* 3\.jpg: cut off; 17\.jpg") as raised:
        encode(data, tmp_path)
    assert raised.value.rows == [3, 17]
    good = Pictures(20)
    good.images = [image for i, image in enumerate(good.images) if i not in data.broken]
    np.testing.assert_array_equal(raised.value.features, encode(good, tmp_path / "fresh"))
    data.opened.clear()
    with pytest.raises(BrokenPictures):
        encode(data, tmp_path)
    assert data.opened == [3, 17]  # again, in case that they can be read by now
    data.broken.clear()
    np.testing.assert_array_equal(encode(data, tmp_path), encode(data, tmp_path / "fresh"))


def test_where_nothing_can_be_read_the_first_picture_is_named(tmp_path):
    data = Pictures(20)
    data.broken = set(range(20))
    with pytest.raises(ImageError, match=r"^0\.jpg"):
        encode(data, tmp_path)


@pytest.mark.parametrize("damage", [b"", b"oops", None])
def test_a_cache_that_is_not_whole_is_made_again(tmp_path, damage):
    first = Path(encode(Pictures(10), tmp_path).filename)
    expected = first.read_bytes()
    first.write_bytes(expected[:-4] if damage is None else damage)
    encode(Pictures(10), tmp_path)
    assert first.read_bytes() == expected


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space: '.*\.part'"):
        encode(Pictures(10), tmp_path)


@pytest.mark.parametrize("note", [b"", b"[]", b'{"done": 9}', b'{"done": "x"}'])
def test_an_unfinished_file_that_its_note_does_not_fit_is_made_again(tmp_path, note):
    whole = Path(encode(Pictures(10), tmp_path).filename)
    expected = whole.read_bytes()
    whole.with_suffix(".part").write_bytes(expected[:150])
    whole.unlink()
    whole.with_suffix(".json").write_bytes(note)
    encode(Pictures(10), tmp_path)
    assert whole.read_bytes() == expected and len(list(tmp_path.iterdir())) == 1


class Slow(Pictures):
    """Takes its time for each picture."""

    def image(self, i):
        time.sleep(0.05)
        return super().image(i)


def _encode_slowly(folder, results):
    helpers.features.SAVE_SECONDS = 0
    data = Slow(24)
    encode(data, folder)
    results.put(len(data.opened))


@pytest.mark.parametrize("kill", [False, True])
def test_of_two_encoders_of_one_cache_one_encodes(tmp_path, kill):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    first, second = (context.Process(target=_encode_slowly, args=[tmp_path, results]) for _ in "ab")
    first.start()
    while not list(tmp_path.glob("*.part")):
        time.sleep(0.01)
    second.start()
    time.sleep(0.5)
    if kill:
        first.kill()
    first.join()
    second.join()
    assert second.exitcode == 0 and (kill or first.exitcode == 0)
    if not kill:
        assert sorted(results.get() for _ in "ab") == [0, 24]
    np.testing.assert_array_equal(
        encode(Slow(24), tmp_path), encode(Pictures(24), tmp_path / "new")
    )


def test_rows_are_read_past_the_map(tmp_path):
    features = encode(Pictures(10), tmp_path)
    rows = np.array([7, 0, 7, 3])
    read = read_rows(features, rows)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.asarray(features)[rows].astype(np.float32))
    # a part of the map, and an array without a file
    np.testing.assert_array_equal(
        read_rows(features[5:], np.array([2, 0])), read_rows(features, [7, 5])
    )
    np.testing.assert_array_equal(read_rows(np.asarray(features).copy(), rows), read)


def test_a_grid_is_read_row_by_row(tmp_path):
    grid = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float16)
    np.save(tmp_path / "grid.npy", grid)
    features = np.load(tmp_path / "grid.npy", mmap_mode="r")
    np.testing.assert_array_equal(read_rows(features, np.array([4, 1])), grid[[4, 1]])


def test_a_cache_that_shrank_is_named(tmp_path):
    features = encode(Pictures(10), tmp_path)
    with open(features.filename, "r+b") as file:
        file.truncate(150)
    with pytest.raises(DataError, match=r"\.npy: cut off; delete it"):
        read_rows(features, np.array([9]))


def test_memory_of_reading_stays_small(tmp_path):
    # 256 MB on disk (a sparse file); pages that are read through a map would count
    from numpy.lib.format import open_memmap

    open_memmap(tmp_path / "large.npy", "w+", np.float16, (1000, 128_000))
    features = np.load(tmp_path / "large.npy", mmap_mode="r")
    for start in range(0, 1000, 50):
        read_rows(features, np.arange(start, start + 50))
    mapped = Path("/proc/self/smaps").read_text().split("large.npy")[1]
    assert int(re.search(r"Rss: +(\d+) kB", mapped).group(1)) < 1000


def test_ahead_keeps_the_order_and_raises():
    def load(item):
        if item == 3:
            raise ValueError("three")
        return item * 2

    assert list(ahead(load, [0, 1, 2])) == [0, 2, 4] and list(ahead(load, [])) == []
    given = ahead(load, [1, 2, 3])
    assert [next(given), next(given)] == [2, 4]
    with pytest.raises(ValueError, match="three"):
        next(given)


class Dying(MeanColour):
    """Has its process killed when it is to encode more than so many batches."""

    left = 3

    def forward(self, pixels):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(pixels)


def _encode_and_die(folder):
    helpers.features.SAVE_SECONDS = 0
    encode(Pictures(20), folder, Dying())


def test_a_killed_encoding_goes_on(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_encode_and_die, args=[tmp_path])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not list(tmp_path.glob("*.npy"))
    data = Pictures(20)
    rows = encode(data, tmp_path)
    assert min(data.opened) == 12  # three batches of four were noted
    np.testing.assert_array_equal(rows, encode(Pictures(20), tmp_path / "fresh"))
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".npy"]
