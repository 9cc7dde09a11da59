"""The image encoder, on real photographs with the real ImageNet weights."""

from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image

from helpers.encoder.backbones import BACKBONES
from helpers.encoder.image_encoder import ImageEncoder, normalise
from helpers.features import encode_images
from helpers.images import open_image

BUNDLED = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder()


@pytest.fixture(scope="module")
def pixels(encoder):
    return encoder.prepare(open_image(BUNDLED / "coffee.png"))[None]


@pytest.mark.parametrize(
    ("photograph", "names"),
    [
        ("chelsea.png", ("Egyptian cat", "tiger cat", "tabby, tabby cat")),
        ("coffee.png", ("espresso",)),
        ("rocket.jpg", ("missile",)),
        ("motorcycle_left.png", ("moped", "motor scooter, scooter")),
        ("camera.png", ("tripod",)),
    ],
)
def test_names_real_photographs(encoder, photograph, names):
    from timm.data import ImageNetInfo

    scores = encoder.classify(encoder.prepare(open_image(BUNDLED / photograph))[None])
    assert ImageNetInfo().index_to_description(int(scores.argmax())) in names


def test_is_sure_of_the_espresso(encoder, pixels):
    # wrong normalisation or padding still finds the class, but loses this confidence
    assert encoder.classify(pixels).softmax(1)[0, 967] > 0.9


def test_folding_leaves_the_features(encoder, pixels):
    unfolded = BACKBONES["efficientnet_lite0"].build(None).eval()
    with torch.no_grad():
        expected = unfolded.forward_features(normalise(pixels, encoder)).flatten(2).mT
    torch.testing.assert_close(encoder(pixels), expected, rtol=1e-3, atol=1e-3)


def test_uint8_and_float_agree(encoder, pixels):
    torch.testing.assert_close(encoder(pixels), encoder(pixels / 255))


def test_how_many_are_encoded_at_a_time_does_not_matter(encoder):
    images = [open_image(BUNDLED / name) for name in ("coffee.png", "rocket.jpg", "camera.png")]
    few, all_at_once = (encode_images(encoder, images, size) for size in (2, 3))
    torch.testing.assert_close(few, all_at_once, rtol=1e-4, atol=1e-4)
    assert few.shape == (3, 49, 1280)


def test_lite2_sees_larger_pictures():
    encoder = ImageEncoder("efficientnet_lite2")
    pixels = encoder.prepare(open_image(BUNDLED / "coffee.png"))[None]
    assert pixels.shape == (1, 3, 260, 260)
    assert encoder(pixels).shape == (1, 81, 1280)
    # wrong normalisation or padding still finds the class, but loses this confidence
    assert encoder.classify(pixels).softmax(1)[0, 967] > 0.85
    assert encoder.fingerprint() != ImageEncoder("efficientnet_lite2", image_size=224).fingerprint()


def test_image_size_is_the_backbones_own_or_the_callers(encoder):
    assert encoder.image_size == 224
    other = ImageEncoder(image_size=256)
    assert other(torch.zeros(1, 3, 256, 256, dtype=torch.uint8)).shape == (1, 64, 1280)


def test_shapes(encoder, pixels):
    pooled = ImageEncoder(pool=True)(pixels)
    assert encoder(pixels).shape == (1, 49, 1280)
    torch.testing.assert_close(pooled, encoder(pixels).mean(1), rtol=1e-4, atol=1e-5)


def test_an_earlier_layer_has_more_positions(encoder, pixels):
    images = torch.cat([pixels, pixels.flip(3)])
    earlier = ImageEncoder(stride=16)
    with torch.inference_mode():
        grid = earlier(images)
        stem = earlier.network.conv_stem(normalise(images, earlier))
        layers = torch.nn.functional.relu6(earlier.network.bn1(stem))
        for block in earlier.network.blocks[:5]:
            layers = block(layers)
    assert grid.shape == (2, 14 * 14, earlier.feature_dim) and earlier.feature_dim == 112
    torch.testing.assert_close(grid, layers.flatten(2).transpose(1, 2))
    assert earlier.fingerprint() != encoder.fingerprint()


def test_names_the_strides_there_are():
    with pytest.raises(ValueError, match="one of 2, 4, 8, 16, 32 for this backbone, not 12"):
        ImageEncoder(stride=12)


def test_positions_run_row_by_row(encoder):
    # where only the upper right corner of a picture changes, mostly those positions change
    plain = torch.full((1, 3, 224, 224), 128, dtype=torch.uint8)
    corner = plain.clone()
    corner[:, 0, :32, 192:] = 255
    change = (encoder(corner) - encoder(plain)).abs().sum(2).view(7, 7)
    assert change[:4, 3:].sum() > 0.9 * change.sum()


def test_frozen(encoder):
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder.train().network.training


def test_fingerprint_knows_weights_and_settings(encoder):
    other = ImageEncoder()
    assert other.fingerprint() == encoder.fingerprint()
    assert ImageEncoder(pool=True).fingerprint() != encoder.fingerprint()
    with torch.no_grad():
        next(other.network.parameters())[0, 0, 0, 0] += 1e-3
    assert other.fingerprint() != encoder.fingerprint()


def test_refuses_what_it_cannot_encode(encoder, pixels):
    with pytest.raises(ValueError, match="shape"):
        encoder(pixels[:, :, :200])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        encoder(pixels.float())
    with pytest.raises(ValueError, match="int64"):
        encoder(pixels.long())
    with pytest.raises(ValueError, match="efficientnet_lite0"):
        ImageEncoder("efficientnet_lite9")


def test_square_is_cut_from_the_middle(encoder):
    image = Image.new("RGB", (448, 224), "red")
    image.paste("blue", (112, 0, 336, 224))
    assert (encoder.prepare(image)[0] == 0).float().mean() > 0.98


def test_odd_sizes_are_encoded(encoder):
    images = [Image.new("RGB", size, "green") for size in ((1, 1), (5, 3000), (301, 200))]
    assert torch.isfinite(encode_images(encoder, images)).all()
