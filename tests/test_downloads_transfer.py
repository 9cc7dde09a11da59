"""Every fault of a server ends in a whole file or a clear error, never in a half file."""

import re
import time

import pytest
from server import CHUNK, CONTENT, QUICK, SHA256, Page, fetched, only, serve

from helpers.downloads import transfer
from helpers.downloads.transfer import DownloadError, fetch
from helpers.downloads.unpacking import zip_problem

# A whole file in spite of ...

GOOD = {
    "nothing": {},
    "503 twice": {"statuses": [503, 503]},
    "each passing status": {"statuses": [408, 429, 500, 502]},
    "503 with a pause": {"statuses": [503], "headers": {"Retry-After": "0"}},
    "a date to wait for": {"statuses": [503], "headers": {"Retry-After": "Fri, 31 Dec 1999"}},
    "one cut": {"cuts": [1000]},
    "many cuts, each a bit further": {"cuts": [CHUNK + 100] * 12},
    "cuts and statuses": {"cuts": [70_000], "statuses": [503]},
    "cuts without Range": {"cuts": [30_000, 70_000], "ranges": False},
    "cuts without ETag": {"cuts": [30_000, 70_000], "tag": ""},
    "cuts with a weak ETag": {"cuts": [30_000], "tag": 'W/"one"'},
    "a date in place of the ETag": {
        "cuts": [30_000], "tag": "", "headers": {"Last-Modified": "Wed, 01 Oct 2025 10:00:00 GMT"}
    },
    "other parts than asked for": {"cuts": [CHUNK], "shift": 7},
    "chunks": {"length": "chunked"},
    "cut chunks": {"length": "chunked", "cuts": [50_000]},
    "no length": {"length": "none"},
    "no length, and a cut": {"length": "none", "cuts": [50_000]},
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_a_whole_file_in_spite_of(tmp_path, kind):
    page = Page(CONTENT, **GOOD[kind])
    path = fetched(page, tmp_path / "new" / "file.bin", size=len(CONTENT), digest=SHA256)
    assert path.read_bytes() == CONTENT and only(path.parent, "file.bin")


def test_without_anything_published_the_servers_word_counts(tmp_path):
    fetched(Page(CONTENT, cuts=[4000, 5000]), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_only_what_is_missing_is_asked_for(tmp_path):
    page = Page(CONTENT, cuts=[2 * CHUNK, 3 * CHUNK + 10])
    fetched(page, tmp_path / "file.bin")
    assert page.asked == [None, f"bytes={2 * CHUNK}-", f"bytes={5 * CHUNK}-"]


# A clear error

BAD = {
    "404": (Page(CONTENT, statuses=[404] * 9), {}, "the server answers 404 Not Found; see whether"),
    "403": (Page(CONTENT, statuses=[403] * 9), {}, "the server answers 403 Forbidden"),
    "503 for ever": (Page(CONTENT, statuses=[503] * 99), {}, "answers 503; what has come is kept"),
    "always cut at the same place": (
        Page(CONTENT, cuts=[CHUNK] * 99, ranges=False), {}, "what has come is kept"
    ),
    "says more than it sends": (Page(CONTENT, length=10**6), {}, "what has come is kept"),
    "says less than it has": (
        Page(CONTENT, length=1000), {"size": len(CONTENT)}, "1,000 bytes long, where 102,400 are"
    ),
    "says less, only the hash tells": (
        Page(CONTENT, length=1000), {"digest": SHA256}, "its sha256 is [0-9a-f]{64}, where [0-9a-f]"
    ),
    "sends more than is published": (
        Page(CONTENT, length="chunked"), {"size": 1000}, "longer than the 1,000 bytes"
    ),
    "sends less than is published": (
        Page(CONTENT, length="chunked"), {"size": 10**6}, "cut off after 102,400 of 1,000,000 bytes"
    ),
    "another size": (Page(CONTENT), {"size": 7}, "102,400 bytes long, where 7 are published"),
    "wrong hash": (Page(CONTENT[::-1]), {"digest": SHA256}, "its sha256 is .*nothing of it is"),
    "wrong MD5": (Page(CONTENT), {"digest": "md5:00"}, "its md5 is [0-9a-f]{32}, where 00 is"),
    "no length at all": (Page(CONTENT, length="none"), {}, "does not say how long it is"),
    "an empty file": (Page(b""), {}, "does not say how long it is"),
    "not a zip": (Page(CONTENT), {"check": zip_problem}, "not a whole zip archive"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_clear_error_for(tmp_path, kind):
    page, options, reason = BAD[kind]
    expected = rf"http://127.0.0.1:\d+/file\.bin: .*{reason}"
    with pytest.raises(DownloadError, match=expected) as error:
        fetched(page, tmp_path / "file.bin", attempts=3, **options)
    assert "\n" not in str(error.value) and not (tmp_path / "file.bin").exists()
    leaves_a_part = "is kept, run" in str(error.value) and "503" not in kind
    assert only(tmp_path, *([".file.bin.json", ".file.bin.part"] if leaves_a_part else []))


def test_a_server_that_is_not_there(tmp_path):
    with serve({}) as address:
        pass
    with pytest.raises(DownloadError, match=r"the connection failed .*refused\); what has come"):
        fetch(f"{address}/file.bin", tmp_path / "file.bin", attempts=2, **QUICK)


def test_a_server_that_falls_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_TIMEOUT", (1, 0.05))
    page = Page(CONTENT)
    page.statuses = _Slow()
    with pytest.raises(DownloadError, match="no answer in time"):
        fetched(page, tmp_path / "file.bin", attempts=2)


class _Slow(list):
    def __bool__(self):
        time.sleep(0.2)
        return False


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "file:///etc/hosts"]
)
def test_an_address_without_sense_is_refused_at_once(tmp_path, url):
    with pytest.raises(DownloadError, match=re.escape(url)):
        fetch(url, tmp_path / "file.bin", pause=100, progress=False)


def test_pauses_double_and_the_server_may_ask_for_more(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    fetched(Page(CONTENT, statuses=[503] * 4), tmp_path / "a.bin", pause=1)
    waits = Page(CONTENT, statuses=[503, 503], headers={"Retry-After": "17"})
    fetched(waits, tmp_path / "b.bin", pause=1)
    patient = Page(CONTENT, statuses=[503], headers={"Retry-After": "86400"})
    fetched(patient, tmp_path / "c.bin", pause=1)
    assert pauses == [1, 2, 4, 8, 17, 17, 60]


def test_a_full_disk_is_seen_before_the_download(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadError, match=r"0\.0 GB are free; make room"):
        fetched(Page(CONTENT), tmp_path / "file.bin")
    assert only(tmp_path)


def test_progress_is_shown_on_request_alone(tmp_path, capsys):
    fetched(Page(CONTENT), tmp_path / "a.bin")
    assert capsys.readouterr().err == ""
    fetched(Page(CONTENT), tmp_path / "b.bin", progress=True, size=len(CONTENT))
    assert "file.bin: 100%" in capsys.readouterr().err
