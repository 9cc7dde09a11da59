"""python -m helpers download: fetch a data set."""

import errno
import itertools
import os
import shutil
import subprocess
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from helpers.files import DataError, hash_file, only_writer
from helpers.settings import DATA

ATTEMPTS = 5
PAUSE = 2.0  # seconds before the second attempt; doubled each time
PASSING = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}  # curl's codes for what may go better soon
CURL = ["curl", "--fail", "--location", "--proto", "=http,https", "--connect-timeout", "20"]
CURL += ["--globoff", "--speed-time", "60", "--speed-limit", "1", "--retry", "4"]


class Source(NamedTuple):
    """One file on the web, with what is published about it."""

    url: str
    size: int | None = None  # bytes
    digest: str | None = None  # "sha256:" or "md5:" and hex digits

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]


class DataSet(NamedTuple):
    """What makes up a data set."""

    about: str
    folder: str  # below data/
    sources: tuple[Source, ...]
    pictures: tuple[str, ...] = ()  # folders of photographs whose addresses the captions tell


# COCO's sizes and SHA-256, and those of Karpathy's zip, are the ones in TensorFlow Datasets
# (url_checksums/coco_captions.txt). Flickr8k's authors no longer host it; the MD5 of the copies are
# the ones in Flashlight and in torchvision for R. The courses publish neither size nor hash.
_COCO = """
annotations_trainval2017 252907541 113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268
val2017 815585330 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
train2017 19336861798 69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929
annotations_trainval2014 252872794 031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009
val2014 6645013297 fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0
train2014 13510573713 ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775
"""


def _coco(year: str) -> tuple[Source, ...]:
    """List the files of a year: annotations, val, train."""
    rows = [line.split() for line in _COCO.split("\n") if f"{year} " in line]
    kinds = ("annotations", "zips", "zips")
    return tuple(
        Source(f"http://images.cocodataset.org/{kind}/{name}.zip", int(size), f"sha256:{sha256}")
        for kind, (name, size, sha256) in zip(kinds, rows, strict=True)
    )


def _flickr8k(name: str, md5: str) -> Source:
    folder = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
    return Source(f"{folder}/{name}.zip", None, f"md5:{md5}")


DATA_SETS = {
    "coco2017-val": DataSet("COCO 2017, split val: 5,000 photographs, 1.1 GB", "coco2017",
        _coco("2017")[:2], ("val2017",)),
    "coco2017": DataSet("COCO 2017: 123,287 photographs, 20.4 GB", "coco2017",
        _coco("2017"), ("train2017", "val2017")),
    "coco2014": DataSet("COCO 2014: the same photographs, split otherwise, 20.4 GB", "coco2014",
        _coco("2014"), ("train2014", "val2014")),
    "flickr8k": DataSet("Flickr8k: 8,091 photographs, 1.1 GB", "flickr8k",
        (_flickr8k("Flickr8k_text", "bf6c1abcb8e4a833b7f922104de18627"),
         _flickr8k("Flickr8k_Dataset", "f18a1e2920de5bd84dae7cf08ec78978"))),
    "karpathy": DataSet(
        "Karpathy's splits of COCO 2014, Flickr8k and Flickr30k: captions alone, 37 MB", "karpathy",
        (Source("https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
            36_745_453, "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817"),
        )),
    "cs231n": DataSet("CS231n's captions and features of COCO 2014: no photographs, 1 GB", "cs231n",
        (Source("https://cs231n.stanford.edu/coco_captioning.zip"),)),
    "eecs498": DataSet("EECS 498's share of COCO 2014: small photographs, 0.4 GB", "eecs498",
        (Source("https://web.eecs.umich.edu/~justincj/teaching/eecs498/coco.pt"),)),
}  # fmt: skip

OPTIONS = {
    "data_set": (str, "one of the data sets below"),
    "--out": (str, "where to, a folder in data/ if not given"),
    "--images": (int, "fetch N photographs one by one, not the zips of them all (COCO only); of "
        "two splits, a fifth of them is from val"),
    "--unpack": (False, "unpack the zips too, for other programs; this one reads them as they are"),
}  # fmt: skip
BELOW = "\n".join(["data sets:", *(f"  {k:14} {each.about}" for k, each in DATA_SETS.items())])


def run(options):
    """Fetch a data set. Files that are there are checked; a download that was cut off goes on."""
    folder = download(options.data_set, options.out, options.images, unpack=options.unpack)
    print(f"{options.data_set} is in {folder}; python -m helpers data {folder} shows it")


def download(name, folder=None, images=None, progress=True, unpack=False):
    """Fetch a data set, see `run`.

    Inputs: name: a key of DATA_SETS; folder: None for its own in data/; images: how many
        photographs to fetch one by one, None for the zips; progress: show curl's progress bar
    Returns: the folder, pathlib.Path
    Raises: ValueError for an unknown data set, or one without single images; DataError naming the
        address or the file, and the remedy; OSError when the disk is full
    """
    if name not in DATA_SETS:
        raise ValueError(f"{name}: no such data set; there are {', '.join(DATA_SETS)}")
    data_set = DATA_SETS[name]
    if images is not None and not data_set.pictures:
        one_by_one = ", ".join(each for each in DATA_SETS if DATA_SETS[each].pictures)
        raise ValueError(f"--images: {name} comes as a whole; one by one come {one_by_one}")
    folder = Path(folder).expanduser() if folder else DATA / data_set.folder
    for source in data_set.sources if images is None else data_set.sources[:1]:  # the annotations
        path = fetch(source, folder / source.name, progress)
        if unpack and path.suffix == ".zip":
            _unpack(path, folder)
    if images is not None:
        val = images // 5 if len(data_set.pictures) == 2 else 0
        for split, count in zip(data_set.pictures, (images - val, val), strict=False):
            _fetch_images(folder, split, count, progress)
    return folder


def _unpack(path, folder):
    """Unpack a zip archive; names that lead out of the folder are left out by shutil."""
    try:
        shutil.unpack_archive(path, folder)
    except (zipfile.BadZipFile, shutil.ReadError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch it again") from error


def fetch(source, path, progress=True):
    """Download a file to `path`, or check the one that is there; only a checked file gets its name.

    What has come stays beside `path` under a hidden name. A later call goes on from there if a
    hash is published, which tells whether both parts are of one file.

    Raises: DataError naming the address or file, and the remedy; OSError when the disk is full
    """
    if path.exists():
        if problem := _problem(path, source):
            raise DataError(f"{path}: {problem}; move it away and run this again")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    with only_writer(partial) as file:
        try:
            if source.digest is None:
                file.truncate()
            if partial.stat().st_size == 0 or _problem(partial, source):
                _curl_until_done(source.url, partial, progress)
            if problem := _problem(partial, source):
                file.truncate(0)
                raise DataError(f"{source.url}: {problem}; nothing of it is kept, try again later")
            os.replace(partial, path)
        finally:
            if partial.exists() and partial.stat().st_size == 0:
                partial.unlink()
    return path


def _curl_until_done(url, partial, progress):
    """Run curl until the file is there, going on where the last attempt was cut off."""
    command = [*CURL, "--progress-bar", "--continue-at", "-", "--output", str(partial), url]
    for attempt in range(ATTEMPTS):
        try:
            code = subprocess.call(command, stderr=None if progress else subprocess.DEVNULL)
        except FileNotFoundError as error:
            remedy = "install it (apt install curl, brew install curl)"
            raise DataError(f"curl: not found; {remedy}") from error
        have = partial.stat().st_size
        if code == 0:
            return
        if code in (22, 33, 36) and have:  # the server cannot go on from there
            os.truncate(partial, 0)
        elif code not in PASSING:
            break
        time.sleep(PAUSE * 2**attempt)
    if code == 23:
        problem = f"cannot be written, is the disk full? {have:,} bytes are kept"
        raise OSError(errno.ENOSPC, problem, str(partial))
    reason = {22: "the server does not have it or refuses it", 6: "no such server, or no network"}
    why = reason.get(code, f"curl ended with code {code}")
    kept = "; what has come is kept, run this again to go on" * (have > 0)
    raise DataError(f"{url}: cannot be downloaded, {why}{kept}")


def _problem(path, source):
    """Say what is wrong with a file: its size, its hash, or a zip's own checksums; "" if nothing.

    A published hash decides alone; without one a zip is read through, and a picture opened.
    """
    from helpers.images import open_image

    size = path.stat().st_size
    if source.size not in (None, size):
        return f"{size:,} bytes long, where {source.size:,} are published"
    if source.digest is not None:
        kind, _, expected = source.digest.partition(":")
        digest = hash_file(path, kind)
        return "" if digest == expected else f"its {kind} is {digest}"
    kind = source.name.rpartition(".")[2]
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            return f"{damaged} in it is damaged" if damaged else ""
        if kind == "jpg":
            open_image(path, source.name)
        return ""
    except Exception as error:  # zipfile raises many kinds for a broken file
        return f"not a whole {kind} ({error})"


def _fetch_images(folder, split, count, progress):
    """Fetch the first photographs of a split, eight at a time; those that are there already stay.

    Raises: DataError naming the first that did not come, after the others have
    """
    from tqdm.auto import tqdm

    from helpers.formats.archive import Archive
    from helpers.formats.records import field, read_lists, refuse

    archive, sources = Archive(folder), {}
    (images,) = read_lists(archive, archive.require(f"captions_{split}.json"), "images")
    for image, where in itertools.islice(images, count):
        file, address = (field(image, key, str, where) for key in ("file_name", "coco_url"))
        if not file.endswith(".jpg") or set(file) & set("/\\:\0"):
            refuse(where, f"{file!r} is no plain file name; fetch the file again")
        if not address.startswith(("http://", "https://")) or "\0" in address:
            refuse(where, f"{address!r} is no address; fetch the file again")
        sources[folder / split / file] = Source(address)

    def problem(path):
        try:
            fetch(sources[path], path, progress=False)
            return ""
        except DataError as error:
            return str(error)

    pool = ThreadPoolExecutor(8)
    try:
        problems = pool.map(problem, sources)
        bar = tqdm(problems, total=len(sources), unit="image", disable=not progress)
        failed = list(filter(None, bar))
    finally:
        pool.shutdown(cancel_futures=True)  # when it is interrupted
    if failed:
        came = f"{len(failed):,} of {len(sources):,} images did not come"
        raise DataError(f"{came}, run this again; the first: {failed[0]}")
