"""Image features, encoded once and kept in a memory-mapped file."""

import hashlib
import math
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.files import DataError, only_writer, read_json, write_json
from helpers.images import pictures

SAVE_SECONDS = 10  # how often what is encoded is noted as surely on disk
HEADER = 128  # bytes before the rows of a .npy file, however many these are


class BrokenPictures(DataError):
    """Pictures of a data set cannot be read; the features of all others are in the cache.

    Attributes: rows: list of int in [0, I), which pictures
    """

    def __init__(self, problems):
        self.rows = sorted(problems)
        first = "; ".join(problems[row] for row in self.rows[:3])
        more = f"; and {len(problems) - 3:,} more" if len(problems) > 3 else ""
        super().__init__(f"{len(problems):,} pictures cannot be read: {first}{more}")


def encode_features(data, encoder, folder, batch_size=16, progress=True):
    """Encode every picture of a data set, or open what an earlier call encoded.

    The file's name is a hash of the encoder's settings and weights and of every picture's file, so
    that a change in any of them gives another file. Encoding that was cut off goes on where it
    stopped. Of several processes one encodes, and the others wait for it.

    Inputs: data: CaptionedImages, I pictures; encoder: ImageEncoder; folder: where the features are
        kept, made where missing; batch_size: in pictures; progress: show a progress bar
    Returns: memory-mapped float16 array in the order of `data.ids`, (I, P, C), or (I, C) for an
        encoder that pools
    Raises: BrokenPictures when pictures cannot be read, once all others are encoded; the features
        of a subset without these are in the cache then. ImageError where none can be read.
    """
    folder, count = Path(folder), len(data)
    folder.mkdir(parents=True, exist_ok=True)

    def good(problems):
        """Return where the features of the pictures without problems are, and their number."""
        rows = [row for row in range(count) if row not in problems]
        name = f"{data.name}-{data.split}-{encoder.backbone}-{cache_key(data, encoder, rows)}.npy"
        return folder / name, len(rows)

    whole, _ = good({})
    partial, note = whole.with_suffix(".part"), whole.with_suffix(".json")
    if (features := _open_whole(whole, count)) is not None:
        return features
    with only_writer(partial, wait=True) as file:
        if _open_whole(whole, count) is None:  # else another process was the first
            done, problems, _ = _read_note(note)
            broken = all(isinstance(open_picture(data, i), DataError) for i in problems)
            known = problems and done == count and broken  # an earlier call found the same
            if not known or _open_whole(*good(problems)) is None:
                try:
                    problems = _encode(data, encoder, file, note, batch_size, progress)
                except OSError as error:
                    error.filename = error.filename or str(partial)  # of a full disk
                    raise
                partial.replace(good(problems)[0])
            if problems:
                partial.unlink(missing_ok=True)
                raise BrokenPictures(problems)
            note.unlink()
        partial.unlink(missing_ok=True)
    return _open_whole(whole, count)


def cache_key(data, encoder, rows=None):
    """Return 16 hex digits that change with the encoder and with any picture's file.

    Inputs: data: CaptionedImages; encoder: ImageEncoder; rows: of which pictures, None for all
    """
    digest = hashlib.sha256(encoder.fingerprint().encode())
    for i in range(len(data)) if rows is None else rows:
        digest.update(data.fingerprint(i).encode())
    return digest.hexdigest()[:16]


def encode_images(encoder, images, batch_size=4):
    """Encode pictures, a few at a time: on a CPU as fast as many, in less memory.

    Each is opened, scaled to the encoder's size and let go before the next one.

    Inputs: images: one picture or N, see `images.pictures`; batch_size: how many at a time
    Returns: features as a float32 tensor, (N, P, C) or (N, C). Raises: as `images.pictures`
    """
    pixels = torch.stack([encoder.prepare(image) for image in pictures(images)])
    pixels = pixels.to(encoder.mean.device)
    with torch.inference_mode():
        return torch.cat([encoder(some).float() for some in pixels.split(batch_size)])


def read_rows(features, rows):
    """Read some images' features.

    Rows of a file are read in their order on disk, and past the memory map: pages that are touched
    through the map would count as this process's memory, up to the whole file.

    Inputs: features: array, or memory map as `encode_features` returns it, (I, ...);
        rows: integers (N,), in any order, repetitions allowed
    Returns: float32 array (N, ...). Raises: DataError if the file was cut off meanwhile.
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
        loading = None
        for item in items:
            loaded, loading = loading, reader.submit(load, item)
            if loaded:
                yield loaded.result()
        if loading:
            yield loading.result()


def _open_whole(path, count):
    """Map a file of features into memory, or return None where it is not there or not whole."""
    try:
        features = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return features if len(features) == count and features.dtype == np.float16 else None


def _read_note(note):
    """Read how many pictures are surely on disk, which were broken, and a row's shape."""
    try:
        content = read_json(note)
        broken = {int(row): problem for row, problem in content["broken"].items()}
        return int(content["done"]), broken, tuple(map(int, content["shape"]))
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return 0, {}, ()


def open_picture(data, i):
    """Open picture i of a data set. Returns: PIL image; or what is wrong with it, a DataError."""
    try:
        return data.image(i)
    except DataError as problem:
        return problem


def _encode(data, encoder, file, note, batch_size, progress):
    """Fill a .npy file row by row; `note` tells how many pictures are surely in it.

    Returns: dict from the pictures that have no row, since they cannot be read, to why
    """
    count, saved_at = len(data), time.monotonic()
    done, problems, shape = _read_note(note)
    end = HEADER + (done - len(problems)) * 2 * math.prod(shape)
    if not shape or os.fstat(file.fileno()).st_size < end:
        done, problems, shape, end = 0, {}, (), HEADER
    file.seek(end)

    def load(start):
        return [open_picture(data, i) for i in range(start, min(start + batch_size, count))]

    def save():
        file.flush()
        os.fsync(file.fileno())
        write_json(note, {"done": done, "broken": problems, "shape": shape})

    text = f"encode {data.split}"
    # written as a file, not through a map: there, a full disk would end the process
    with tqdm(total=count, initial=done, desc=text, unit="image", disable=not progress) as bar:
        for loaded in ahead(load, range(done, count, batch_size)):
            images = [image for image in loaded if not isinstance(image, DataError)]
            if not images and not shape:
                raise loaded[0]  # such as CS231n's, which has no pictures at all
            broken = enumerate(loaded, start=done)
            problems |= {i: str(each) for i, each in broken if isinstance(each, DataError)}
            if images:
                rows = encode_images(encoder, images, batch_size).cpu().numpy()
                shape = rows.shape[1:]
                file.write(rows.astype(np.float16).tobytes())
            done += len(loaded)
            bar.update(len(loaded))
            if time.monotonic() - saved_at > SAVE_SECONDS:
                save()
                saved_at = time.monotonic()
    file.truncate()
    file.seek(0)
    header = {"descr": "<f2", "fortran_order": False, "shape": (count - len(problems), *shape)}
    np.lib.format.write_array_header_1_0(file, header)
    assert file.tell() == HEADER
    save()
    return problems
