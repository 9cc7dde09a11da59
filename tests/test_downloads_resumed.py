"""Downloads that were cut off before, or have come before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server import CHUNK, CONTENT, QUICK, SHA256, Page, fetched, only, serve

from helpers.downloads import transfer
from helpers.downloads.transfer import DownloadError, fetch
from helpers.downloads.unpacking import zip_problem

# What has come in part


def test_a_later_call_goes_on(tmp_path):
    with serve({"/file.bin": Page(CONTENT, cuts=[40_000, 0, 0])}) as address:
        url = f"{address}/file.bin"
        with pytest.raises(DownloadError, match="what has come is kept, run this again to go on"):
            fetch(url, tmp_path / "file.bin", attempts=2, **QUICK)
        assert not (tmp_path / "file.bin").exists()
        page = Page(CONTENT)
        with serve({"/file.bin": page}) as elsewhere:  # another address may have another file
            fetch(f"{elsewhere}/file.bin", tmp_path / "other.bin", **QUICK)
        fetch(url, tmp_path / "file.bin", **QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert only(tmp_path, "file.bin", "other.bin")


def test_of_a_file_that_has_changed_meanwhile_nothing_is_mixed(tmp_path):
    pages = {"/file.bin": Page(b"old " * 5000, cuts=[CHUNK, 0], tag='"old"')}
    with serve(pages) as address:
        with pytest.raises(DownloadError):
            fetch(f"{address}/file.bin", tmp_path / "file.bin", attempts=1, **QUICK)
        assert (tmp_path / ".file.bin.part").stat().st_size == CHUNK
        pages["/file.bin"] = Page(b"new " * 5000, tag='"new"')
        fetch(f"{address}/file.bin", tmp_path / "file.bin", **QUICK)
        assert pages["/file.bin"].asked == [f"bytes={CHUNK}-"]
    assert (tmp_path / "file.bin").read_bytes() == b"new " * 5000


def test_a_part_of_another_address_is_not_gone_on_with(tmp_path):
    (tmp_path / ".file.bin.part").write_bytes(b"something else")
    (tmp_path / ".file.bin.json").write_text('{"url": "http://elsewhere", "validator": "x"}')
    page = Page(CONTENT)
    fetched(page, tmp_path / "file.bin")
    assert page.asked == [None] and (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("note", [b"{", b"[]", b"\xff", None])
def test_a_part_without_a_usable_note_is_not_gone_on_with(tmp_path, note):
    (tmp_path / ".file.bin.part").write_bytes(b"something else")
    if note is not None:
        (tmp_path / ".file.bin.json").write_bytes(note)
    assert fetched(Page(CONTENT), tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(tmp_path):
    with serve({"/file.bin": Page(CONTENT)}) as address:
        url = f"{address}/file.bin"
        (tmp_path / ".file.bin.part").write_bytes(CONTENT)
        (tmp_path / ".file.bin.json").write_text(f'{{"url": "{url}", "validator": "\\"one\\""}}')
        fetch(url, tmp_path / "file.bin", size=len(CONTENT), digest=SHA256, **QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT and only(tmp_path, "file.bin")


def test_a_part_that_is_too_long_is_begun_anew(tmp_path):
    with serve({"/file.bin": Page(CONTENT)}) as address:
        url = f"{address}/file.bin"
        (tmp_path / ".file.bin.part").write_bytes(CONTENT + b"more")
        (tmp_path / ".file.bin.json").write_text(f'{{"url": "{url}", "validator": "\\"one\\""}}')
        fetch(url, tmp_path / "file.bin", size=len(CONTENT), digest=SHA256, **QUICK)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


# What is there already


def test_a_file_that_is_there_is_checked_and_not_asked_for(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    page = Page(b"another")
    assert fetched(page, path, size=len(CONTENT), digest=SHA256) == path
    assert page.asked == [] and path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": 7}, "102,400 bytes long, where 7 are published; move it away"),
        ({"digest": "sha256:00"}, "its sha256 is .*; move it away"),
        ({"check": zip_problem}, "not a whole zip archive"),
    ],
)
def test_a_file_that_is_there_and_wrong_is_left_alone(tmp_path, options, reason):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    with pytest.raises(DownloadError, match=rf"file\.bin: {reason}"):
        fetched(Page(CONTENT), path, **options)
    assert path.read_bytes() == CONTENT


def test_two_processes_do_not_write_the_same_file(tmp_path):
    class Busy:
        @staticmethod
        def get(*arguments, **options):
            with pytest.raises(DownloadError, match="is being downloaded by another process"):
                fetch("http://127.0.0.1/x", tmp_path / "file.bin", **QUICK)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("http://127.0.0.1/x", tmp_path / "file.bin", session=Busy, **QUICK)
    assert only(tmp_path)


def test_a_file_that_another_process_has_just_finished_stays(tmp_path, monkeypatch):
    def finish(file, operation):
        (tmp_path / ".file.bin.part").write_bytes(CONTENT)
        (tmp_path / ".file.bin.part").rename(tmp_path / "file.bin")

    monkeypatch.setattr(transfer.fcntl, "flock", finish)
    with pytest.raises(DownloadError, match="by another process; wait for it"):
        fetched(Page(b"another"), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT and only(tmp_path, "file.bin")


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(transfer.fcntl, "flock", refuse)
    assert fetched(Page(CONTENT), tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_killed_download_goes_on(tmp_path):
    page = Page(CONTENT * 50, cuts=[3_000_000])
    code = (
        "import sys; from helpers.downloads.transfer import fetch; "
        "fetch(sys.argv[1], sys.argv[2], pause=60, progress=False)"
    )
    with serve({"/file.bin": page}) as address:
        arguments = [sys.executable, "-c", code, f"{address}/file.bin", str(tmp_path / "file.bin")]
        process = subprocess.Popen(arguments, cwd=Path(__file__).parents[1])
        part = tmp_path / ".file.bin.part"
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size >= 2 << 20):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "file.bin").exists()
        have = part.stat().st_size
        fetch(f"{address}/file.bin", tmp_path / "file.bin", **QUICK)
        assert page.asked == [None, f"bytes={have}-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT * 50
