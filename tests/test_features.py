"""The feature cache: encoded once, keyed, resumable."""

import numpy as np
import pytest
import torch

from helpers.encoder import load_pixels
from helpers.features import encode_features, encode_images
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
        return str(hash(self.images[i].tobytes()))


class MeanColour(torch.nn.Module):
    """The smallest encoder: the mean of each channel."""

    backbone, image_size, pool = "mean", 8, True

    def __init__(self, scale=1.0):
        super().__init__()
        self.mean, self.scale = torch.zeros(1), scale

    def prepare(self, image):
        return load_pixels(image, self.image_size)

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


def test_a_broken_image_keeps_what_was_encoded(tmp_path, monkeypatch):
    data = Pictures(20)
    data.broken = {17}
    monkeypatch.setattr("helpers.features.SAVE_SECONDS", 0)
    with pytest.raises(ImageError, match="17.jpg"):
        encode(data, tmp_path)
    assert not list(tmp_path.glob("*.npy"))
    data.broken.clear()
    data.opened.clear()
    features = encode(data, tmp_path)
    assert min(data.opened) == 16  # batches of four: the first sixteen were kept
    np.testing.assert_array_equal(features, encode(Pictures(20), tmp_path / "fresh"))
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".npy"]
