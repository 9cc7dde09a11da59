"""Files that are whole or not there, and the one error for a user's file that cannot be used."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


class DataError(ValueError):
    """Say which file of the user's cannot be used, why, and what to do about it."""


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path to write to, which becomes `path` only once it is complete.

    It lies in the same folder, which is made where there is none, and has the same suffix.
    Whatever goes wrong in the block, `path` keeps what it held. A symbolic link is followed.

    Raises: OSError when the disk is full or the folder cannot be written; DataError where a folder
        or a device is in the way
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():  # root could replace /dev/null
        raise DataError(f"{path}: is not a regular file; name another to write to")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave the new name on an empty file
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say which file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(path: str | os.PathLike, wait: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that one process at a time writes to; the system lets go of it with the process.

    Inputs: path: made where it is missing; wait: for another process to end, rather than to refuse
    Returns: a context manager of the file, open for reading and writing at its start
    Raises: DataError naming the file that another process writes to
    """
    while True:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise DataError(f"{path}: another process is writing here") from None
                print(f"{path}: another process writes it; waiting", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # a disk without locks, over a network
                pass
            if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                yield file
                return  # else it was renamed or removed while this process waited


def check_writable(path: str | os.PathLike | None) -> None:
    """Check early that a file or folder can be written that need not be there yet; None passes.

    Raises: DataError naming the folder that cannot be written, or the file where a folder is meant
    """
    if path is None:
        return
    folder = Path(path).absolute()
    while not folder.exists() and not folder.is_symlink():
        folder = folder.parent
    if folder != Path(path).absolute() and not folder.is_dir():
        raise DataError(f"{path}: cannot be written, {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise DataError(f"{path}: cannot be written, {folder} is read-only for you")


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Delete the temporary files of `atomic_write` that killed processes left in a folder."""
    for file in Path(folder).rglob(".*.*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}(\.\w+)?", file.name):
            file.unlink(missing_ok=True)


def hash_file(path: str | os.PathLike, kind: str = "sha256") -> str:
    """Return the hash of a file's bytes, in hex digits; kind: of hashlib, such as "md5"."""
    digest = hashlib.new(kind)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write `content` to `path` as UTF-8 JSON, one item to a line, whole or not at all."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def parse_json(content: bytes, name: str | os.PathLike) -> Any:
    """Parse the bytes of a JSON file, UTF-8 with or without a byte order mark.

    Raises: DataError naming the file `name`, and where its syntax breaks
    """
    try:
        parsed = json.loads(content.decode("utf-8-sig"))
        if re.search(rb"\\u[dD][89a-fA-F]", content):  # halves of characters: each with its other?
            json.dumps(parsed, ensure_ascii=False).encode()
        return parsed
    except (ValueError, RecursionError) as error:  # what Unicode raises is a ValueError too
        raise DataError(f"{name}: not JSON in UTF-8 ({error}); fetch it again") from error


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file. Raises: DataError naming the file that cannot be read or is not JSON."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_json(content, path)
