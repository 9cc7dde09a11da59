"""Image features, encoded once and kept in a memory-mapped file."""

import hashlib
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm.auto import tqdm

from helpers.files import DataError, read_json, write_json

SAVE_SECONDS = 10  # how often what is encoded is noted as surely on disk


def encode_features(data, encoder, folder, batch_size=16, progress=True):
    """Encode every picture of a data set, or open what an earlier call encoded.

    The file's name is a hash of the encoder's settings and weights and of every picture's file, so
    that a change in any of them gives another file. Encoding that was cut off goes on where it
    stopped.

    Inputs:
        data: CaptionedImages, I pictures
        encoder: ImageEncoder
        folder: where the features are kept, made where missing
        batch_size: pictures per batch
        progress: show a progress bar
    Returns: memory-mapped float16 array in the order of `data.ids`, (I, P, C), or (I, C) for an
        encoder that pools
    Raises: ImageError for a picture that cannot be read; what was encoded before it is kept.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{data.name}-{data.split}-{encoder.backbone}-{cache_key(data, encoder)}"
    whole, partial, state = (folder / f"{name}{end}" for end in (".npy", ".part", ".json"))
    if not whole.exists():
        _encode(data, encoder, partial, state, batch_size, progress)
        partial.replace(whole)
        state.unlink()
    return np.load(whole, mmap_mode="r")


def cache_key(data, encoder):
    """Return 16 hex digits that change with the encoder and with any picture's file."""
    digest = hashlib.sha256(encoder.fingerprint().encode())
    for i in range(len(data)):
        digest.update(data.fingerprint(i).encode())
    return digest.hexdigest()[:16]


def encode_images(encoder, images, batch_size=4):
    """Encode PIL images.

    Few at a time are as fast on a CPU as many, and take less memory.

    Inputs: encoder: ImageEncoder; images: list of N; batch_size: how many at a time
    Returns: features as a float32 tensor, (N, P, C) or (N, C)
    """
    pixels = torch.stack([encoder.prepare(image) for image in images])
    pixels = pixels.to(encoder.mean.device)
    with torch.inference_mode():
        return torch.cat([encoder(some).float() for some in pixels.split(batch_size)])


def read_rows(features, rows):
    """Read some images' features.

    Rows of a file are read in their order on disk, and past the memory map: pages that are touched
    through the map would count as this process's memory, up to the whole file.

    Inputs:
        features: array, or memory map as `encode_features` returns it, (I, ...)
        rows: integer array (N,), in any order, repetitions allowed
    Returns: float32 array (N, ...)
    Raises: DataError if the file was cut off meanwhile.
    """
    if not isinstance(getattr(features, "base", None), mmap.mmap):  # no file, or a part of one
        return np.asarray(features[rows], np.float32)
    rows = np.asarray(rows)
    block = np.empty((len(rows), *features.shape[1:]), features.dtype)
    size = block[:1].nbytes
    with open(features.filename, "rb", buffering=0) as file:
        for n in np.argsort(rows, kind="stable").tolist():
            file.seek(features.offset + int(rows[n]) * size)
            if file.readinto(block[n].reshape(-1).view(np.uint8)) != size:
                raise DataError(f"{features.filename}: cut off; delete it, it is encoded again")
    return block.astype(np.float32)


def ahead(load, items):
    """Yield load(item) for each item; a thread loads the next while one is used."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = []
        for item in items:
            upcoming.append(reader.submit(load, item))
            if len(upcoming) == 2:
                yield upcoming.pop(0).result()
        for last in upcoming:
            yield last.result()


def _encode(data, encoder, partial, state, batch_size, progress):
    """Fill `partial` batch by batch; `state` tells how many pictures are surely on disk."""
    done, saved_at = 0, time.monotonic()
    if partial.exists() and state.exists():
        done = read_json(state)["done"]
        features = open_memmap(partial, mode="r+")
    else:
        shape = encode_images(encoder, [data.image(0)]).shape[1:]
        features = open_memmap(partial, mode="w+", dtype=np.float16, shape=(len(data), *shape))

    def load(start):
        return [data.image(i) for i in range(start, min(start + batch_size, len(data)))]

    bar = tqdm(
        total=len(data), initial=done, desc=f"encode {data.split}", unit="image",
        disable=not progress,
    )  # fmt: skip
    # written as a file, not through the map: there, a full disk would end the process
    with bar, open(partial, "r+b") as file:
        file.seek(features.offset + done * features[:1].nbytes)
        for images in ahead(load, range(done, len(data), batch_size)):
            rows = encode_images(encoder, images, batch_size).cpu().numpy()
            file.write(rows.astype(np.float16).tobytes())
            done += len(images)
            bar.update(len(images))
            if time.monotonic() - saved_at > SAVE_SECONDS or done == len(data):
                file.flush()
                os.fsync(file.fileno())
                write_json(state, {"done": done})
                saved_at = time.monotonic()
