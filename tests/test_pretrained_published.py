"""The published checkpoints: full-size files of their kind are loaded, others refused."""

import io
import os
import pickle
import shutil
import warnings

import pytest
import skimage
import torch
from old_files import Payload, pickled_vocabulary, write_checkpoint
from PIL import Image
from small import published_ids
from torchvision import transforms

from helpers.__main__ import main
from helpers.features import encode_images
from helpers.files import DataError
from helpers.pretrained.published import FILES, load_published
from helpers.pretrained.resnet_lstm import ConvNet, LSTMDecoder

BUNDLED = os.path.join(os.path.dirname(skimage.__file__), "data")
ENCODER, DECODER, VOCABULARY = FILES
WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "man", *(f"word{i}" for i in range(9950))]
# Weights drawn at random are not the published ones.
expects_warnings = pytest.mark.filterwarnings("ignore:.*not the published")


@pytest.fixture(scope="session")
def networks():
    """Build a ConvNet and an LSTMDecoder of full size whose most frequent word is "a"."""
    torch.manual_seed(0)
    network, decoder = ConvNet(), LSTMDecoder(len(WORDS))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("bn3.weight"):
                weight *= 0.2  # else random features grow from block to block
        network.bn.running_var *= 0.1  # and now they would hardly differ
        decoder.linear.bias[4] += 0.5
    return network.eval(), decoder.eval()


@pytest.fixture(scope="session")
def published(tmp_path_factory, networks):
    """Write the three files, 270 MB, as they were written in 2017."""
    folder = tmp_path_factory.mktemp("published")
    write_checkpoint(folder / ENCODER, networks[0])
    write_checkpoint(folder / DECODER, networks[1])
    (folder / VOCABULARY).write_bytes(pickled_vocabulary(WORDS, python2=True))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def captioner(published):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_published(published)


@pytest.fixture
def folder(published, tmp_path):
    """Give a folder of links to the three files, of which a test replaces some."""
    for name in FILES:
        (tmp_path / name).symlink_to(published / name)
    return tmp_path


def replace(file, content):
    file.unlink()
    file.write_bytes(content)


def photographs():
    """Return a grey photograph, one in colour and a drawing with transparency."""
    names = ("camera.png", "coffee.png", "logo.png")
    images = []
    for name in names:
        with Image.open(os.path.join(BUNDLED, name)) as image:
            images.append(image.copy())
    assert [image.mode for image in images] == ["L", "RGB", "RGBA"]
    return images


def test_reads_every_weight(captioner, networks):
    loaded = (captioner.encoder.network, captioner.model)
    for network, copy in zip(networks, loaded, strict=True):
        state = copy.state_dict()
        assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert captioner.model.vocabulary.idx_to_word[4:] == WORDS[4:]


def test_twenty_words_for_each_picture(captioner, networks):
    images = photographs()
    ids = published_ids(captioner.model, encode_images(captioner.encoder, images))
    assert ids.shape == (3, 20) and ids.dtype == torch.int64
    # as the published code prepares a picture, once it is RGB
    normal = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    coffee = images[1].resize([224, 224], Image.LANCZOS)
    with torch.no_grad():
        features = networks[0](normal(transforms.ToTensor()(coffee))[None])
    torch.testing.assert_close(
        encode_images(captioner.encoder, images)[1:2], features, rtol=1e-3, atol=1e-3
    )
    assert torch.equal(ids[1:2], published_ids(networks[1], features))


def test_grey_and_transparent_pictures(captioner):
    grey, colour, drawing = photographs()
    features = encode_images(captioner.encoder, [grey, grey.convert("RGB"), drawing])
    torch.testing.assert_close(features[0], features[1])
    assert torch.isfinite(features).all()
    captions = captioner.caption([grey, colour, drawing])
    assert all(len(caption.ids) <= 20 and caption.text for caption in captions)


def test_takes_paths_and_tensors(captioner):
    image = photographs()[1]
    features = encode_images(captioner.encoder, [image])
    assert torch.equal(
        encode_images(captioner.encoder, [os.path.join(BUNDLED, "coffee.png")]), features
    )
    pixels = captioner.encoder.prepare(image)[None]
    for same in (pixels, pixels / 255):
        torch.testing.assert_close(
            encode_images(captioner.encoder, same), features, rtol=1e-3, atol=1e-3
        )
    assert torch.equal(encode_images(captioner.encoder, image), features)
    for wrong in ([], [7], None):
        with pytest.raises((TypeError, ValueError), match="images"):
            encode_images(captioner.encoder, wrong)


def test_a_picture_is_squeezed(captioner):
    image = Image.new("RGB", (448, 224), "red")
    image.paste("blue", (0, 0, 224, 224))
    pixels = captioner.encoder.prepare(image)
    assert pixels.shape == (3, 224, 224) and pixels.dtype == torch.uint8
    red = (pixels[0] > 128).float()
    assert red[:, 116:].min() == 1 and red[:, :108].max() == 0


def warnings_for(folder):
    """Load the captioner of a folder. Returns: the texts of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_published(folder)
    return [str(warning.message) for warning in caught]


def test_warns_of_each_file_that_is_not_the_published_one(published):
    texts = warnings_for(published)
    assert [name for text, name in zip(texts, FILES, strict=True) if name in text] == list(FILES)
    assert all("not the published" in text and "SHA-256" in text for text in texts)


def test_the_real_vocabulary_is_recognised(folder, shared):
    replace(folder / VOCABULARY, (shared / "legacy" / VOCABULARY).read_bytes())
    assert not any("vocab.pkl" in text for text in warnings_for(folder))


def hostile(form, marker):
    """Return a checkpoint that makes `marker` when it is loaded the usual way."""
    payload = {"linear.weight": torch.zeros(2), "embed.weight": Payload(marker)}
    if form == "pickle":
        return pickle.dumps(payload)
    return saved(payload, form)


def saved(content, form="legacy"):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    return file.getvalue()


@expects_warnings
@pytest.mark.parametrize("form", ["legacy", "zip", "pickle"])
@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_hostile_weights_run_nothing(folder, name, form):
    marker = folder / "ran"
    if name == DECODER:  # the encoder is read first, and a small one is read faster
        replace(folder / ENCODER, saved({"linear.weight": torch.zeros(2)}))
    content = hostile(form, marker)
    replace(folder / name, content)
    with pytest.raises(DataError, match=f"{name}: refused"):
        load_published(folder)
    assert not marker.exists()
    # the file is a live one: loaded the usual way, it acts
    load = (
        pickle.loads
        if form == "pickle"
        else lambda c: torch.load(io.BytesIO(c), None, pickle, weights_only=False)
    )
    load(content)
    assert marker.exists()


@expects_warnings
def test_hostile_vocabulary_runs_nothing(folder):
    replace(folder / VOCABULARY, pickle.dumps(Payload(folder / "ran"), 0))
    with pytest.raises(DataError, match=r"vocab\.pkl: refused"):
        load_published(folder)
    assert not (folder / "ran").exists()


@expects_warnings
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (ENCODER, b"", "encoder-5-3000.pkl: refused"),
        (ENCODER, saved([1, 2]), "encoder-5-3000.pkl: refused"),
        (ENCODER, saved({"a": 1}), "encoder-5-3000.pkl: refused"),
        (ENCODER, saved({"a": torch.ones(1)}), "not a ConvNet"),
        (ENCODER, saved({"linear.weight": torch.ones(3, 2048)}), "gives 3 features"),
        (ENCODER, saved({"linear.weight": torch.ones(256, 9)}), "another network"),
        (VOCABULARY, pickled_vocabulary(WORDS[:-1]), "9,956 words, the vocabulary beside it 9,955"),
    ],
)
def test_names_what_does_not_fit(folder, name, content, message):
    if name == VOCABULARY:
        replace(folder / ENCODER, saved({"linear.weight": torch.ones(256, 9)}))
    replace(folder / name, content)
    with pytest.raises(DataError, match=message):
        load_published(folder)


@expects_warnings
def test_a_decoder_that_is_cut_off(folder):
    replace(folder / ENCODER, saved({"linear.weight": torch.ones(256, 9)}))
    replace(folder / DECODER, (folder / DECODER).read_bytes()[:-1000])
    with pytest.raises(DataError, match="decoder-5-3000.pkl: refused"):
        load_published(folder)


def test_names_a_missing_file(folder):
    (folder / DECODER).unlink()
    with pytest.raises(DataError, match="decoder-5-3000.pkl: no such file"):
        load_published(folder)


@expects_warnings
def test_command_line(published, tmp_path, capsys):
    photo = os.path.join(BUNDLED, "camera.png")
    assert main(["caption", photo, "--model", str(published)]) == 0
    assert "a a a" in capsys.readouterr().out
    data = ["--limit", "2", "--cache", str(tmp_path)]
    assert main(["evaluate", *data, "--beam", "1", "--model", str(published)]) == 0
    assert "2 images, greedy" in capsys.readouterr().out
