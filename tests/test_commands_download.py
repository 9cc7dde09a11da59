"""Whole data sets from a web server on this machine, by command and by function."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import layouts
import pytest
from layouts import write_zip
from server import Page, serve

from helpers.__main__ import main
from helpers.coco import load_captions
from helpers.commands import download as command
from helpers.commands.download import DATA_SETS, DataSet, Source, download, fetch
from helpers.files import DataError, only_writer
from helpers.formats import FORMATS


def zipped(folder, files):
    path = write_zip(folder / "packed.zip", files)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(command, "PAUSE", 0.001)


@pytest.fixture
def web(tmp_path, monkeypatch):
    """Serve a small COCO 2017 and a small CS231n; the table of data sets names this server."""
    pages = {}
    with serve(pages) as address:
        captions = {}
        for split, count in (("train2017", 10), ("val2017", 5)):
            content = layouts.coco_captions(count)
            for image in content["images"]:
                image["coco_url"] = f"{address}/{split}/{image['file_name']}"
            captions[f"annotations/captions_{split}.json"] = content
            images = layouts.coco_images(count, split)
            pages |= {f"/{name}": Page(file) for name, file in images.items()}
            pages[f"/{split}.zip"] = Page(zipped(tmp_path, images))
        pages["/annotations.zip"] = Page(zipped(tmp_path, captions))
        pages["/cs231n.zip"] = Page(zipped(tmp_path, layouts.cs231n()))

        def source(name, published=True):
            content = pages[f"/{name}"].content
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            size = len(content)
            return Source(f"{address}/{name}", *((size, digest) if published else ()))

        annotations, val = source("annotations.zip"), source("val2017.zip")
        both = ("train2017", "val2017")
        table = {
            "coco2017": DataSet(
                "", "coco2017", (annotations, val, source("train2017.zip")), both
            ),
            "coco2017-val": DataSet("", "coco2017", (annotations, val), ("val2017",)),
            "cs231n": DataSet("", "cs231n", (source("cs231n.zip", published=False),)),
        }  # fmt: skip
        monkeypatch.setattr(command, "DATA_SETS", table)
        monkeypatch.setattr(command, "DATA", tmp_path / "data")
        yield pages


def test_a_whole_data_set(web, tmp_path):
    folder = download("coco2017", progress=False)
    assert folder == tmp_path / "data" / "coco2017"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["annotations.zip", "train2017.zip", "val2017.zip"]
    assert len(load_captions(folder, "train", strict=True)) == 10
    assert len(load_captions(folder, "val", strict=True)) == 5
    for page in web.values():
        page.asked.clear()
    download("coco2017", progress=False)  # everything is there
    assert not any(page.asked for page in web.values())


def test_val_alone_shares_the_folder(web):
    folder = download("coco2017-val", progress=False)
    assert len(load_captions(folder, "val", strict=True)) == 5
    assert web["/train2017.zip"].asked == []
    assert download("coco2017", progress=False) == folder
    assert web["/val2017.zip"].asked == [None]


@pytest.mark.parametrize(("count", "train", "val"), [(1, 1, 0), (5, 4, 1), (10, 8, 2), (99, 10, 5)])
def test_a_few_photographs_one_by_one(web, tmp_path, count, train, val):
    folder = download("coco2017", tmp_path / "few", images=count, progress=False)
    assert len(load_captions(folder, "train")) == train
    assert len(list(folder.glob("val2017/*.jpg"))) == val
    assert web["/train2017.zip"].asked == web["/val2017.zip"].asked == []
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_more_photographs_later(web, tmp_path):
    download("coco2017-val", tmp_path, images=2, progress=False)
    download("coco2017-val", tmp_path, images=4, progress=False)
    assert len(load_captions(tmp_path, "val")) == 4
    assert web["/val2017/000000000000.jpg"].asked == [None]


def test_photographs_that_do_not_come_are_named_after_the_others_came(web, tmp_path):
    del web["/val2017/000000000001.jpg"]
    web["/val2017/000000000002.jpg"].content = b"not a picture"
    expected = r"2 of 5 images did not come, run this again; .*0001\.jpg: .* does not have it"
    with pytest.raises(DataError, match=expected):
        download("coco2017-val", tmp_path, images=5, progress=False)
    assert len(load_captions(tmp_path, "val")) == 3


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "a/b.jpg", "", "..", "a\\b.jpg", "c:x.jpg"])
def test_a_photograph_cannot_lead_out_of_the_folder(web, tmp_path, monkeypatch, name):
    content = layouts.coco_captions(1)
    content["images"][0] |= {"file_name": name, "coco_url": "http://127.0.0.1:9/x"}
    files = {"annotations/captions_val2017.json": content}
    web["/annotations.zip"].content = zipped(tmp_path, files)
    no_digest = command.DATA_SETS["coco2017-val"].sources[0]._replace(size=None, digest=None)
    table = {"coco2017-val": DataSet("", "x", (no_digest,), ("val2017",))}
    monkeypatch.setattr(command, "DATA_SETS", table)
    with pytest.raises(DataError, match="is no plain file name"):
        download("coco2017-val", tmp_path / "out", images=1, progress=False)


def test_without_anything_published_a_zip_is_checked_by_its_own_sums(web, tmp_path):
    folder = download("cs231n", progress=False)
    assert len(load_captions(folder, "train")) == 2
    damaged = bytearray(web["/cs231n.zip"].content)
    damaged[200] ^= 255
    web["/cs231n.zip"].content = bytes(damaged)
    with pytest.raises(DataError, match="(damaged|not a whole zip).*; nothing of it is kept"):
        download("cs231n", tmp_path / "again", progress=False)
    assert not list((tmp_path / "again").iterdir())


# One file


CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def get(tmp_path):
    """Fetch a page to file.bin, with a published hash unless another one is named."""

    def run(page, digest=SHA256, size=None):
        with serve({"/file.bin": page}) as address:
            return fetch(Source(f"{address}/file.bin", size, digest), tmp_path / "file.bin", False)

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("page", "requests"),
    [
        (Page(CONTENT), 1),
        (Page(CONTENT, cuts=[400_000, 0, 100_000]), 4),
        (Page(CONTENT, cuts=[400_000], ranges=False), 3),  # asks for a range in vain, then for all
        (Page(CONTENT, statuses=[503, 429]), 3),
    ],
)
def test_a_file_comes_whole_whatever_happens_on_the_way(get, tmp_path, page, requests):
    assert get(page).read_bytes() == CONTENT
    assert len(page.asked) == requests and names(tmp_path) == ["file.bin"]


def test_a_later_call_goes_on_where_the_last_was_cut_off(get, tmp_path):
    with pytest.raises(DataError, match="what has come is kept, run this again to go on"):
        get(Page(CONTENT, cuts=[400_000, 0, 0, 0, 0]))
    assert names(tmp_path) == [".file.bin.part"]
    page = Page(CONTENT)
    assert get(page).read_bytes() == CONTENT
    (asked,) = page.asked
    assert asked.startswith("bytes=") and asked != "bytes=0-"


def test_without_a_hash_nothing_is_gone_on_with(get, tmp_path):
    (tmp_path / ".file.bin.part").write_bytes(b"of another day")
    page = Page(CONTENT)
    assert get(page, digest=None).read_bytes() == CONTENT


def test_parts_of_two_files_are_not_taken_for_one(get, tmp_path):
    (tmp_path / ".file.bin.part").write_bytes(b"of another day")
    with pytest.raises(DataError, match="its sha256 is .*; nothing of it is kept"):
        get(Page(CONTENT))
    assert names(tmp_path) == []
    assert get(Page(CONTENT)).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_taken(get, tmp_path):
    (tmp_path / ".file.bin.part").write_bytes(CONTENT)
    page = Page(CONTENT)
    assert get(page).read_bytes() == CONTENT and page.asked == []


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [({"digest": "md5:00"}, "its md5 is"), ({"size": 9}, "1,024,000 bytes long, where 9 are")],
)
def test_a_wrong_file_does_not_get_the_name(get, tmp_path, wrong, expected):
    with pytest.raises(DataError, match=f"{expected}.*; nothing of it is kept"):
        get(Page(CONTENT), **wrong)
    assert names(tmp_path) == []


def test_a_file_that_is_there_is_checked_and_left_alone(get, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    page = Page(CONTENT)
    with pytest.raises(DataError, match="its sha256 is .*; move it away and run this again"):
        get(page)
    assert (tmp_path / "file.bin").read_bytes() == b"mine" and page.asked == []


def test_no_server_is_one_error(tmp_path):
    with serve({}) as address:
        pass
    with pytest.raises(DataError, match="cannot be downloaded, curl ended with code 7"):
        fetch(Source(f"{address}/file.bin"), tmp_path / "file.bin", False)
    assert names(tmp_path) == []


def test_a_full_disk_is_named(get, tmp_path):
    (tmp_path / ".file.bin.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="is the disk full?"):
        get(Page(CONTENT))


def test_two_processes_do_not_write_the_same_file(get, tmp_path):
    match = "another process is writing here"
    with only_writer(tmp_path / ".file.bin.part"), pytest.raises(DataError, match=match):
        get(Page(CONTENT))


def test_a_machine_without_curl_is_told(get, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="curl: not found; install it"):
        get(Page(CONTENT))


def test_a_killed_download_goes_on(get, tmp_path):
    code = (
        "import sys; from pathlib import Path; from helpers.commands.download import *; "
        "fetch(Source(sys.argv[1], None, 'md5:0'), Path(sys.argv[2]), False)"
    )
    page = Page(CONTENT * 50, cuts=[30_000_000])
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
    assert names(tmp_path) == [".file.bin.part"]
    digest = f"sha256:{hashlib.sha256(CONTENT * 50).hexdigest()}"
    assert get(Page(CONTENT * 50), digest).read_bytes() == CONTENT * 50


# The command


def test_command(web, tmp_path, capsys):
    assert main(["download", "coco2017-val", "--out", str(tmp_path / "out"), "--unpack"]) == 0
    assert list((tmp_path / "out").glob("*2017"))  # photographs beside the zip
    printed = capsys.readouterr()
    assert f"python -m helpers data {tmp_path / 'out'}" in printed.out
    assert main(["data", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["coco2018"], "coco2018: no such data set; there are coco2017, coco2017-val, cs231n"),
        (["coco2017", "--images", "0"], "--images must be in [1, inf), not 0"),
        (
            ["cs231n", "--images", "9"],
            "--images: cs231n comes as a whole; one by one come coco",
        ),
    ],
)
def test_a_users_mistake_is_named(web, arguments, named, capsys):
    assert main(["download", *arguments]) == 2
    printed = capsys.readouterr()
    assert named in printed.err and len(printed.err.splitlines()) == 1 and printed.out == ""


def test_a_missing_page_is_one_line_and_exit_code_2(web, capsys):
    del web["/annotations.zip"]
    assert main(["download", "coco2017"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("download: http://127.0.0.1") and "does not have it" in error


# The table


def test_zips_are_unpacked_where_that_is_asked_for(tmp_path):
    content = {"in.txt": bytes(range(256)), "a/../../out.txt": b"x", "/out.txt": b"x"}
    path = write_zip(tmp_path / "packed.zip", content)
    command._unpack(path, tmp_path / "folder")
    files = [p for p in tmp_path.rglob("*.txt") if p.is_file()]
    assert files == [tmp_path / "folder" / "in.txt"] and files[0].read_bytes() == bytes(range(256))
    damaged = bytearray(path.read_bytes())
    damaged[60] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"packed\.zip: cannot be unpacked"):
        command._unpack(path, tmp_path)


def test_the_table_of_data_sets():
    assert {"coco2017-val", "coco2017", "coco2014", "flickr8k"} <= DATA_SETS.keys()
    for data_set in DATA_SETS.values():
        assert data_set.about
        for source in data_set.sources:
            assert source.url.startswith(("https://", "http://images.cocodataset.org/"))
            kind, _, digits = (source.digest or "sha256:" + "0" * 64).partition(":")
            assert len(bytes.fromhex(digits)) == hashlib.new(kind).digest_size
            # no encryption, so a hash has to tell
            assert source.digest or source.url.startswith("https://")


def test_the_page_about_the_data_names_all_of_them():
    page = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    for name in DATA_SETS:
        assert f"| `{name}` |" in page
    for name in FORMATS:
        assert f"**`{name}" in page
