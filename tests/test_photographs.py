"""The bundled photographs are there, without a network."""

from helpers.photographs import CREDITS, load_photographs, photograph_path


def test_photographs_are_bundled():
    photographs = load_photographs()
    assert list(photographs) == list(CREDITS)
    assert all(image.mode == "RGB" and min(image.size) >= 200 for image in photographs.values())


def test_a_photograph_has_a_path():
    assert photograph_path("chelsea.png").stat().st_size > 0
