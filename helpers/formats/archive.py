"""One view of a data set's files, in a folder or in zip archives, without unpacking anything."""

import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from PIL import Image

from helpers.files import DataError, parse_json
from helpers.images import open_image

# A data set's pictures lie at most this many folders below the folder that is named, so that
# somebody's home folder, given by mistake, is not searched through.
_DEPTH = 3


class Archive:
    """The files of a folder, of a zip archive, or of the zip archives that lie in a folder.

    A file is called by its path inside, with forward slashes: "train2017/000000000009.jpg".
    What lies unpacked in the folder comes before what a zip holds under the same name. Zips are
    opened once in each process, so an Archive may be used in worker processes, however started.

    Attributes:
        path: pathlib.Path, what it was made from
        folders: set of str, the names of the folders right above a file, in lower case
    """

    def __init__(self, path: str | os.PathLike) -> None:
        """Index the files below `path`.

        Inputs:
            path: a folder or a zip archive; or a file that is a whole data set, which ends in .pt
        Raises: DataError naming the path when it is missing or neither, or a damaged zip
        """
        self.path = Path(path).expanduser()
        self._opened_by: int | None = None
        self._opened: dict[Path, zipfile.ZipFile] = {}
        # name -> path of the zip that holds it, or None for a file on disk
        self._zip_of: dict[str, Path | None] = {}
        if os.path.isdir(self.path):
            self._add_folder(str(self.path), "", _DEPTH)
            zips = sorted(self.path.glob("*.zip"))
        elif self.path.suffix.lower() == ".zip" and os.path.isfile(self.path):
            zips = [self.path]
        elif self.path.suffix.lower() == ".pt" and os.path.isfile(self.path):
            self.path, name = self.path.parent, self.path.name
            self._zip_of[name], zips = None, []
        else:
            what = "not a folder or zip" if os.path.exists(self.path) else "no such file or folder"
            remedy = "give the folder or the zip archive that holds the data set"
            raise DataError(f"{path}: {what}; {remedy}")
        for each in zips:
            self._add_zip(each)
        self.folders, self._by_name, self._by_tail = set(), {}, {}
        for name in reversed(self._zip_of):  # so that of equals the first stays
            folder, file_name = _tail(name)
            self._by_name[file_name] = self._by_tail[f"{folder}/{file_name}"] = name
            self.folders.add(folder)

    def _add_folder(self, folder: str, prefix: str, depth: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(".zip"):
                continue
            if not entry.is_dir():
                self._zip_of[prefix + entry.name] = None
            elif depth > 0:
                self._add_folder(entry.path, f"{prefix}{entry.name}/", depth - 1)

    def _add_zip(self, path: Path) -> None:
        for name in self._zip(path).namelist():
            # macOS puts a second, unreadable copy of each file beside it, under such names
            if not name.endswith("/") and not name.startswith("__MACOSX/"):
                self._zip_of.setdefault(name, path)

    def _zip(self, path: Path) -> zipfile.ZipFile:
        """Give the open zip, opened in this process: two processes must not share a position."""
        if self._opened_by != os.getpid():
            self._opened_by, self._opened = os.getpid(), {}
        if path not in self._opened:
            try:
                self._opened[path] = zipfile.ZipFile(path)
            except Exception as error:  # on broken files zipfile raises many kinds of error
                remedy = "it may be cut off; fetch it again"
                raise DataError(f"{path}: not a whole zip archive ({error}); {remedy}") from error
        return self._opened[path]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened_by": None, "_opened": {}}

    def __len__(self) -> int:
        return len(self._zip_of)

    def find(self, file_name: str) -> str | None:
        """Give the first file called `file_name`, in whichever folder inside, or None."""
        return self._by_name.get(file_name)

    def require(self, file_name: str) -> str:
        """Give what `find` finds. Raises: DataError when there is no such file."""
        name = self.find(file_name)
        if name is None:
            raise DataError(f"{self.path}: {file_name} is missing; fetch it again")
        return name

    def locate(self, file_name: str, folders: Iterable[str]) -> str | None:
        """Give the file called `file_name` in the first of some folders that holds it, or None.

        Inputs:
            file_name: str
            folders: names of the folder right above the file, in lower case; "" is the top
        Returns: the path inside, or None
        """
        tails = (f"{folder}/{file_name}" for folder in folders)
        return next((self._by_tail[tail] for tail in tails if tail in self._by_tail), None)

    def label(self, name: str) -> str:
        """Give the path of a file for a person to read, through the zip where it lies in one."""
        return str((self._zip_of[name] or self.path) / name)

    def read(self, name: str) -> bytes:
        """Read a whole file.

        Inputs:
            name: its path inside
        Returns: bytes
        Raises: DataError naming the file when it is gone or damaged
        """
        try:
            packed = self._zip_of[name]
            return self._zip(packed).read(name) if packed else (self.path / name).read_bytes()
        except RuntimeError as error:  # encrypted, or an exotic packing
            raise DataError(f"{self.label(name)}: {error}; unpack it with its own tool") from error
        except Exception as error:  # each way of packing has its own kinds of error
            problem = f"damaged or cannot be read ({error}); fetch it again"
            raise DataError(f"{self.label(name)}: {problem}") from error

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading at any place; what a zip holds is read whole.

        Inputs:
            name: its path inside
        Returns: binary file object, to be closed by the caller
        Raises: DataError naming the file when it is gone or damaged
        """
        if self._zip_of[name] is not None:
            return io.BytesIO(self.read(name))
        try:
            return open(self.path / name, "rb")
        except OSError as error:
            raise DataError(f"{self.label(name)}: cannot be read ({error.strerror})") from error

    def image(self, name: str) -> Image.Image:
        """Open a picture.

        Inputs:
            name: its path inside
        Returns: PIL image, RGB
        Raises: DataError (ImageError when it is the picture itself) naming the file
        """
        return open_image(io.BytesIO(self.read(name)), self.label(name))

    def read_text(self, name: str) -> str:
        """Read a whole text file. Raises: DataError when it is not UTF-8, and as for `read`."""
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 text (byte {error.start})"
            raise DataError(f"{self.label(name)}: {problem}; fetch it again") from error

    def read_json(self, name: str) -> Any:
        """Read a whole JSON file. Raises: DataError when it is not JSON, and as for `read`."""
        return parse_json(self.read(name), self.label(name))

    def fingerprint(self, name: str) -> str:
        """Give a short string that is another one as soon as the file has changed.

        Raises: DataError naming a zip that is gone or damaged
        """
        if packed := self._zip_of[name]:
            info = self._zip(packed).getinfo(name)
            return f"{info.file_size}-{info.CRC:08x}"
        status = (self.path / name).stat()
        return f"{status.st_size}-{status.st_mtime_ns}"


def _tail(name: str) -> tuple[str, str]:
    """Split off the folder right above a file, in lower case, and the file's own name."""
    *folders, file_name = name.rsplit("/", 2)
    return folders[-1].lower() if folders else "", file_name
