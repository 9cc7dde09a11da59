"""Checking and unpacking zip archives of unknown origin: nothing lands outside the folder."""

import errno
import shutil
import stat
import zipfile
from os import PathLike
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

from helpers.files import DataError, atomic_write

# What the system says of names that cannot be files beside each other, and of a broken archive;
# whatever else it says (a full disk, no permission) is not the archive's fault.
_ITS_FAULT = (
    None, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip


def zip_problem(path: Path) -> str | None:
    """Give what is wrong with a zip archive, by the checksums of all that is in it, or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # on broken files zipfile raises many kinds of error
        return f"not a whole zip archive ({error})"
    return f"{damaged} in it is damaged" if damaged else None


def unpack(path: Path, folder: str | PathLike, progress: bool = True) -> None:
    """Unpack a zip archive; refuse it whole when anything in it would land outside.

    Inputs:
        path: the archive
        folder: where to; files that are there in the same size stay
        progress: show a progress bar
    Raises: DataError naming the archive and what is wrong in it; OSError when the disk is full or
        the folder cannot be written
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            for member in members:
                _check_member(path, member, folder)
            needed, free = sum(m.file_size for m in members), shutil.disk_usage(folder).free
            if needed > free:
                sizes = f"{needed / 1e9:.1f} GB unpacked, and {free / 1e9:.1f} GB are free"
                raise DataError(f"{path}: {sizes}; make room, or read it as it is")
            for member in tqdm(members, f"unpack {path.name}", disable=not progress, leave=False):
                _unpack_member(archive, member, folder / member.filename)
    except DataError:
        raise
    except Exception as error:  # as above
        if isinstance(error, OSError) and error.errno not in _ITS_FAULT:
            raise
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch it again") from error


def is_inside(name: str) -> bool:
    """Tell whether a path in an archive stays below the folder it is unpacked to."""
    parts = PurePosixPath(name).parts
    return parts != () and ".." not in parts and name[0] != "/" and not set(name) & set("\\:\0")


def _check_member(path: Path, member: zipfile.ZipInfo, folder: Path) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(f"{path}: {member.filename!r} in it is a link or a device; not unpacked")
    target = (folder / member.filename).resolve()  # the folder may hold links already
    if not (is_inside(member.filename) and target.is_relative_to(folder.resolve())):
        raise DataError(f"{path}: {member.filename!r} in it leads out of the folder; not unpacked")


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.file_size:
        return
    with (
        archive.open(member) as packed, atomic_write(target) as temporary,
        open(temporary, "wb") as file,
    ):  # fmt: skip
        shutil.copyfileobj(packed, file)
