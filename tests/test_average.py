"""The mean of two captioners' weights."""

import pytest
import torch

from helpers.__main__ import main
from helpers.captioner import CaptioningRNN
from helpers.encoder import ImageEncoder
from helpers.pretrained import load_captioner, save_captioner
from helpers.training import set_seed
from helpers.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder(pool=True)


def save(folder, encoder, seed, words=("a", "cat")):
    set_seed(seed)
    model = CaptioningRNN(Vocabulary(words), "lstm", 1280, 4, 5)
    save_captioner(folder, model, encoder)
    return model


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_every_weight_lies_between(tmp_path, encoder, share):
    start, trained = (save(tmp_path / str(seed), encoder, seed) for seed in (0, 1))
    folders = [str(tmp_path / name) for name in "01"]
    assert main(["average", *folders, "--share", str(share), "--out", str(tmp_path / "mean")]) == 0
    start.sharpen(0.5)
    mean, one, other = (
        model.state_dict() for model in (load_captioner(tmp_path / "mean").model, start, trained)
    )
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (1 - share) * one[name] + share * other[name])


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"words": ("a", "dog")}, [], "has another vocabulary"),
        ({"encoder": ImageEncoder(pool=True, image_size=96)}, [], "has another encoder"),
        ({}, ["--share", "2"], "--share must be in"),
    ],
)
def test_strangers_are_refused(tmp_path, capsys, encoder, changes, arguments, message):
    save(tmp_path / "0", encoder, 0)
    save(tmp_path / "1", changes.get("encoder", encoder), 1, changes.get("words", ("a", "cat")))
    folders = [str(tmp_path / name) for name in "01"]
    assert main(["average", *folders, *arguments, "--out", str(tmp_path / "mean")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
