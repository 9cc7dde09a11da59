import io
import json
import os
import random
import resource
import stat
import zipfile

import numpy as np
import pytest
from layouts import write_files, write_zip

from helpers.downloads.unpacking import unpack, zip_problem
from helpers.files import DataError


def test_a_damaged_zip_is_told_by_its_checksums(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.bin": os.urandom(2000), "2.bin": b"x"})
    assert zip_problem(path) is None
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert "1.bin in it is damaged" in zip_problem(path)


def test_unpack(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"x/y/1.txt": "one", "2.txt": "two"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.mkdir("empty") if hasattr(archive, "mkdir") else None
    out = tmp_path / "out"
    unpack(path, out, progress=False)
    assert (out / "x" / "y" / "1.txt").read_text() == "one"
    (out / "2.txt").write_text("TWO")  # of the same size: stays
    (out / "x" / "y" / "1.txt").write_text("cut")
    (out / "x" / "y" / "1.txt").write_text("o")  # of another size: comes again
    unpack(path, out, progress=False)
    assert (out / "2.txt").read_text() == "TWO"
    assert (out / "x" / "y" / "1.txt").read_text() == "one"


ESCAPING = [
    "../x.txt",
    "a/../../x.txt",
    "/tmp/x.txt",
    "C:/x.txt",
    "a\\..\\x.txt",
    "..",
    "//x/y.txt",
]


@pytest.mark.parametrize("name", ESCAPING)
def test_an_archive_that_leads_out_of_the_folder_is_refused_whole(tmp_path, name):
    path = write_zip(tmp_path / "a.zip", {"good.txt": "good", name: "bad"})
    out = tmp_path / "deep" / "out"
    with pytest.raises(DataError, match=r"a\.zip: .* in it leads out of the folder; not unpacked"):
        unpack(path, out, progress=False)
    assert not list(out.iterdir())
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "deep", "out"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    link = zipfile.ZipInfo("link")
    link.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr("link/x.txt", "bad")
    with pytest.raises(DataError, match="'link' in it is a link or a device"):
        unpack(tmp_path / "a.zip", tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").iterdir())


def test_a_link_that_is_there_already_is_not_followed_outside(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"link/x.txt": "bad"})
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(path, tmp_path / "out", progress=False)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("place", [0.2, 0.8])  # where it breaks: within deflate, at its sum
def test_no_half_file_is_left_when_a_member_is_damaged(tmp_path, place):
    noise = np.random.default_rng(0).integers(0, 4, 20_000, np.uint8).tobytes()
    path = write_zip(tmp_path / "a.zip", {"1.txt": "good", "2.bin": noise})
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 255
    path.write_bytes(content)
    assert zip_problem(path)
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked"):
        unpack(path, tmp_path / "out", progress=False)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["1.txt"]


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_named_however_it_is_packed(tmp_path, packing):
    path = write_zip(tmp_path / "a.zip", {"1.bin": random.Random(0).randbytes(2000)}, packing)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert zip_problem(path)
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked"):
        unpack(path, tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"], ["n" * 300]])
def test_names_that_cannot_be_files_are_refused(tmp_path, names):
    path = write_zip(tmp_path / "a.zip", dict.fromkeys(names, "x"))
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked"):
        unpack(path, tmp_path / "out", progress=False)


def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.bin": bytes(200_000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(path, tmp_path / "out", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "out").iterdir())


def test_more_than_the_disk_holds_is_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", {"1.txt": "good"})
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr("helpers.downloads.unpacking.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match="make room, or read it as it is"):
        unpack(path, tmp_path / "out", progress=False)


def test_not_a_zip(tmp_path):
    write_files(tmp_path, {"a.zip": io.BytesIO(json.dumps([]).encode()).read()})
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked .*fetch it again"):
        unpack(tmp_path / "a.zip", tmp_path / "out", progress=False)
