"""Image features, encoded once and kept in a memory-mapped file."""

import hashlib
import math
import mmap
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.files import DataError, only_writer, read_json, write_json
from helpers.images import pictures

SAVE_SECONDS = 10  # how often what is encoded is noted as surely on disk


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

    Inputs:
        data: CaptionedImages, I pictures
        encoder: ImageEncoder
        folder: where the features are kept, made where missing
        batch_size: pictures per batch
        progress: show a progress bar
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
    features = _open_whole(whole, count)
    if features is not None and _has_gaps(features):
        print(f"{whole}: has gaps; encoding again", file=sys.stderr)
        whole.unlink()
    elif features is not None:
        return features
    with only_writer(partial, wait=True) as file:
        if _open_whole(whole, count) is None:  # else another process was the first
            problems = _known_problems(data, note)
            if not problems or _open_whole(*good(problems)) is None:
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
        upcoming = []
        for item in items:
            upcoming.append(reader.submit(load, item))
            if len(upcoming) == 2:
                yield upcoming.pop(0).result()
        for last in upcoming:
            yield last.result()


def _open_whole(path, count):
    """Map a file of features into memory, or return None where it is not there or not whole."""
    try:
        features = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return features if len(features) == count and features.dtype == np.float16 else None


def _has_gaps(features):
    """Tell whether all features of some picture are zero: nobody wrote them."""
    size = features.nbytes // len(features)
    with open(features.filename, "rb") as file:  # past the map, see `read_rows`
        for i in range(len(features)):
            start = os.pread(file.fileno(), min(512, size), features.offset + i * size)
            if not any(start) and not features[i].any():
                return True
    return False


def _read_note(note):
    """Read how many pictures are surely on disk, and which could not be read: (0, {}) at first."""
    try:
        content = read_json(note)
        return int(content["done"]), {int(k): v for k, v in content.get("broken", {}).items()}
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return 0, {}


def _known_problems(data, note):
    """Return what an earlier call found broken, if all of that is so still, else {}."""
    done, problems = _read_note(note)
    same = done == len(data) and all(isinstance(_image(data, i), DataError) for i in problems)
    return problems if same else {}


def _image(data, i):
    """Open a picture. Returns: PIL image; or what is wrong with it, a DataError."""
    try:
        return data.image(i)
    except DataError as problem:
        return problem


def _encode(data, encoder, file, note, batch_size, progress):
    """Fill a .npy file row by row; `note` tells how many pictures are surely in it.

    Returns: dict from the pictures that have no row, since they cannot be read, to why
    """
    (done, problems), saved_at, count = _read_note(note), time.monotonic(), len(data)
    shape = _row_shape(file, done - len(problems))
    if shape is None:
        done, problems = 0, {}

    def load(start):
        return [_image(data, i) for i in range(start, min(start + batch_size, count))]

    text = f"encode {data.split}"
    # written as a file, not through a map: there, a full disk would end the process
    with tqdm(total=count, initial=done, desc=text, unit="image", disable=not progress) as bar:
        for loaded in ahead(load, range(done, count, batch_size)):
            images = [image for image in loaded if not isinstance(image, DataError)]
            if not images and shape is None:
                raise loaded[0]  # such as CS231n's, which has no pictures at all
            broken = enumerate(loaded, start=done)
            problems |= {i: str(each) for i, each in broken if isinstance(each, DataError)}
            if images:
                rows = encode_images(encoder, images, batch_size).cpu().numpy()
                if shape is None:
                    shape = rows.shape[1:]
                    _write_header(file, count, shape)
                file.write(rows.astype(np.float16).tobytes())
            done += len(loaded)
            bar.update(len(loaded))
            if time.monotonic() - saved_at > SAVE_SECONDS or done == count:
                _flush(file)
                write_json(note, {"done": done, "broken": problems})
                saved_at = time.monotonic()
    file.truncate()
    _write_header(file, count - len(problems), shape)
    _flush(file)
    return problems


def _flush(file):
    file.flush()
    os.fsync(file.fileno())


def _row_shape(file, rows):
    """Go to the end of some rows of a .npy file. Returns: a row's shape; None if they are not."""
    try:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        end = file.tell() + rows * math.prod(shape[1:]) * dtype.itemsize
    except ValueError:
        rows, shape, dtype, end = 0, (), None, 0
    if rows < 1 or dtype != np.float16 or os.fstat(file.fileno()).st_size < end:
        file.seek(0)
        return None
    file.seek(end)
    return shape[1:]


def _write_header(file, count, shape):
    """Write the head of a .npy file; it is as long for any number of rows."""
    file.seek(0)
    header = {"descr": "<f2", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(file, header)
