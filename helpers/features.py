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
    """Pictures of a data set cannot be read.

    rows: list of int in [0, I), which pictures; features: those of the other J, (J, ...)
    """

    def __init__(self, problems, features):
        self.rows, self.features = sorted(problems), features
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
    Raises: BrokenPictures when pictures cannot be read, once all others are encoded; ImageError
        where none can be read
    """
    folder, count = Path(folder), len(data)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{data.name}-{data.split}-{encoder.backbone}-{cache_key(data, encoder)}"
    whole, partial, note = (folder / f"{name}.{end}" for end in ("npy", "part", "json"))

    def earlier():
        """Open what an earlier call encoded, or None. Returns: that, and what was broken."""
        if not note.exists():
            return _open_whole(whole, count), {}
        done, problems, _ = _read_note(note)
        return (_open_whole(whole, count - len(problems)) if done == count else None), problems

    features, problems = earlier()
    if features is not None and not problems:
        return features
    with only_writer(partial, wait=True) as file:
        features, problems = earlier()  # another process may have been the first
        mended = any(not isinstance(open_picture(data, i), DataError) for i in problems)
        if features is None or mended:
            whole.unlink(missing_ok=True)
            try:
                problems = _encode(data, encoder, file, note, batch_size, progress)
            except OSError as error:
                error.filename = error.filename or str(partial)  # of a full disk
                raise
            partial.replace(whole)
        partial.unlink(missing_ok=True)
        if not problems:
            note.unlink(missing_ok=True)
    features = _open_whole(whole, count - len(problems))
    if problems:
        raise BrokenPictures(problems, features)
    return features


def cache_key(data, encoder):
    """Return 16 hex digits that change with the ImageEncoder and with any picture's file."""
    digest = hashlib.sha256(encoder.fingerprint().encode())
    for i in range(len(data)):
        digest.update(data.fingerprint(i).encode())
    return digest.hexdigest()[:16]


def encode_images(encoder, images, batch_size=4):
    """Encode pictures, a few at a time: on a CPU as fast as many, in less memory.

    Inputs: images: one picture or N, see `images.pictures`; batch_size: how many at a time
    Returns: features as a float32 tensor, (N, P, C) or (N, C). Raises: as `images.pictures`
    """
    pixels = torch.stack([encoder.prepare(image) for image in pictures(images)])
    pixels = pixels.to(encoder.mean.device)
    with torch.inference_mode():
        return torch.cat([encoder(some).float() for some in pixels.split(batch_size)])


def read_rows(features, rows):
    """Read some images' features: of a file in their order on disk, and past the memory map.

    Pages that are touched through the map would count as this process's memory.

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
