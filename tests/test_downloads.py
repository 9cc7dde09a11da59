"""Whole data sets from a web server on this machine, by command and by function."""

import hashlib
from pathlib import Path

import layouts
import pytest
from layouts import write_zip
from server import QUICK, Page, serve

from helpers import downloads
from helpers.__main__ import main
from helpers.coco import load_captions
from helpers.downloads import download, fetch_images
from helpers.downloads.sources import DATA_SETS, DataSet, Source
from helpers.downloads.transfer import DownloadError
from helpers.files import DataError
from helpers.formats import FORMATS


def zipped(folder, files):
    path = write_zip(folder / "packed.zip", files)
    content = path.read_bytes()
    path.unlink()
    return content


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
        both = {"train": "train2017", "val": "val2017"}
        table = {
            "coco2017": DataSet(
                "", "coco2017", (annotations, val, source("train2017.zip")), both
            ),
            "coco2017-val": DataSet("", "coco2017", (annotations, val), {"val": "val2017"}),
            "cs231n": DataSet("", "cs231n", (source("cs231n.zip", published=False),)),
        }  # fmt: skip
        monkeypatch.setattr(downloads, "DATA_SETS", table)
        monkeypatch.setattr(downloads, "DATA", tmp_path / "data")
        yield pages


def test_a_whole_data_set(web, tmp_path):
    folder = download("coco2017", **QUICK)
    assert folder == tmp_path / "data" / "coco2017"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["annotations.zip", "train2017.zip", "val2017.zip"]
    assert len(load_captions(folder, "train", strict=True)) == 10
    assert len(load_captions(folder, "val", strict=True)) == 5
    for page in web.values():
        page.asked.clear()
    download("coco2017", **QUICK)  # everything is there
    assert not any(page.asked for page in web.values())


def test_val_alone_shares_the_folder(web):
    folder = download("coco2017-val", **QUICK)
    assert len(load_captions(folder, "val", strict=True)) == 5
    assert web["/train2017.zip"].asked == []
    assert download("coco2017", **QUICK) == folder
    assert web["/val2017.zip"].asked == [None]


@pytest.mark.parametrize(("count", "train", "val"), [(1, 1, 0), (5, 4, 1), (10, 8, 2), (99, 10, 5)])
def test_a_few_photographs_one_by_one(web, tmp_path, count, train, val):
    folder = download("coco2017", tmp_path / "few", images=count, **QUICK)
    assert len(load_captions(folder, "train")) == train
    assert len(list(folder.glob("val2017/*.jpg"))) == val
    assert web["/train2017.zip"].asked == web["/val2017.zip"].asked == []
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_more_photographs_later(web, tmp_path):
    download("coco2017-val", tmp_path, images=2, **QUICK)
    download("coco2017-val", tmp_path, images=4, **QUICK)
    assert len(load_captions(tmp_path, "val")) == 4
    assert web["/val2017/000000000000.jpg"].asked == [None]


def test_photographs_that_do_not_come_are_named_after_the_others_came(web, tmp_path):
    del web["/val2017/000000000001.jpg"]
    web["/val2017/000000000002.jpg"].content = b"not a picture"
    web["/val2017/000000000003.jpg"].statuses = [503]
    expected = r"2 of 5 images did not come, run this again; .*0001\.jpg: the server answers 404"
    with pytest.raises(DownloadError, match=expected):
        download("coco2017-val", tmp_path, images=5, **QUICK)
    assert len(load_captions(tmp_path, "val")) == 3


def test_a_dead_server_is_not_asked_for_every_photograph(tmp_path):
    with serve({}) as address:
        pass
    addresses = {f"{k}.jpg": f"{address}/{k}.jpg" for k in range(5000)}
    with pytest.raises(DownloadError, match="16 of 5,000 images did not come"):
        fetch_images(addresses, tmp_path, attempts=1, **QUICK)


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "a/b.jpg", "", "..", "a\\b.jpg", "c:x.jpg"])
def test_a_photograph_cannot_lead_out_of_the_folder(web, tmp_path, monkeypatch, name):
    content = layouts.coco_captions(1)
    content["images"][0] |= {"file_name": name, "coco_url": "http://127.0.0.1:9/x"}
    files = {"annotations/captions_val2017.json": content}
    web["/annotations.zip"].content = zipped(tmp_path, files)
    no_digest = downloads.DATA_SETS["coco2017-val"].sources[0]._replace(size=None, digest=None)
    table = {"coco2017-val": DataSet("", "x", (no_digest,), {"val": "val2017"})}
    monkeypatch.setattr(downloads, "DATA_SETS", table)
    with pytest.raises(DataError, match="is no plain file name"):
        download("coco2017-val", tmp_path / "out", images=1, **QUICK)


def test_without_anything_published_a_zip_is_checked_by_its_own_sums(web, tmp_path):
    folder = download("cs231n", **QUICK)
    assert len(load_captions(folder, "train")) == 2
    damaged = bytearray(web["/cs231n.zip"].content)
    damaged[200] ^= 255
    web["/cs231n.zip"].content = bytes(damaged)
    with pytest.raises(DownloadError, match="in it is damaged; nothing of it is kept"):
        download("cs231n", tmp_path / "again", **QUICK)
    assert not list((tmp_path / "again").iterdir())


# The command


def test_command(web, tmp_path, capsys):
    assert main(["download", "coco2017-val", "--out", str(tmp_path / "out"), "--unpack"]) == 0
    printed = capsys.readouterr()
    assert f"python -m helpers data {tmp_path / 'out'}" in printed.out
    assert "val2017.zip" in printed.err  # the bars
    assert (tmp_path / "out" / "val2017" / "000000000004.jpg").read_bytes() == layouts.jpeg()
    assert main(["data", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["coco2018"], "coco2018: no such data set; there are coco2017, coco2017-val, cs231n"),
        (["coco2017", "--images", "0"], "--images: expected at least 1, got 0"),
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
    assert error.startswith("download: http://127.0.0.1") and "404" in error


# The table


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
