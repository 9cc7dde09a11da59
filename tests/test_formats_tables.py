"""Captions in tables: each row counts, and each picture has its split."""

import csv
import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import jpeg, write_files

from helpers.coco import find_data, load_captions, read_split
from helpers.files import DataError
from helpers.formats.archive import Archive
from helpers.formats.tables import read_table, split_by_name

NAMES = ["1.jpg", "2.jpg", "a b.png"]


def read(folder, text, name="captions.csv"):
    """Read a table. Returns: dict from picture to captions."""
    write_files(folder, {name: text})
    return read_table(Archive(folder), name)[0]


@pytest.mark.parametrize(
    ("row", "caption"),
    [
        ("A red, big dog .", "A red, big dog ."),
        ('"A red, big dog ."', "A red, big dog ."),
        ('"A ""big"" dog"', 'A "big" dog'),
        ('"A dog\non two lines"', "A dog\non two lines"),
        ('"Go Dogs says the sign .', '"Go Dogs says the sign .'),
        ('"Go Dogs" says the sign .', '"Go Dogs" says the sign .'),
        ('the sign says "Go Dogs', 'the sign says "Go Dogs'),
        ('"', '"'),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_no_row_is_lost_to_a_quote(tmp_path, row, caption, end):
    text = end.join(["image,caption", "1.jpg,one", f"2.jpg,{row}", 'a b.png,"two, three"', ""])
    captions = read(tmp_path, text)
    assert list(captions) == NAMES and captions["a b.png"] == ["two, three"]
    assert captions["2.jpg"][0].split() == caption.split()


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=9)))
def test_what_a_csv_writer_writes_is_read(captions):
    file = io.StringIO()
    rows = [(f"{k}.jpg", caption) for k, caption in enumerate(captions)]
    csv.writer(file).writerows([("image", "caption"), *rows])

    class Text(dict):  # an archive of one table
        label, read_text = str, staticmethod(lambda _: file.getvalue().replace("\r\n", "\n"))
        called = frozenset()

    found, _ = read_table(Text(), "captions.csv")
    assert {name: texts[0].split() for name, texts in found.items()} == {
        name: caption.split() for name, caption in rows
    }


FLICKR30K = [
    "image_name| comment_number| comment",
    '1.jpg| 0| Two men | women in a "green" room .',
    "1.jpg| 1|  A man .",
    "2.jpg| 4   A dog runs across the grass .",
]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("results.csv", FLICKR30K),
        ("results.csv", [line.replace("| ", ",", 2) for line in FLICKR30K]),
        ("results_20130124.token", [
            '1.jpg#0\tTwo men | women in a "green" room .', "1.jpg#1\tA man .",
            "2.jpg#4\tA dog runs across the grass .",
        ]),
        ("captions.txt", [line.replace("| ", ",", 2) for line in FLICKR30K]),
    ],
)  # fmt: skip
def test_flickr30k_in_each_of_its_forms(tmp_path, name, lines):
    write_files(
        tmp_path, {name: "\n".join(lines), "flickr30k_images/flickr30k_images/1.jpg": jpeg()}
    )
    write_files(tmp_path, {"flickr30k_images/flickr30k_images/2.jpg": jpeg()})
    captions = {}
    for split in ("train", "val"):
        data = load_captions(tmp_path, split, strict=True)
        captions |= dict(zip(data.ids, data.captions, strict=True))
    assert captions["1.jpg"] == ['Two men | women in a "green" room .', "A man ."]
    assert captions["2.jpg"] == ["A dog runs across the grass ."]


@pytest.mark.parametrize("head", ["image,caption", "file_name,text", "Filename;Description"])
def test_ones_own_table_beside_any_folder(tmp_path, head):
    comma = ";" if ";" in head else ","
    rows = [head, *(f"{k}.png{comma}A dog {k}" for k in range(20))]
    pictures = {f"my photos/{k}.png": jpeg() for k in range(20)}
    write_files(tmp_path, {"captions.csv": "\n".join(rows), **pictures})
    counts = [
        len(load_captions(tmp_path, split, strict=True)) for split in ("train", "val", "test")
    ]
    assert counts == [16, 2, 2]


def test_a_column_or_a_folder_may_tell_the_split(tmp_path):
    rows = ["split,image,caption", "train,1.jpg,one", "validation,2.jpg,two", "dev,a b.png,three"]
    write_files(tmp_path / "a", {"captions.csv": "\n".join(rows), **{n: jpeg() for n in NAMES}})
    assert load_captions(tmp_path / "a", "val").ids == ["2.jpg", "a b.png"]
    for split in ("train", "validation"):
        table = f"file_name,text\n1.jpg,{split}\n"
        write_files(tmp_path / "b" / split, {"metadata.csv": table, "1.jpg": jpeg()})
    for split, folder in (("train", "train"), ("val", "validation")):
        data = load_captions(tmp_path / "b", split)
        assert data.files == [f"{folder}/1.jpg"] and data.captions == [[folder]]


def test_a_text_beside_each_picture(tmp_path):
    files = {f"{k}.jpg": jpeg() for k in range(9)} | {
        f"{k}.txt": f"A dog.\nDog {k}." for k in range(8)
    }
    archive, kind = find_data(write_files(tmp_path / "a", files))
    parts = [read_split(archive, kind, split) for split in ("train", "val", "test")]
    assert kind == "texts" and [len(part) for part in parts] == [6, 1, 1]
    assert parts[1].captions[0] == ["A dog.", f"Dog {parts[1].ids[0][0]}."]
    write_files(
        tmp_path / "b", {f"{s}/1.{e}": jpeg() for s in ("train", "val") for e in ("jpg", "txt")}
    )
    write_files(tmp_path / "b", {f"{s}/1.txt": s for s in ("train", "val")})
    assert load_captions(tmp_path / "b", "val").captions == [["val"]]


@pytest.mark.parametrize(
    "pattern", ["{}.jpg", "photo ({}).jpg", "IMG_{:04}.jpg", "\u00e9t\u00e9{}.jpg"]
)
@pytest.mark.parametrize("count", [3, 8, 20, 30, 500])
def test_an_eighth_of_any_names_is_val_and_an_eighth_test(pattern, count):
    names = [pattern.format(k) for k in range(1, count + 1)]
    splits = split_by_name(names)
    eighth = max(1, round(count / 8))
    assert len(splits["val"]) == len(splits["test"]) == eighth
    assert sorted(itertools.chain(*splits.values())) == sorted(names)
    assert split_by_name(names[::-1])["val"] == splits["val"][::-1]


def test_few_pictures_are_for_training_first():
    counts = [list(map(len, split_by_name(map(str, range(n))).values())) for n in range(4)]
    assert counts == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image,caption\n1.jpg,a dog\n,a cat\n", "line 3: names no picture"),
        ("image,number,caption\n1.jpg,a dog\n", r"line 2: 2 fields where 3 were expected"),
        ("caption,image\nA dog, red,1.jpg\n", "line 2: 3 fields where 2 .* quote captions"),
        ("image,words\n1.jpg,a dog\n", "the first line does not name the columns"),
    ],
)
def test_what_is_no_row_is_named_by_its_line(tmp_path, text, problem):
    with pytest.raises(DataError, match=rf"captions\.csv.*{problem}"):
        read(tmp_path, text)
