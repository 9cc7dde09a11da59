"""Fetching one file over HTTP: resumed where it was cut off, checked, and whole or not there."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import requests
from tqdm.auto import tqdm

from helpers.files import DataError, parse_json, write_json

_CHUNK = 1 << 14  # bytes; when a connection is cut, what came of the last chunk is lost
_TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next bytes
_LONGEST_PAUSE = 60  # seconds


class DownloadError(DataError):
    """Say which address cannot be downloaded, why, and what to do about it."""


class _PassingError(Exception):
    """What may well go better in a moment; `pause` is how long the server asked to wait."""

    def __init__(self, problem, pause=0):
        super().__init__(problem)
        self.pause = pause


def fetch(
    url: str, path: Path, size: int | None = None, digest: str | None = None,
    check: Callable[[Path], str | None] | None = None, attempts: int = 5, pause: float = 1.0,
    progress: bool = True, session: Any = requests,
) -> Path:  # fmt: skip
    """Download a file, or check the one that is there.

    What has come is kept beside `path` under a hidden name, and the next call goes on from there
    if the server still has the same file (HTTP's Range and If-Range, RFC 9110). Cut connections
    and errors that pass (status 408, 429, 5xx) are tried again after a pause that doubles each
    time. Only a file that passed every check gets its name.

    Inputs:
        url: http or https address
        path: where the file shall stand; its folder is made where there is none
        size: its published size in bytes, or None
        digest: its published hash, as "sha256:0a1b...", or None
        check: function of a path that returns what is wrong with the file there, or None
        attempts: how often to try in a row without getting any further
        pause: seconds before the second attempt
        progress: show a progress bar
        session: what has requests' `get`, to keep connections open between files
    Returns: path, as pathlib.Path
    Raises: DownloadError naming the address or file, and the remedy; OSError when the disk is full
    """
    path = Path(path)
    if path.exists():
        problem = _find_problem(path, size, digest, check, progress)
        if problem:
            raise DownloadError(f"{path}: {problem}; move it away and run this again")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    transfer = _Transfer(url, path, size, digest, session)
    with transfer.open(), transfer.bar(progress):
        transfer.run(attempts, pause)
        os.fsync(transfer.file.fileno())
        problem = _find_problem(transfer.partial, size, digest, check, progress)
        if problem:
            transfer.discard()
            raise DownloadError(f"{url}: {problem}; nothing of it is kept, try again later")
        os.replace(transfer.partial, path)
        transfer.state.unlink(missing_ok=True)
    return path


class _Transfer:
    """One download on its way: the hidden file with what has come, and how to go on from there."""

    def __init__(self, url, path, size, digest, session):
        self.url, self.size, self.digest, self.session = url, size, digest, session
        self.partial = path.with_name(f".{path.name}.part")
        self.state = path.with_name(f".{path.name}.json")
        self.file: IO[bytes]  # from `open` on
        self.progress: tqdm  # from `bar` on

    @contextlib.contextmanager
    def open(self):
        """Open the hidden file, for this process alone."""
        with open(self.partial, "ab") as self.file:
            self._lock()
            try:
                yield
            finally:
                if self.file.tell() == 0:
                    self.discard()

    def _lock(self):
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the other process may have finished, and given the file its name, just before
            ours = os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.partial))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        except OSError:  # a file system without locks
            ours = True
        if not ours:
            problem = "is being downloaded by another process"
            raise DownloadError(f"{self.url}: {problem}; wait for it")

    def bar(self, progress):
        """Make the progress bar, a context manager."""
        self.progress = tqdm(
            total=self.size, initial=self.file.tell(), disable=not progress, unit="B",
            unit_scale=True, unit_divisor=1000, desc=self.url.rsplit("/", 1)[-1],
        )  # fmt: skip
        return self.progress

    def discard(self):
        """Forget what has come."""
        self.partial.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def run(self, attempts, pause):
        """Ask until everything has come, or `attempts` in a row brought nothing new."""
        furthest, failures = self.file.tell(), 0
        while True:
            try:
                return self._ask()
            except (_PassingError, requests.RequestException) as error:
                if isinstance(error, ValueError):  # so requests calls a senseless address
                    self._refuse(error)
                failures = 1 if self.file.tell() > furthest else failures + 1
                furthest = max(furthest, self.file.tell())
                if failures >= attempts:
                    remedy = "what has come is kept, run this again to go on"
                    raise DownloadError(f"{self.url}: {_reason(error)}; {remedy}") from error
                asked = getattr(error, "pause", 0)
                time.sleep(min(max(pause * 2 ** (failures - 1), asked), _LONGEST_PAUSE))

    def _ask(self):
        """Send one request for what is missing, and take in the answer."""
        headers = {"Accept-Encoding": "identity"}  # else lengths would be those of a packed file
        validator = self._validator()
        if validator is None:
            self._go_to(0)
        if self.file.tell() > 0:
            headers |= {"Range": f"bytes={self.file.tell()}-", "If-Range": validator}
        with self.session.get(
            self.url, headers=headers, stream=True, timeout=_TIMEOUT
        ) as response:  # fmt: skip
            if response.status_code == 416:  # nothing from there on
                return self._compare_end(response)
            start, total = self._understand(response)
            self._go_to(start)
            self._make_room(total)
            self._note_validator(response)
            for chunk in response.iter_content(_CHUNK):
                self.file.write(chunk)
                self.progress.update(len(chunk))
                if self.size is not None and self.file.tell() > self.size:
                    self.discard()
                    self._refuse(f"longer than the {self.size:,} bytes that are published")
        self.file.flush()
        expected = self.size if total is None else total
        if expected is not None and self.file.tell() != expected:
            raise _PassingError(f"cut off after {self.file.tell():,} of {expected:,} bytes")
        return None

    def _understand(self, response):
        """Give where the answer's bytes belong, and the whole file's length or None."""
        code = response.status_code
        if code in (408, 429) or code >= 500:
            wait = response.headers.get("Retry-After", "")
            raise _PassingError(f"the server answers {code}", int(wait) if wait.isdigit() else 0)
        if code not in (200, 206):
            self._refuse(f"the server answers {code} {response.reason}")
        start, total = 0, response.headers.get("Content-Length")
        if code == 206:
            found = re.match(
                r"bytes (\d+)-\d+/(\d+|\*)$", response.headers.get("Content-Range", "")
            )
            if not found or int(found[1]) != self.file.tell():
                self._go_to(0)
                raise _PassingError("the server sends another part than was asked for")
            start, total = int(found[1]), found[2]
        total = int(total) if total is not None and total.isdigit() else None
        if self.size is not None and total not in (None, self.size):
            self._refuse(f"{total:,} bytes long, where {self.size:,} are published")
        chunked = response.headers.get("Transfer-Encoding") == "chunked"
        if not (total or self.size or self.digest or chunked):
            self._refuse("the server does not say how long it is, so nobody can tell when it ends")
        return start, total

    def _compare_end(self, response):
        """Find out whether all has come, from an answer that there is no more."""
        length = response.headers.get("Content-Range", "").rpartition("*/")[2]
        if str(self.file.tell()) != length or self.size not in (None, self.file.tell()):
            self._go_to(0)
            raise _PassingError("the server has another file by now")

    def _refuse(self, problem):
        remedy = "see whether the address still holds, or put the file in its place yourself"
        raise DownloadError(f"{self.url}: {problem}; {remedy}")

    def _go_to(self, position):
        """Keep so many bytes of what has come; what is written next follows them."""
        if self.file.tell() != position:
            self.file.truncate(position)
            self.file.seek(position)
            self.progress.reset()
            self.progress.update(position)

    def _make_room(self, total):
        """Raise a DownloadError where the disk has no room for the rest."""
        self.progress.total = total or self.size
        missing = (total or self.size or 0) - self.file.tell()
        free = shutil.disk_usage(self.partial.parent).free
        if missing > free:
            need = f"{missing / 1e9:.1f} GB are still to come, and {free / 1e9:.1f} GB are free"
            raise DownloadError(f"{self.partial.parent}: {need}; make room, or name another folder")

    def _validator(self):
        """Give what tells the server which version of the file has come; None for nothing."""
        if self.file.tell() == 0 or not self.state.exists():
            return None
        with contextlib.suppress(DataError):  # as good as none
            state = parse_json(self.state.read_bytes(), self.state)
            if isinstance(state, dict) and state.get("url") == self.url:
                return state.get("validator")
        return None

    def _note_validator(self, response):
        tag = response.headers.get("ETag", "")
        strong = tag and not tag.startswith("W/")  # If-Range takes no other
        validator = tag if strong else response.headers.get("Last-Modified")
        write_json(self.state, {"url": self.url, "validator": validator})


def _reason(error):
    """Say in a few words why a request failed: requests' own texts are long and nested."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, _PassingError):
        return str(error)
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"the connection failed ({str(error) or type(error).__name__})"


def _find_problem(path, size, digest, check, progress):
    """Give what is wrong with a whole file, or None."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} bytes long, where {size:,} are published"
    if digest is not None:
        kind, _, expected = digest.partition(":")
        found = hash_file(path, kind, progress)
        if found != expected:
            return f"its {kind} is {found}, where {expected} is published"
    return check(path) if check else None


def hash_file(path: Path, kind: str = "sha256", progress: bool = True) -> str:
    """Hash a file.

    Inputs:
        path: the file
        kind: name of the hash in hashlib
        progress: show a progress bar (a large file takes minutes)
    Returns: str of hex digits
    """
    digest = hashlib.new(kind)
    bar = tqdm(
        total=path.stat().st_size, desc=f"check {path.name.strip('.')}", unit="B",
        unit_scale=True, disable=not progress, leave=False,
    )  # fmt: skip
    with open(path, "rb") as file, bar:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
