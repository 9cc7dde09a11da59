"""The photographs are there, without a network, and each has its credit."""

import pytest

from helpers.photographs import CREDITS, load_photographs, photograph_path
from helpers.settings import DATA


def test_photographs_are_there():
    photographs = load_photographs()
    assert list(photographs) == list(CREDITS)
    assert all(image.mode == "RGB" and min(image.size) >= 200 for image in photographs.values())


def test_a_few_of_them():
    assert list(load_photographs("dogs.jpg", "coffee.png")) == ["dogs.jpg", "coffee.png"]


def test_a_photograph_has_a_path():
    assert photograph_path("chelsea.png").stat().st_size > 0


def test_an_unknown_photograph_is_named():
    with pytest.raises(ValueError, match=r"name must be one of chelsea.*not .zebra.jpg."):
        photograph_path("zebra.jpg")


def test_every_photograph_here_has_its_licence():
    folder = DATA / "photographs"
    page = (folder / "README.md").read_text(encoding="utf-8")
    shipped = sorted(path.name for path in folder.glob("*.jpg"))
    assert shipped
    assert all(f"| `{name}` |" in page and name in CREDITS for name in shipped)
