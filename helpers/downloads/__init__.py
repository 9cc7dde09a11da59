"""The command `python -m helpers download`: data sets from where their makers publish them."""

import argparse
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.downloads.sources import DATA_SETS
from helpers.files import DataError
from helpers.settings import DATA

_AT_ONCE = 8  # how many single images are fetched at the same time
_HOPELESS = 16  # so many of them failing in a row end the attempt


def add_command(commands):
    """Add the command to those of the parser. Nothing heavy is imported before it runs."""
    names = "\n".join(f"  {name:14} {each.about}" for name, each in DATA_SETS.items())
    command = commands.add_parser(
        "download", help="fetch a data set", description=_run.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"data sets:\n{names}",
    )  # fmt: skip
    command.set_defaults(command=_run)
    command.add_argument("data_set", metavar="NAME", help="one of the data sets below")
    command.add_argument("--out", metavar="DIR", help="where to, a folder in data/ if not given")
    command.add_argument(
        "--images", type=int, metavar="N",
        help="fetch N photographs one by one, not the zips of them all (COCO only); of two splits, "
        "a fifth of them is from val",
    )  # fmt: skip
    command.add_argument(
        "--unpack", action="store_true",
        help="unpack the zips beside them; this project reads them as they are",
    )  # fmt: skip


def _run(options):
    """Fetch a data set. What is there already is checked, what was cut off is gone on with."""
    folder = download(options.data_set, options.out, options.images, options.unpack)
    print(f"{options.data_set} is in {folder}; python -m helpers data {folder} shows it")


def download(name, folder=None, images=None, unpacked=False, progress=True, **options):
    """Fetch a data set. What is there already is checked, what was cut off is gone on with.

    Inputs:
        name: a key of DATA_SETS
        folder: where to; None for its folder in data/
        images: fetch so many photographs one by one in place of the zips of them all; None for all
        unpacked: unpack the zips too
        progress: show progress bars
        options: of `transfer.fetch`
    Returns: the folder, pathlib.Path
    Raises: ValueError for a data set or a number of images that there is not; DataError naming
        the address or the file, and the remedy
    """
    from helpers.downloads.transfer import fetch
    from helpers.downloads.unpacking import unpack, zip_problem

    if name not in DATA_SETS:
        raise ValueError(f"{name}: no such data set; there are {', '.join(DATA_SETS)}")
    data_set = DATA_SETS[name]
    folder = Path(folder).expanduser() if folder else DATA / data_set.folder
    sources = data_set.sources
    if images is not None:
        if images < 1:
            raise ValueError(f"--images: expected at least 1, got {images}")
        if not data_set.pictures:
            one_by_one = ", ".join(each for each in DATA_SETS if DATA_SETS[each].pictures)
            raise ValueError(f"--images: {name} comes as a whole; one by one come {one_by_one}")
        sources = sources[:1]  # the annotations
    for source in sources:
        whole = zip_problem if source.digest is None and source.name.endswith(".zip") else None
        path = folder / source.name
        fetch(source.url, path, source.size, source.digest, whole, progress=progress, **options)
        if unpacked and path.suffix == ".zip":
            unpack(path, folder, progress)
    if images is not None:
        counts = _shares(images, list(data_set.pictures))
        addresses = {}
        for split, count in counts.items():
            addresses |= _addresses(folder, data_set.pictures[split], count)
        fetch_images(addresses, folder, progress, **options)
    return folder


def _shares(count, splits):
    """Spread `count` images over the splits: where there are two, a fifth goes to the second."""
    if len(splits) == 1:
        return {splits[0]: count}
    return {splits[0]: count - count // 5, splits[1]: count // 5}


def _addresses(folder, pictures, count):
    """Give the first images of a split, as dict from place below the folder to address."""
    from helpers.downloads.unpacking import is_inside
    from helpers.formats.archive import Archive
    from helpers.formats.records import entries, field, refuse

    archive = Archive(folder)
    name = archive.find(f"captions_{pictures}.json")
    if name is None:
        raise DataError(f"{folder}: captions_{pictures}.json is missing; fetch it again")
    label, addresses = archive.label(name), {}
    for image, where in itertools.islice(
        entries(archive.read_json(name), "images", label), count
    ):  # fmt: skip
        file = field(image, "file_name", str, where)
        if not is_inside(file) or "/" in file:
            refuse(where, f"{file!r} is no plain file name; fetch the file again")
        addresses[f"{pictures}/{file}"] = field(image, "coco_url", str, where)
    return addresses


def fetch_images(addresses, folder, progress=True, **options):
    """Fetch images a few at a time; leave those alone that are there.

    Inputs:
        addresses: dict from place below the folder to address
        folder: where to
        progress: show a progress bar
        options: of `transfer.fetch`
    Raises: DownloadError naming the first that could not be fetched, after the others were
    """
    import requests
    from tqdm.auto import tqdm

    from helpers.downloads.transfer import DownloadError, fetch

    def load(item):
        try:
            place = folder / item[0]
            fetch(item[1], place, check=_image_problem, progress=False, session=session, **options)
        except DownloadError as error:
            return error
        return None

    errors, in_a_row = [], 0
    with requests.Session() as session, ThreadPoolExecutor(_AT_ONCE) as workers:
        try:
            done = workers.map(load, addresses.items())
            bar = tqdm(
                done, total=len(addresses), desc="images", unit="image", disable=not progress
            )
            for error in bar:
                errors += [error] * (error is not None)
                in_a_row = in_a_row + 1 if error else 0
                if in_a_row == _HOPELESS:
                    break
        finally:
            workers.shutdown(cancel_futures=True)
    if errors:
        count = f"{len(errors):,} of {len(addresses):,} images did not come"
        raise DownloadError(f"{count}, run this again; the first: {errors[0]}") from errors[0]


def _image_problem(path):
    from helpers.images import ImageError, open_image

    try:
        open_image(path)
    except ImageError as error:
        return str(error).partition(": ")[2]
    return None
