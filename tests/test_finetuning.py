"""The encoder's last layers, taught the words of captions."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from safetensors.torch import load_file, save_file
from small import CAPTIONS, VOCABULARY

from helpers.__main__ import main
from helpers.commands.options import encode_folds
from helpers.encoder import ImageEncoder
from helpers.examples import CaptionExamples
from helpers.features import encode_images
from helpers.files import DataError
from helpers.finetuning import (
    STRIDE,
    EncoderTail,
    WordPredictor,
    mean_average_precision,
    mean_of,
    word_scores,
)
from helpers.images import open_image
from helpers.pretrained import load_captioner
from helpers.settings import TrainingSettings
from helpers.training import set_seed, train
from helpers.views import ViewExamples

BUNDLED = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def photographs():
    names = ("coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png")
    return [open_image(BUNDLED / name) for name in names]


@pytest.fixture(scope="module")
def grids(photographs):
    return encode_images(ImageEncoder(stride=STRIDE), photographs)


def new_model(grids):
    """Return an untrained predictor of words, and four photographs with captions."""
    set_seed(0)
    examples = CaptionExamples(grids.numpy(), CAPTIONS, VOCABULARY)
    tail = EncoderTail(ImageEncoder(stride=STRIDE))
    return WordPredictor(tail, examples, VOCABULARY).eval(), examples


@pytest.mark.parametrize("stride", [STRIDE, 32])
def test_the_tail_goes_on_where_the_features_end(stride, photographs, grids):
    tail = EncoderTail(ImageEncoder(stride=stride))
    expected = encode_images(ImageEncoder(), photographs)
    with torch.no_grad():
        positions = tail(grids)
    torch.testing.assert_close(positions, expected, rtol=1e-3, atol=1e-3)


def test_the_mean_is_between_two_models(grids):
    (model, examples), (other, _) = new_model(grids), new_model(grids)
    settings = TrainingSettings(epochs=4, learning_rate=1e-3, patience=4)
    train(other, examples, lambda _: {"none": 0}, settings, progress=False)
    before = other.tail.conv_head.weight.clone()
    mean = mean_of([model, other])
    assert not torch.equal(model.tail.conv_head.weight, before)
    expected = (model.tail.conv_head.weight + before) / 2
    torch.testing.assert_close(mean.tail.conv_head.weight, expected)
    assert torch.equal(other.tail.conv_head.weight, before)


def test_at_first_each_word_has_its_frequency(grids):
    model, examples = new_model(grids)
    with torch.no_grad():
        probability = model.predict(grids).sigmoid()
    words = [[VOCABULARY.idx_to_word[i] for i in set(caption)] for caption in examples.ids]
    share = sum("red" in caption for caption in words) / len(words)
    column = VOCABULARY.word_to_idx["red"] - 4
    torch.testing.assert_close(probability[:, column], torch.full((4,), share))


def test_shares_count_captions_not_words(grids):
    model, examples = new_model(grids)
    _, captions = examples.batch(np.arange(len(examples)))
    shares = model.shares(captions, 4)
    words = VOCABULARY.idx_to_word[4:]
    assert shares.shape == (4, len(words))
    expected = {"the": 1.0, "red": 1.0, "sea": 0.5, "boat": 1.0, "a": 0.5, "on": 0.5, "is": 0.5}
    assert {w: s for w, s in zip(words, shares[0].tolist(), strict=True) if s} == expected


def test_learns_four_pictures_by_heart(grids):
    model, examples = new_model(grids)
    before = word_scores(model, examples)
    settings = TrainingSettings(epochs=20, learning_rate=2e-3, patience=20)
    history = train(
        model, examples, lambda model: word_scores(model, examples), settings, progress=False
    )
    assert history[-1]["validation loss"] < 0.7 * before["validation loss"]
    assert before["mAP"] < 1 == history[-1]["mAP"]


def test_mean_average_precision_by_hand():
    logits = torch.tensor([[3.0, 0.0, 5.0], [2.0, 1.0, 6.0], [1.0, 2.0, 7.0]])
    present = torch.tensor([[True, True, False], [False, False, False], [True, False, False]])
    # the first word: 1/1 and 2/3; the second one: 1/3; the third is nowhere
    assert mean_average_precision(logits, present) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: None, "cannot be read"),
        (lambda file: file.write_bytes(b"cut off"), "cannot be read"),
        (lambda file: save_file({}, file), "another encoder"),
        (lambda file: save_file({"head": torch.zeros(2)}, file), "another encoder"),
        (lambda file: save_file({"conv_head.bias": torch.zeros(2)}, file), "another encoder"),
    ],
)
def test_a_file_of_no_tuned_layers_is_named(tmp_path, write, message):
    file = tmp_path / "encoder.safetensors"
    write(file)
    with pytest.raises(DataError, match=rf"encoder\.safetensors: .*{message}"):
        ImageEncoder(tuned=file)


def test_an_encoder_without_such_layers_says_so(capsys, tmp_path):
    arguments = ["finetune", "--backbone", "resnet152", "--weights", str(tmp_path / "none.pth")]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "none.pth" in capsys.readouterr().err


def test_from_pictures_to_a_captioner_of_its_own(tmp_path, capsys):
    # the three commands of `make pretrained`, on a few scenes
    data = ["--limit", "12", "--cache", str(tmp_path / "cache"), "--epochs", "1"]
    encoder = tmp_path / "encoder"
    assert main(["finetune", *data, "--views", "2", "--folds", "2", "--out", str(encoder)]) == 0
    tuned = str(encoder / "encoder.safetensors")
    assert (encoder / "curves.png").exists() and "mAP" in capsys.readouterr().out
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    folds = ["--out-of-fold", str(encoder)]
    words = ["--cell", "attn", "--hidden-dim", "8", "--min-count", "1"]
    assert main(["train", *data, "--tuned", tuned, *folds, *words, "--out", first]) == 0
    start = ["--start", f"{first}/best", "--samples", "2"]
    assert main(["train", *data, *start, *folds, "--out", second]) == 0
    assert "CIDEr-D" in capsys.readouterr().out
    captioner = load_captioner(f"{second}/best")
    assert captioner.encoder.fingerprint() == ImageEncoder(tuned=tuned).fingerprint()
    assert captioner.encoder.fingerprint() != ImageEncoder().fingerprint()
    assert main(["caption", str(BUNDLED / "coffee.png"), "--model", f"{second}/best"]) == 0


def test_the_mean_of_the_folds_is_what_captions_are_made_from(tmp_path):
    arguments = ["--limit", "6", "--cache", str(tmp_path / "cache"), "--epochs", "4"]
    assert main(["finetune", *arguments, "--folds", "3", "--out", str(tmp_path / "run")]) == 0
    folds, mean = (
        [load_file(file) for file in sorted((tmp_path / "run").glob(pattern))]
        for pattern in ("fold-?/encoder.safetensors", "encoder.safetensors")
    )
    assert len(folds) == 3 and len(mean) == 1
    for name, weight in mean[0].items():
        several = torch.stack([fold[name].float() for fold in folds])
        torch.testing.assert_close(weight.float(), several.mean(0), rtol=2e-3, atol=1e-4)
    name = "conv_head.weight"
    assert not torch.equal(folds[0][name], folds[1][name])


def test_each_picture_for_training_is_encoded_by_the_fold_without_it(tmp_path):
    cache = str(tmp_path / "cache")
    arguments = ["--limit", "5", "--cache", cache, "--epochs", "4"]
    assert main(["finetune", *arguments, "--folds", "2", "--out", str(tmp_path / "run")]) == 0
    options = argparse.Namespace(
        data="scenes", format=None, strict=False, limit=5, cache=cache, device="cpu",
        out_of_fold=str(tmp_path / "run"),
    )  # fmt: skip
    data, features = encode_folds(options, ImageEncoder())
    assert features.shape == (5, 49, 1280) and len(data) == 5
    for i in range(5):
        tuned = tmp_path / "run" / f"fold-{i % 2}" / "encoder.safetensors"
        expected = encode_images(ImageEncoder(tuned=tuned), [data.image(i)])
        torch.testing.assert_close(torch.from_numpy(features[[i]]), expected, rtol=0.01, atol=0.01)


def test_examples_without_a_fold_have_no_caption_of_it():
    features = np.zeros((8, 3))
    examples = ViewExamples(2, features, CAPTIONS, VOCABULARY)
    others = examples.leave_out(1, 2)
    assert set((others.rows % 4).tolist()) == {0, 2} and set(others.rows.tolist()) == {0, 2, 4, 6}
    kept = [n for n, row in enumerate(examples.rows) if row % 4 in (0, 2)]
    assert others.ids == [examples.ids[n] for n in kept]
    assert len(examples) > len(others) == len(kept)
    seen = np.concatenate([batch for epoch in range(2) for batch in others.batches(2, 0, epoch)])
    assert sorted(seen.tolist()) == list(range(len(others)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "2"], "needs a captioner that speaks already: --start"),
        (["--start", "nowhere"], "nowhere: no such folder"),
        (["--start", "flickr8k-attn", "--samples", "2", "--temperature", "0"], "temperature"),
        (["--out-of-fold", "."], "has no folds of `finetune --folds` in it"),
        (["--out-of-fold", ".", "--views", "2"], "leave out --views"),
    ],
)
def test_going_on_from_nothing_is_refused(arguments, message, tmp_path, capsys):
    data = ["--limit", "4", "--cache", str(tmp_path)]
    assert main(["train", *data, *arguments, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("train", ["--views", "0"], "--views must be at least 1, not 0"),
        ("finetune", ["--views", "-1"], "--views must be at least 1, not -1"),
        ("finetune", ["--folds", "0"], "--folds must be at least 1, not 0"),
        ("finetune", ["--samples", "2"], "--samples is an option of train"),
    ],
)
def test_options_that_make_no_sense_are_refused(command, arguments, message, tmp_path, capsys):
    data = ["--limit", "4", "--cache", str(tmp_path)]
    assert main([command, *data, *arguments, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
