"""Damaged files for readers to refuse, and a watch over what happens while they read."""

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

import layouts
from hypothesis import strategies as st

from helpers.files import DataError
from helpers.images import open_image
from helpers.photographs import photograph_path

# What may happen while a reader works: nothing is written but in its own folder, nothing runs.

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod")
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
watched, seen, hooked = [], [], []


def watch(event, arguments):
    """Note what a reader does that it must not; the folder in `watched` is its own."""
    if not watched:
        return
    if event in RUNS:
        seen.append((event, arguments))
    elif event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITES):
        places = arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]
        for place in places:
            inside = os.path.realpath(place) + os.sep if not isinstance(place, int) else ""
            if not inside.startswith(watched[-1]):
                seen.append((event, arguments))


@contextlib.contextmanager
def harmless(folder):
    """Let only DataError out of the block, and fail when something happened outside a folder."""
    if not hooked:  # an audit hook stays for ever; without `watched` it does nothing
        sys.addaudithook(watch)
        hooked.append(watch)
    seen.clear()
    watched.append(os.path.realpath(folder) + os.sep)
    try:
        with contextlib.suppress(DataError):
            yield
    finally:
        watched.clear()
    assert seen == []
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@contextlib.contextmanager
def new_folder():
    """Give an empty folder, alone in another one."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "own")
        folder.mkdir()
        yield folder


# Damage

TOKENS = [b"null", b'"\\ud800"', b"NaN", b"1e999", b"-1", b"[" * 3000, b"9" * 5000, b"../../x"]
TOKENS += [b"\0", b"\xff\xfe", b"\n", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0" * 8, b"cos\nsystem\n"]


@st.composite
def damaged(draw, content):
    """Draw a file with some bytes flipped, cut out, doubled or put in, or the end cut off."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        ends = st.integers(0, min(100, len(content))) | st.integers(
            max(0, len(content) - 100), len(content)
        )
        at = draw(st.integers(0, len(content)) | ends)
        kind = draw(
            st.sampled_from(["flip", "flip", "token", "overwrite", "remove", "double", "cut"])
        )
        head, tail = content[:at], content[at:]
        size = draw(st.sampled_from([1, 2, 8, 100]))
        if kind == "flip" and tail:
            content = head + bytes([tail[0] ^ draw(st.integers(1, 255))]) + tail[1:]
        elif kind in ("token", "overwrite"):
            token = draw(st.sampled_from(TOKENS))
            content = head + token + (tail[len(token) :] if kind == "overwrite" else tail)
        elif kind == "remove":
            content = head + tail[size:]
        elif kind == "double":
            content = head + tail[:size] + tail
        elif kind == "cut":
            content = head
    return content


def damaged_one(files):
    """Draw a name of a dict of files, and its content damaged."""
    return st.sampled_from(sorted(files)).flatmap(
        lambda name: st.tuples(st.just(name), damaged(files[name]))
    )


HUGE, HALF = "a number of 5000 digits", "half a character"  # json.dumps can write neither
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from([HUGE, HALF, 10**30, 0, -1, 10**9, 20_000, "", "../x.jpg", "/", "\0", " \n"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@st.composite
def changed(draw, content):
    """Draw the bytes of a JSON file in which some values are others, or are left out."""
    content = json.loads(layouts.to_bytes(content))
    for _ in range(draw(st.integers(1, 3))):
        target, key = {"": content}, ""
        while isinstance(target[key], (dict, list)) and target[key] and draw(st.integers(0, 5)):
            target = target[key]
            keys = sorted(target) if isinstance(target, dict) else range(len(target))
            key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            target[key] = draw(VALUES)
        elif key != "":
            del target[key]
        content = target[""] if key == "" else content
    text = json.dumps(content).replace(json.dumps(HUGE), "9" * 5000)
    return text.replace(json.dumps(HALF), '"\\ud800"').encode()


def photographs():
    """Give bundled photographs, as they are and as other formats; all small, to be quick."""
    files = {}
    folder = photograph_path("camera.png").parent
    for name in ("rocket.jpg", "camera.png", "chelsea.png", "multipage_rgb.tif",
                 "no_time_for_that_tiny.gif", "microaneurysms.png"):  # fmt: skip
        files[name] = (folder / name).read_bytes()
    cat = open_image(folder / "chelsea.png").resize((60, 40))
    for format in ("WEBP", "TIFF", "BMP", "PPM", "PNG", "JPEG", "GIF", "TGA", "ICO", "JPEG2000"):
        for picture in (cat, cat.convert("L"), cat.convert("P"), cat.convert("RGBA")):
            buffer = io.BytesIO()
            with contextlib.suppress(OSError):  # JPEG, for one, has no RGBA
                picture.save(buffer, format)
                files[f"{picture.mode}.{format.lower()}"] = buffer.getvalue()
    return files
