import io
import random
import sys

import numpy as np
import pytest
import torch
from layouts import jpeg
from PIL import Image

from helpers.files import DataError
from helpers.images import ImageError, open_image, pictures, to_rgb

PHOTO_SUFFIXES = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"]


def encode(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    buffer.seek(0)
    return buffer


def reopen(image, format="PNG", **options):
    """Save an image, open it with our function, and give its first pixel."""
    opened = open_image(encode(image, format, **options))
    assert opened.mode == "RGB" and opened.size == image.size
    return opened.getpixel((0, 0))


@pytest.mark.parametrize("format", PHOTO_SUFFIXES)
def test_a_photo_opens_from_a_path_and_from_a_file(tmp_path, format):
    path = tmp_path / f"photo.{format.lower()}"
    Image.new("RGB", (9, 7), (200, 30, 30)).save(path)
    with open(path, "rb") as file:
        for picture in (open_image(path), open_image(str(path)), open_image(file)):
            assert picture.mode == "RGB" and picture.size == (9, 7)
            assert np.abs(np.subtract(picture.getpixel((4, 3)), (200, 30, 30))).max() <= 3


def test_pixels_come_through_unchanged():
    pixels = np.random.default_rng(0).integers(0, 256, (11, 13, 3), dtype=np.uint8)
    assert (np.asarray(open_image(encode(Image.fromarray(pixels)))) == pixels).all()


def test_grey_and_one_bit_pictures():
    assert reopen(Image.new("L", (5, 4), 77)) == (77, 77, 77)
    assert reopen(Image.new("1", (5, 4), 1)) == (255, 255, 255)


def test_transparency_is_laid_on_white():
    assert reopen(Image.new("RGBA", (5, 4), (0, 0, 255, 0))) == (255, 255, 255)
    assert reopen(Image.new("RGBA", (5, 4), (0, 0, 255, 255))) == (0, 0, 255)
    assert reopen(Image.new("RGBA", (5, 4), (0, 0, 0, 51))) == (204, 204, 204)
    assert reopen(Image.new("LA", (5, 4), (0, 0))) == (255, 255, 255)
    assert reopen(Image.new("RGB", (5, 4), (9, 8, 7)), transparency=(9, 8, 7)) == (255, 255, 255)


def test_palettes_with_and_without_transparency():
    picture = Image.new("P", (5, 4), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    assert reopen(picture) == (10, 20, 30)
    assert reopen(picture, transparency=1) == (255, 255, 255)
    assert reopen(picture, transparency=b"\xff\x00") == (255, 255, 255)
    assert reopen(picture, "GIF") == (10, 20, 30)


def test_cmyk():
    red = np.array(reopen(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(red - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_greys_are_scaled_not_clipped(format):
    values = np.array([[0, 256, 1000, 32768, 65279, 65535]], dtype=np.uint16)
    opened = open_image(encode(Image.fromarray(values), format))
    expected = np.round(values / 257)  # 65535 / 255
    assert (np.asarray(opened)[..., 0] == expected).all()
    assert (np.asarray(opened) == np.asarray(opened)[..., :1]).all()


def test_16_bit_greys_that_pillow_knows_by_other_modes():
    values = np.array([[0, 1000, 65535]], dtype=">u2").tobytes()
    portable = io.BytesIO(b"P5 3 1 65535\n" + values)
    big_endian = encode(Image.frombytes("I;16B", (3, 1), values), "TIFF")
    for file, mode in ((portable, "I"), (big_endian, "I;16B")):
        assert Image.open(file).mode == mode
        assert np.asarray(open_image(file))[0, :, 0].tolist() == [0, 4, 255]


def test_floating_point_pictures_from_0_to_1():
    values = np.array([[0.0, 0.2, 1.0]], dtype=np.float32)
    opened = open_image(encode(Image.fromarray(values), "TIFF"))
    assert np.asarray(opened)[0, :, 1].tolist() == [0, 51, 255]


@pytest.mark.parametrize("values", [[0.0, 300.0], [-1.0, 0.5], [float("nan"), 0.5]])
def test_values_of_unknown_scale_are_refused(values):
    file = encode(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    with pytest.raises(ImageError, match=r"x\.tif: pixel values from .* save it with 8 bits"):
        open_image(file, "x.tif")


def test_integers_of_unknown_scale_are_refused():
    file = encode(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), "TIFF")
    with pytest.raises(ImageError, match="0 to 70000 where 0 to 65535"):
        open_image(file)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame(format):
    first, second = Image.new("RGB", (6, 5), "red"), Image.new("RGB", (6, 5), "blue")
    options = {"lossless": True} if format == "WEBP" else {}
    colour = reopen(first, format, save_all=True, append_images=[second], **options)
    assert np.abs(np.subtract(colour, (255, 0, 0))).max() <= 3


def rotated(orientation, format="JPEG"):
    """Encode a picture, white at the left and black at the right, with an EXIF orientation."""
    picture = Image.new("RGB", (32, 16), "black")
    picture.paste("white", (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(picture, format, exif=exif)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "size", "white"),
    [
        (1, (32, 16), "left"),
        (3, (32, 16), "right"),
        (6, (16, 32), "top"),
        (8, (16, 32), "bottom"),
        (99, (32, 16), "left"),
    ],
)
def test_exif_rotation_is_applied(format, orientation, size, white):
    opened = open_image(rotated(orientation, format))
    assert opened.size == size
    w, h = size
    points = {
        "left": (2, h // 2),
        "right": (w - 3, h // 2),
        "top": (w // 2, 2),
        "bottom": (w // 2, h - 3),
    }
    brightest = max(points, key=lambda side: sum(opened.getpixel(points[side])))
    assert brightest == white


def test_broken_exif_leaves_the_picture_as_it_is(recwarn):
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "a description", 0x011A: 1.5})
    content = encode(Image.new("RGB", (8, 8)), "JPEG", exif=exif).getvalue()
    start, generator = content.index(b"Exif\0\0") + 6, random.Random(0)
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 2, 5])):
            damaged[start + generator.randrange(len(exif.tobytes()) - 6)] = generator.randrange(256)
        assert open_image(io.BytesIO(bytes(damaged))).size == (8, 8)
    assert not recwarn.list


def test_one_pixel():
    assert reopen(Image.new("RGB", (1, 1), (1, 2, 3))) == (1, 2, 3)


@pytest.mark.parametrize("format", PHOTO_SUFFIXES)
def test_damaged_files_give_a_picture_or_an_image_error(format):
    generator = random.Random(1)
    content = encode(Image.effect_noise((24, 24), 90).convert("RGB"), format).getvalue()
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 3, 9])):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        damaged = damaged[: generator.choice([len(damaged), generator.randrange(len(damaged))])]
        try:
            assert open_image(io.BytesIO(bytes(damaged)), "x").mode == "RGB"
        except ImageError as error:
            assert str(error).startswith("x: ")


BAD_FILES = {
    "empty": (b"", "is empty"),
    "text": (b"This is not a picture at all.", "not an image in a format"),
    "html": (b"<!DOCTYPE html><html></html>", "not an image in a format"),
    "header only": (jpeg()[:30], "not an image|damaged or cut off"),
    "truncated JPEG": (jpeg(size=(300, 300))[:-300], "damaged or cut off"),
    "truncated PNG": (
        encode(Image.effect_noise((90, 90), 9)).getvalue()[:3000],
        "damaged or cut off",
    ),
    "drawing": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "a drawing"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_refused_by_name(tmp_path, kind):
    content, reason = BAD_FILES[kind]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"photo\.jpg: ({reason})"):
        open_image(path)
    with pytest.raises(ImageError, match=rf"^number 7: ({reason})"):
        open_image(io.BytesIO(content), "number 7")


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(ImageError, match="is not a regular file"):
        open_image("/dev/null")
    with pytest.raises(ImageError, match="no such file"):
        open_image("long" * 2000)


def test_what_is_no_file_at_all_is_a_type_error():
    with pytest.raises(TypeError, match="file: expected a path or a binary file, got ndarray"):
        open_image(np.zeros((3, 3)))


def test_a_decompression_bomb_is_refused_and_a_large_photo_is_not(monkeypatch, recwarn):
    file = encode(Image.new("1", (400, 400)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60_000)
    with pytest.raises(ImageError, match="too many pixels"):
        open_image(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    assert open_image(file).size == (400, 400)
    assert not recwarn.list


COLOURED = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(COLOURED),
        COLOURED,
        COLOURED.astype(np.int64),
        COLOURED / 255,
        COLOURED.transpose(2, 0, 1),
        COLOURED.astype(np.uint16) * 257,
        np.dstack([COLOURED, np.full((4, 5), 255, np.uint8)]),
        torch.from_numpy(COLOURED).permute(2, 0, 1),
        torch.from_numpy(COLOURED).permute(2, 0, 1)[None] / 255,
        [COLOURED],
        iter([Image.fromarray(COLOURED)]),
    ],
)
def test_pictures_as_programs_have_them(picture):
    (opened,) = pictures(picture)
    assert opened.mode == "RGB" and np.array_equal(np.asarray(opened), COLOURED)


def test_grey_arrays_and_paths(tmp_path):
    for grey in (COLOURED[:, :, 0], COLOURED[:, :, :1], torch.from_numpy(COLOURED[:, :, 0])[None]):
        (opened,) = pictures(grey)
        assert (np.asarray(opened) == COLOURED[:, :, :1]).all()
    path = tmp_path / "a.jpg"
    path.write_bytes(rotated(6).getvalue())
    sideways = Image.open(path)
    for picture in (path, str(path), sideways, [path, sideways]):
        assert {opened.size for opened in pictures(picture)} == {(16, 32)}  # upright


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ([], "images: expected at least one picture, a path, a PIL"),
        (None, "images: expected pictures, a path, .* got NoneType"),
        (b"abc", "images: expected pictures, .* got bytes"),
        ([COLOURED, 7], r"images\[1\]: expected a path, .* got int"),
        (COLOURED.astype(float), r"images\[0\]: expected integers .* float64 from 0.0 to 59.0"),
        (np.full((4, 4), np.nan), "float64 from nan to nan"),
        (COLOURED - 1000.0, "not float64 from -1000"),
        (np.zeros((6, 5, 2)), r"with 1, 3 or 4 channels, not \(6, 5, 2\)"),
        (np.zeros((0, 5, 3)), r"not \(0, 5, 3\)"),
        (np.array([["a"]]), r"images\[0\]"),
    ],
)
def test_what_is_no_picture_is_named(wrong, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        list(pictures(wrong))


def test_a_heic_picture_names_its_plug_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # not installed
    with pytest.raises(ImageError, match="x: .*for HEIC: pip install pillow-heif"):
        open_image(io.BytesIO(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 90), "x")


def test_an_image_error_is_a_data_error_and_a_value_error():
    assert issubclass(ImageError, DataError) and issubclass(ImageError, ValueError)


def test_to_rgb_leaves_its_argument_alone():
    picture = Image.new("RGBA", (3, 3), (0, 0, 0, 0))
    assert to_rgb(picture).getpixel((0, 0)) == (255, 255, 255)
    assert picture.mode == "RGBA" and picture.getpixel((0, 0)) == (0, 0, 0, 0)
