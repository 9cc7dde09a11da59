"""Encode and train at COCO's size, on generated features: memory, bytes on disk, throughput.

`python -m tools.benchmarks.large_cache [--images 123287] [--folder DIR]` writes a feature cache of
that many grids of 49 x 1280 (15.5 GB for COCO's train and val together) through `encode_features`,
reads it at random, trains an attention captioner on it for some steps, and deletes it. Each part
runs in a process of its own, so that its peak memory is its own. Fails when training takes 2 GB
more than on a cache of 250 images, or waits for data in 10 % of its time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.captioner import CaptioningRNN
from helpers.examples import CaptionExamples
from helpers.features import encode_features, read_rows
from helpers.settings import TrainingSettings
from helpers.training import set_seed, train
from helpers.vocabulary import Vocabulary

COCO, FEW = 123_287, 250  # images
GRID = (49, 1280)  # of EfficientNet-Lite0
GIGABYTES, SHARE = 2.0, 0.1
WORDS = [f"word{n}" for n in range(9996)]


class Pictures:
    """As many pictures as COCO has, without files: one pixel each, which tells its number."""

    name, split = "generated", "train"

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def image(self, i):
        return Image.new("RGB", (1, 1), (i % 256, i // 256 % 256, i // 65536))

    def fingerprint(self, i):
        return str(i)


class Generator(torch.nn.Module):
    """An encoder that costs nothing: the same grid for each picture, shifted by its number."""

    backbone = "generated"

    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(1)
        self.grid = torch.rand(GRID, generator=torch.Generator().manual_seed(0))

    def prepare(self, image):
        return torch.tensor(image.getpixel((0, 0)))

    def forward(self, pixels):
        return self.grid + pixels.float().mean(1)[:, None, None] / 256

    def fingerprint(self):
        return "generated grids"


class FirstSteps(CaptionExamples):
    """An epoch's first steps, in the order and from the places of the whole epoch."""

    steps = None

    def batches(self, *arguments):
        return super().batches(*arguments)[: self.steps]


def encode(folder, images, steps):
    """Write the cache. Returns: dict of what it took."""
    began = time.perf_counter()
    features = encode_features(Pictures(images), Generator(), folder, progress=False)
    size = os.path.getsize(features.filename)
    return {"bytes": size, "MB/s": size / 1e6 / (time.perf_counter() - began)}


def read(folder, images, steps):
    """Read batches of 25 images from all over the cache, none of it in memory."""
    features = _open(folder)
    rng, size, began = np.random.default_rng(0), 0, time.perf_counter()
    for _ in range(4 * steps):
        size += read_rows(features, rng.choice(images, 25, replace=False)).nbytes // 2
    return {"bytes": size, "MB/s": size / 1e6 / (time.perf_counter() - began)}


def fit(folder, images, steps):
    """Train for some steps with the default sizes and settings."""
    features, rng = _open(folder)[:images], np.random.default_rng(0)
    if images == len(features.base):
        features = features.base  # a part of a map is read through the map
    drawn = rng.integers(len(WORDS), size=(images, 5, 10)).tolist()
    captions = [[" ".join(WORDS[i] for i in one) for one in several] for several in drawn]
    set_seed(0)
    model = CaptioningRNN(Vocabulary(WORDS), "attn", dropout=0.5)
    examples = FirstSteps(features, captions, model.vocabulary)
    examples.steps = steps
    with tempfile.TemporaryDirectory(dir=folder) as run:
        (record,) = train(
            model, examples, lambda model: {"BLEU-4": 0.0}, TrainingSettings(epochs=1), run,
            progress=False,
        )  # fmt: skip
    return {key: record[key] for key in ("seconds", "waited", "captions/s")}


def _open(folder):
    """Open the cache; what the system keeps of it in memory is dropped, where it can be."""
    (file,) = Path(folder).glob("*.npy")
    if hasattr(os, "posix_fadvise"):
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return np.load(file, mmap_mode="r")


def alone(part, *arguments):
    """Run a part in a process of its own. Returns: what it gave, and its peak memory in GB."""
    command = [sys.executable, "-m", __spec__.name, "--part", part.__name__, *map(str, arguments)]
    root = Path(__file__).parents[2]
    return json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout)


def measure(part, folder, images, steps):
    """Run a part here, and print as JSON what it gave and the peak memory of this process."""
    found = {"encode": encode, "read": read, "fit": fit}[part](folder, int(images), int(steps))
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    print(json.dumps(found | {"GB": peak}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=COCO)
    parser.add_argument("--steps", type=int, default=40, help="training steps to measure")
    parser.add_argument("--folder", help="where the cache may stand for a while")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        return measure(*options.part)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        size = (folder, options.images, options.steps)
        written, reading, large = alone(encode, *size), alone(read, *size), alone(fit, *size)
        few = alone(fit, folder, FEW, options.steps)
    more = large["GB"] - few["GB"]
    print(f"{options.images:,} images, {written['bytes'] / 1e9:.2f} GB on disk")
    for name, part in (("written", written), ("read", reading)):
        print(f"{name} at {part['MB/s']:.0f} MB/s, peak memory {part['GB']:.2f} GB")
    print(
        f"trained at {large['captions/s']:.0f} captions/s, peak memory {large['GB']:.2f} GB, "
        f"{more:.2f} GB above {FEW} images'; waited for data {100 * large['waited']:.1f} %"
    )
    return int(more >= GIGABYTES or large["waited"] >= SHARE)


if __name__ == "__main__":
    sys.exit(main())
