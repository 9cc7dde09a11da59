import multiprocessing
import os
import pickle
import random
import zipfile

import pytest
from layouts import write_files, write_zip

from helpers.files import DataError
from helpers.formats.archive import Archive

FILES = {"train/1.jpg": b"one", "val/1.jpg": b"two", "notes/captions.txt": "text", "top.txt": "t"}


@pytest.fixture(params=["folder", "zip", "folder of zips", "folder and zip"])
def archive(request, tmp_path):
    items = list(FILES.items())
    if request.param == "folder":
        write_files(tmp_path, FILES)
    if request.param == "zip":
        return Archive(write_zip(tmp_path / "all.zip", FILES))
    if request.param == "folder of zips":
        write_zip(tmp_path / "a.zip", dict(items[:2]))
        write_zip(tmp_path / "b.zip", dict(items[2:]))
    if request.param == "folder and zip":
        write_files(tmp_path, dict(items[:2]))
        write_zip(tmp_path / "b.zip", dict(items[2:]))
    return Archive(tmp_path)


def test_a_folder_and_its_zips_look_the_same(archive):
    assert len(archive.files()) == len(FILES)
    assert archive.find("captions.txt") == "notes/captions.txt"
    assert archive.find("nothing.txt") is None
    assert archive.require("captions.txt") == "notes/captions.txt"
    with pytest.raises(DataError, match=r"nothing\.txt is missing"):
        archive.require("nothing.txt")
    assert archive.find("1.jpg", ["test", "val", "train"]) == "val/1.jpg"
    assert archive.find("top.txt", ["val"]) == "top.txt"
    assert archive.find("1.jpg", apart=["train"]) == "val/1.jpg"
    assert archive.find("1.jpg", apart=["train", "val"]) is None
    assert archive.read("train/1.jpg") == b"one"
    assert archive.read_text("notes/captions.txt") == "text"
    assert archive.label("val/1.jpg").startswith(str(archive.path))
    assert archive.fingerprint("train/1.jpg") != archive.fingerprint("val/1.jpg")


def test_folder_names_are_compared_without_case(tmp_path):
    write_files(tmp_path, {"outer/Images/1.jpg": b"x"})
    assert Archive(tmp_path).find("1.jpg", ["images"]) == "outer/Images/1.jpg"


def test_a_file_on_disk_comes_before_the_one_in_a_zip(tmp_path):
    write_zip(tmp_path / "a.zip", {"x.txt": "packed"})
    write_files(tmp_path, {"x.txt": "unpacked"})
    assert Archive(tmp_path).read_text("x.txt") == "unpacked"


@pytest.mark.parametrize(
    ("files", "name", "folders", "found"),
    [
        # the exact path, before all others
        (["train/cats/1.jpg", "val/cats/1.jpg"], "val/cats/1.jpg", ["train"], "val/cats/1.jpg"),
        # then where annotations of this kind have their pictures
        (["train/cats/1.jpg", "val/cats/1.jpg"], "cats/1.jpg", ["val"], "val/cats/1.jpg"),
        (["small/train/1.jpg", "train/1.jpg"], "1.jpg", ["train"], "train/1.jpg"),
        (["1.jpg", "images/1.jpg"], "1.jpg", ["images"], "images/1.jpg"),
        (["train/cats/1.jpg", "other/1.jpg"], "1.jpg", ["train"], "train/cats/1.jpg"),
        # then what is on disk decides
        (["photos/1.jpg"], "1.jpg", ["images"], "photos/1.jpg"),
        (["a/photos/1.jpg", "photos/1.jpg"], "1.jpg", [], "photos/1.jpg"),
        (["val/1.jpg"], "/home/me/set/val/1.jpg", ["train"], "val/1.jpg"),
        (["Photos/1.jpg"], "C:\\me\\photos\\1.jpg", [], "Photos/1.jpg"),
        (["images/1.jpg"], "../images/1.jpg", [], "images/1.jpg"),
        (["a/cafe\u0301.jpg"], "caf\u00e9.jpg", [], "a/cafe\u0301.jpg"),
        (["e\u0301/caf\u00e9.jpg"], "\u00e9/cafe\u0301.jpg", [], "e\u0301/caf\u00e9.jpg"),
        # and never another picture that happens to be called so
        (["b/cats/1.jpg", "a/cats/2.jpg"], "a/cats/1.jpg", [], None),
        (["train/2.jpg", "other/1.jpg"], "1.jpg", ["train"], None),
    ],
)
def test_where_a_picture_is_looked_for(tmp_path, files, name, folders, found):
    archive = Archive(write_files(tmp_path, dict.fromkeys(files, b"x")))
    assert archive.find(name, folders) == found


def test_two_pictures_that_could_be_meant_are_refused(tmp_path):
    write_files(tmp_path, {"a/images/1.jpg": "x", "b/images/1.jpg": "y"})
    write_zip(tmp_path / "a.zip", {"1.jpg": "z"})
    archive = Archive(tmp_path)
    assert archive.find("1.jpg") == "1.jpg"
    with pytest.raises(DataError, match=r"1\.jpg: could be .*a/images/1\.jpg and .*b/images/"):
        archive.find("1.jpg", ["images"])


def test_links_into_nowhere_and_pipes_are_no_files(tmp_path):
    write_files(tmp_path, {"a/1.jpg": "x"})
    (tmp_path / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "3.jpg")
    assert Archive(tmp_path).files() == ["a/1.jpg", "b/1.jpg"]


def test_a_zip_in_capitals_is_a_zip(tmp_path):
    write_zip(tmp_path / "DATA.ZIP", {"1.jpg": "x"})
    assert Archive(tmp_path).files() == Archive(tmp_path / "DATA.ZIP").files() == ["1.jpg"]


def test_hidden_files_and_the_copies_of_macos_are_passed_over(tmp_path):
    write_zip(tmp_path / "a.zip", {"__MACOSX/._1.jpg": b"x", "1.jpg": b"y"})
    write_files(tmp_path, {".cache/1.jpg": b"x", ".DS_Store": b"x"})
    assert len(Archive(tmp_path).files()) == 1


def test_the_search_stops_a_few_folders_down(tmp_path):
    write_files(tmp_path, {"1/2/3/found.txt": "x", "1/2/3/4/too_deep.txt": "x"})
    archive = Archive(tmp_path)
    assert archive.find("found.txt")
    assert not archive.find("too_deep.txt")


@pytest.mark.parametrize("packed", [True, False])
def test_the_fingerprint_changes_with_the_file(tmp_path, packed):
    prints = set()
    for content in (b"first", b"other", b"longer than that"):
        if packed:
            write_zip(tmp_path / "a.zip", {"x.jpg": content})
        else:
            write_files(tmp_path, {"x.jpg": content})
            os.utime(tmp_path / "x.jpg", ns=(0, len(prints)))
        prints.add(Archive(tmp_path).fingerprint("x.jpg"))
    assert len(prints) == 3


def _read_often(archive, names, errors):
    for name in names * 20:
        if archive.read(name) != name.encode() * 1000:
            errors.put(name)
            return


def _errors_in_workers(method, archive, names):
    context = multiprocessing.get_context(method)
    errors = context.Queue()
    workers = [
        context.Process(target=_read_often, args=(archive, names[k::3], errors)) for k in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [worker.exitcode for worker in workers] != [0, 0, 0] or not errors.empty()


# Python 3.12 on warns of forking where there are threads, and other tests have left some.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_the_same_zip_at_once(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method} processes")
    names = [f"{k}.jpg" for k in range(60)]
    archive = Archive(write_zip(tmp_path / "a.zip", {name: name.encode() * 1000 for name in names}))
    assert archive.read("0.jpg")  # opened in the parent first, as a training run does
    assert not _errors_in_workers(method, archive, names)


def test_a_pickled_archive_reads_on(tmp_path):
    archive = Archive(write_zip(tmp_path / "a.zip", {"x.jpg": b"x"}))
    assert pickle.loads(pickle.dumps(archive)).read("x.jpg") == b"x"


def test_a_zip_is_indexed_once(tmp_path, monkeypatch):
    archive = Archive(write_zip(tmp_path / "a.zip", FILES))
    monkeypatch.setattr("zipfile.ZipFile", None)
    assert [archive.read(name) for name in FILES]


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        Archive(tmp_path / "nowhere")


def test_an_annotation_file_alone_is_not_a_data_set(tmp_path):
    write_files(tmp_path, {"captions_train2017.json": {}})
    with pytest.raises(DataError, match=r"captions_train2017\.json: not a folder or zip; give the"):
        Archive(tmp_path / "captions_train2017.json")


@pytest.mark.parametrize("folder", [True, False])
def test_a_truncated_zip_is_refused_by_name(tmp_path, folder):
    path = write_zip(tmp_path / "train2017.zip", FILES)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"train2017\.zip: not a whole zip archive.*fetch it again"):
        Archive(tmp_path if folder else path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_file_in_a_zip_is_refused_by_name(tmp_path, packing):
    path = write_zip(tmp_path / "a.zip", {"train/1.jpg": random.Random(0).randbytes(2000)}, packing)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip/train/1\.jpg: damaged"):
        Archive(path).read("train/1.jpg")


def test_a_zip_made_to_fill_the_memory_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.jpg": bytes(101_000_000), "2.jpg": bytes(9)})
    with pytest.raises(DataError, match=r"a\.zip/1\.jpg: unpacks to 101,000,000 bytes"):
        Archive(path).read("1.jpg")
    assert Archive(path).read("2.jpg") == bytes(9)


def test_an_encrypted_file_in_a_zip_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.jpg": b"secret"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the file's own header, and in the list of files
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip/1\.jpg: .*encrypted"):
        Archive(path).read("1.jpg")


def test_a_file_that_vanished_is_refused_by_name(tmp_path):
    write_files(tmp_path, FILES)
    archive = Archive(tmp_path)
    (tmp_path / "train/1.jpg").unlink()
    with pytest.raises(DataError, match=r"train/1\.jpg: damaged or cannot be read"):
        archive.read("train/1.jpg")


def test_text_that_is_not_utf8_is_refused_by_name(tmp_path):
    write_files(tmp_path, {"x.txt": b"caf\xe9"})
    with pytest.raises(DataError, match=r"x\.txt: not UTF-8 text \(byte 3\)"):
        Archive(tmp_path).read_text("x.txt")
