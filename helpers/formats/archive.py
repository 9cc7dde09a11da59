"""One view of a data set's files, in a folder or in zip archives, without unpacking anything."""

import functools
import io
import os
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from PIL import Image

from helpers.files import DataError, parse_json
from helpers.images import open_image

# A data set's pictures lie at most this many folders below the folder that is named, so that
# somebody's home folder, given by mistake, is not searched through.
_DEPTH = 3
# A file in a zip that unpacks to more bytes than _LARGE, and to _RATIO times what it takes there,
# is no file of a data set.
_LARGE, _RATIO = 100_000_000, 200


class Archive:
    """The files of a folder, of a zip archive, or of the zip archives that lie in a folder.

    A file is called by its path inside, with forward slashes: "train2017/000000000009.jpg".
    What lies unpacked in the folder comes before what a zip holds under the same name. An Archive
    may be used in worker processes, however started.

    path: pathlib.Path, what it was made from
    called: dict from a file's own name to the paths inside of all files of that name
    folders: set of str, the names of the folders that files lie in, in lower case
    """

    def __init__(self, path: str | os.PathLike) -> None:
        """Index the files below `path`: a folder, a zip, or a whole data set in a file, .pt.

        Raises: DataError naming the path when it is missing or neither, or a damaged zip
        """
        self.path = Path(path).expanduser()
        self._open_zips: dict[tuple[int, Path], zipfile.ZipFile] = {}  # by process and path
        # name -> path of the zip that holds it, or None for a file on disk
        self._zip_of: dict[str, Path | None] = {}
        kind = self.path.suffix.lower() if os.path.isfile(self.path) else ""
        zips = [self.path] if kind == ".zip" else []
        if os.path.isdir(self.path):
            self._add_folder(str(self.path), "", _DEPTH)
            zips = sorted(each for each in self.path.iterdir() if _is_zip(each.name))
        elif kind == ".pt":
            self.path, name = self.path.parent, self.path.name
            self._zip_of[name] = None
        elif not zips:
            what = "not a folder or zip" if os.path.exists(self.path) else "no such file or folder"
            remedy = "give the folder or the zip archive that holds the data set"
            raise DataError(f"{path}: {what}; {remedy}")
        for each in zips:
            for name in self._zip(each).namelist():
                # macOS puts a second, unreadable copy of each file beside it, under such names
                if not name.endswith("/") and not name.startswith("__MACOSX/"):
                    self._zip_of.setdefault(name, each)
        self.folders: set[str] = set()
        self.called: dict[str, list[str]] = {}
        for name in self._zip_of:
            *folders, file_name = _parts(name)
            self.called.setdefault(file_name, []).append(name)
            self.folders.update(folders)

    def _add_folder(self, folder: str, prefix: str, depth: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
        for entry in entries:
            if entry.name.startswith(".") or _is_zip(entry.name):
                continue
            if entry.is_file():  # a link into nowhere is none
                self._zip_of[prefix + entry.name] = None
            elif depth > 0 and entry.is_dir():
                self._add_folder(entry.path, f"{prefix}{entry.name}/", depth - 1)

    def _zip(self, path: Path) -> zipfile.ZipFile:
        """Return the open zip of this process: two must not share a position in the file."""
        key = os.getpid(), path
        if key not in self._open_zips:
            try:
                self._open_zips[key] = zipfile.ZipFile(path)
            except Exception as error:  # on broken files zipfile raises many kinds of error
                remedy = "it may be cut off; fetch it again"
                raise DataError(f"{path}: not a whole zip archive ({error}); {remedy}") from error
        return self._open_zips[key]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open_zips": {}}

    def files(self) -> list[str]:
        """List the names of all files, those on disk before those in zips."""
        return list(self._zip_of)

    def require(self, file_name: str) -> str:
        """Find a file. Raises: DataError when there is no such file, or more than one."""
        name = self.find(file_name)
        if name is None:
            raise DataError(f"{self.path}: {file_name} is missing; fetch it again")
        return name

    def find(self, name: str, folders: Iterable[str] = (), apart: Iterable[str] = ()) -> str | None:
        """Find the file that somebody calls `name`, wherever a person has put it.

        It is looked for at its exact path, then in each of `folders`, then anywhere, unless one
        of these folders is there: first where the fewest folders are above it. Folders of its name
        that are not there do not count; they are compared without case.

        Inputs: name: file name, with folders or without; folders: where annotations of this kind
            have their pictures, in lower case; apart: folders whose pictures are other ones
        Returns: the path inside, or None. Raises: DataError when two files are as near
        """
        *above, file_name = _parts(name)
        if above and name in self._zip_of:
            return name
        while above and above[0] not in self.folders:
            above.pop(0)
        here = [each for each in folders if each in self.folders]
        for folder in here:
            if found := self._nearest(name, (folder, *above, file_name)):
                return found
        if name in self._zip_of:
            return name
        near = () if above else here
        return self._nearest(name, (*above, file_name), near, apart)

    def _nearest(
        self, name: str, tail: tuple, near: Iterable[str] = (), apart: Iterable[str] = ()
    ) -> str | None:
        """Find the file with the fewest folders above it whose path ends with `tail`.

        near, apart: folders of which one, or none, must be above it
        """
        found = [
            each
            for each in self.called.get(tail[-1], ())
            if (parts := _parts(each))[-len(tail) :] == tail
            and (not near or not set(near).isdisjoint(parts[:-1]))
            and set(apart).isdisjoint(parts[:-1])
        ]
        found.sort(key=lambda each: each.count("/"))
        if len(found) > 1 and found[0].count("/") == found[1].count("/"):
            both = " and ".join(map(self.label, found[:2]))
            raise DataError(f"{name}: could be {both}; take one of them away")
        return found[0] if found else None

    def label(self, name: str) -> str:
        """Return the path of a file for a person, through the zip where it lies in one."""
        return str((self._zip_of[name] or self.path) / name)

    def read(self, name: str) -> bytes:
        """Read a whole file. Raises: DataError naming the file when it is gone or damaged."""
        try:
            packed = self._zip_of[name]
            if not packed:
                return (self.path / name).read_bytes()
            info = self._zip(packed).getinfo(name)
            if info.file_size > _LARGE and info.file_size > _RATIO * info.compress_size:
                raise RuntimeError(f"unpacks to {info.file_size:,} bytes, made to fill the memory")
            return self._zip(packed).read(name)
        except RuntimeError as error:  # encrypted, or an exotic packing
            raise DataError(f"{self.label(name)}: {error}; unpack it with its own tool") from error
        except Exception as error:  # each way of packing has its own kinds of error
            problem = f"damaged or cannot be read ({error}); fetch it again"
            raise DataError(f"{self.label(name)}: {problem}") from error

    def parse(self, name: str, parser: Callable[[IO[bytes]], Any], kind: str) -> Any:
        """Let a library read a binary file; what a zip holds is read whole first.

        Returns: what `parser(file)` does. Raises: DataError naming the file if it is not of a kind
        """
        packed = io.BytesIO(self.read(name)) if self._zip_of[name] else None
        try:
            with packed or open(self.path / name, "rb") as file:
                return parser(file)
        except Exception as error:  # on broken files libraries raise nearly any kind of error
            first = str(error).split("\n")[0]
            problem = f"no whole {kind} ({first:.80}); fetch it again"
            raise DataError(f"{self.label(name)}: {problem}") from error

    def image(self, name: str) -> Image.Image:
        """Open a picture as RGB. Raises: DataError (ImageError if it is broken) naming the file."""
        return open_image(io.BytesIO(self.read(name)), self.label(name))

    def read_text(self, name: str) -> str:
        """Read a whole text file. Raises: DataError when it is not UTF-8, and as for `read`."""
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 text (byte {error.start})"
            raise DataError(f"{self.label(name)}: {problem}; save it as UTF-8") from error

    def read_json(self, name: str) -> Any:
        """Read a whole JSON file. Raises: DataError when it is not JSON, and as for `read`."""
        return parse_json(self.read(name), self.label(name))

    def fingerprint(self, name: str) -> str:
        """Return a short string that changes with the file. Raises: DataError for a zip gone."""
        if packed := self._zip_of[name]:
            info = self._zip(packed).getinfo(name)
            return f"{info.file_size}-{info.CRC:08x}"
        status = (self.path / name).stat()
        return f"{status.st_size}-{status.st_mtime_ns}"


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


@functools.lru_cache(maxsize=1 << 12)
def _parts(name: str) -> tuple[str, ...]:
    """Split a path into its parts: folders in lower case, all in one form of Unicode."""
    *folders, file_name = unicodedata.normalize("NFC", name.replace("\\", "/")).split("/")
    return (*(part.lower() for part in folders if part not in ("", ".", "..")), file_name)
