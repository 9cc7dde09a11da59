"""Encoding pictures and decoding captions, batched and one at a time."""

import torch

from helpers.decoding import beam, greedy
from helpers.encoder import ImageEncoder
from tools.benchmarks.captioner import SIZES, describe, make_batch
from tools.benchmarks.timing import rows

IMAGES, BATCH, WORDS = 1_000, 100, 2_500


def measure(images=IMAGES, sizes=SIZES, repetitions=1, device="cpu"):
    """Time greedy and beam decoding of an attention captioner. Yields: `Row`s.

    The captioner is untrained: it hardly ever says <END>, so every caption takes all 20 words.
    """
    model, _, _ = make_batch("attn", WORDS, sizes, device)
    features = torch.randn(images, sizes["P"], sizes["C"], device=device)
    size = f"{images} images, {describe('attn', WORDS, sizes)}"
    for name, decode in {
        "greedy": lambda batch: greedy(model, batch),
        "beam 5": lambda batch: beam(model, batch, width=5),
    }.items():
        decode(features[:1])
        decode(features[:BATCH])
        steps = {
            f"{BATCH} at a time": lambda decode=decode: each(decode, features, BATCH),
            "one at a time": lambda decode=decode: each(decode, features, 1),
        }
        yield from rows(name, size, steps, repetitions, "one at a time", warm_up=0)


def each(decode, features, batch):
    """Decode features batch by batch."""
    for some in features.split(batch):
        decode(some)


def measure_encoding(images=32, repetitions=3, device="cpu"):
    """Time the image encoder, EfficientNet-Lite0 on 224 × 224 pixels. Yields: `Row`s."""
    encoder = ImageEncoder().eval().to(device)
    pixels = torch.randint(0, 256, (images, 3, 224, 224), dtype=torch.uint8, device=device)

    @torch.inference_mode()
    def encode(batch):
        encoder(batch)

    steps = {
        f"{images} at a time": lambda: each(encode, pixels, images),
        "4 at a time": lambda: each(encode, pixels, 4),  # what `encode_images` does
        "one at a time": lambda: each(encode, pixels, 1),
    }
    yield from rows("encoding", f"{images} images", steps, repetitions, "one at a time", warm_up=1)
