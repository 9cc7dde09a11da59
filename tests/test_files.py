import multiprocessing
import os
import signal

import pytest

from helpers.files import (
    DataError,
    atomic_write,
    parse_json,
    read_json,
    remove_leftovers,
    write_json,
)


def test_atomic_write_replaces_the_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "log.json"
    for content in ("first", "second"):
        with atomic_write(path) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".json"
            temporary.write_text(content)
        assert path.read_text() == content
    assert [each.name for each in path.parent.iterdir()] == ["log.json"]


def test_whoever_reads_the_old_file_reads_on(tmp_path):
    path = tmp_path / "log"
    path.write_text("old")
    with open(path) as reader:
        with atomic_write(path) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"


@pytest.mark.parametrize("error", [ValueError, OSError(28, "No space left"), KeyboardInterrupt])
def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path, error):
    path = tmp_path / "weights.bin"
    path.write_text("old")
    kinds = (ValueError, OSError, KeyboardInterrupt)
    with pytest.raises(kinds), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_keeps_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "weights.bin"
    path.write_text("old")
    with pytest.raises(OSError, match=r"No space.*weights\.bin"), atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def _write_half_and_die(path):
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_text("old")
    writer = multiprocessing.get_context("spawn").Process(target=_write_half_and_die, args=[path])
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_atomic_write_follows_a_link_and_gives_an_ordinary_file(tmp_path):
    target, link = tmp_path / "disk" / "log", tmp_path / "log"
    target.parent.mkdir()
    link.symlink_to(target)
    with atomic_write(link) as temporary:
        temporary.write_text("text")
    assert link.is_symlink() and target.read_text() == "text"
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert target.stat().st_mode == ordinary.stat().st_mode


def test_json_round_trip(tmp_path):
    content = {"words": ["café", "dog"], "n": 1.5}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    assert "café" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_json_with_a_byte_order_mark_is_read():
    assert parse_json(b"\xef\xbb\xbf[1]", "x.json") == [1]


def test_json_may_write_a_character_as_two_halves():
    assert parse_json(b'["\\ud83d\\ude00"]', "x.json") == ["\U0001f600"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1,\n "b"', r"not JSON .*: line 2"),
        (b"", "not JSON"),
        (b"\xff\xfe{}", "UTF-8 .*can't decode byte 0xff"),
        (b"[" * 100_000, "UTF-8 .*recursion"),
        (b"[" + b"9" * 5000 + b"]", "UTF-8 .*5000 digits"),
        (b'["\\uD83D"]', "UTF-8 .*surrogates not allowed"),
    ],
)
def test_what_is_not_json_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"vocab\.json: .*{reason}"):
        read_json(path)


def test_a_missing_json_file_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"vocab\.json: cannot be read \(No such file"):
        read_json(tmp_path / "vocab.json")


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    kept = [".hidden.txt", "model.pt", ".gitignore", "best/config.json", ".a.12345678x.pt"]
    for name in (".last.0a1b2c3d.pt", "best/.model.00000000.safetensors", ".log.ffffffff", *kept):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(kept)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    place = tmp_path / "place"
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    with pytest.raises(DataError, match="place: is not a regular file"), atomic_write(place):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["place"] and not place.is_file()
