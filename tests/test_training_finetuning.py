"""The encoder's last layers, taught the words of captions."""

import math
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from safetensors.torch import save_file
from small import CAPTIONS, VOCABULARY

from helpers.__main__ import main
from helpers.coco import load_captions
from helpers.encoder import ImageEncoder, WordDetector
from helpers.examples import CaptionExamples
from helpers.features import cache_key, encode_images
from helpers.files import DataError
from helpers.files.tensors import read_tensors
from helpers.images import open_image
from helpers.pretrained import load_captioner
from helpers.settings import TrainingSettings
from helpers.training import set_seed, train
from helpers.training.finetuning import (
    STRIDE,
    EncoderTail,
    WordPredictor,
    mean_average_precision,
    word_scores,
)

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


def test_the_tail_goes_on_where_the_features_end(photographs, grids):
    tail = EncoderTail(ImageEncoder(stride=STRIDE))
    expected = encode_images(ImageEncoder(), photographs)
    with torch.no_grad():
        positions = tail(grids)
    torch.testing.assert_close(positions, expected, rtol=1e-3, atol=1e-3)


def test_at_first_each_word_has_its_frequency(grids):
    model, examples = new_model(grids)
    with torch.no_grad():
        probability = model.predict(grids).sigmoid()
    words = [[VOCABULARY.idx_to_word[i] for i in set(caption)] for caption in examples.ids]
    share = sum("red" in caption for caption in words) / len(words)
    column = VOCABULARY.word_to_idx["red"] - 4
    torch.testing.assert_close(probability[:, column], torch.full((4,), share))


def test_a_word_need_be_seen_at_one_position_only(grids):
    model, _ = new_model(grids)
    positions = torch.zeros(2, 9, 5)
    positions[0] = 1.0  # a little everywhere
    positions[1, 4] = 9.0  # as much in all, at one place
    model.tail, model.detector = torch.nn.Identity(), WordDetector(["a", "red", "boat"], 5)
    with torch.no_grad():
        model.detector.words.weight.fill_(0.2)
        everywhere, there = model.predict(positions) - model.detector.words.bias
    torch.testing.assert_close(everywhere, torch.ones(3))  # as if it were one position
    torch.testing.assert_close(there, torch.full((3,), math.log((8 + math.exp(9)) / 9)))


def test_the_detector_has_what_was_learned(grids):
    model, _ = new_model(grids)
    model.standardise(grids)
    with torch.no_grad():
        model.detector.words.weight.normal_(std=0.02)
        scores = model.detector(model.tail(grids))  # (I, P, W)
        expected = model.predict(grids)
    assert list(model.detector.rows) == VOCABULARY.idx_to_word[4:]
    torch.testing.assert_close(scores.exp().mean(1).log(), expected, rtol=1e-4, atol=1e-4)


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
        model,
        examples,
        lambda model: word_scores(model, examples),
        settings,
        progress=False,
        decides="mAP",
    )
    assert history[-1]["validation loss"] < 0.7 * before["validation loss"]
    assert before["mAP"] < 1 == history[-1]["mAP"]


def test_the_encoder_has_a_learning_rate_of_its_own(grids):
    model, examples = new_model(grids)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    settings = TrainingSettings(
        epochs=8, patience=8, learning_rate=1e-2, encoder_learning_rate=1e-6, weight_decay=0.0
    )
    epochs = iter(range(8))  # each one is better than the one before
    train(model, examples, lambda _: {"BLEU-4": next(epochs)}, settings, progress=False)
    moved = {name: (weight - before[name]).abs().max() for name, weight in model.named_parameters()}
    assert 0 < moved["tail.conv_head.weight"] < 9e-6 < 1e-3 < moved["detector.words.weight"]


def test_mean_average_precision_by_hand():
    logits = torch.tensor([[3.0, 0.0, 5.0], [2.0, 1.0, 6.0], [1.0, 2.0, 7.0]])
    present = torch.tensor([[True, True, False], [False, False, False], [True, False, False]])
    # the first word: 1/1 and 2/3; the second one: 1/3; the third is nowhere
    assert mean_average_precision(logits, present) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: None, "cannot be read"),
        (lambda file: file.write_bytes(b"cut off"), "refused, it is damaged"),
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
    # the commands of `make pretrained`, on a few scenes
    data = ["--limit", "12", "--cache", str(tmp_path / "cache"), "--epochs", "1"]
    encoder = tmp_path / "encoder"
    assert main(["finetune", *data, "--views", "2", "--out", str(encoder)]) == 0
    tuned = str(encoder / "encoder.safetensors")
    assert (encoder / "curves.png").exists() and "mAP" in capsys.readouterr().out
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    words = ["--cell", "attn", "--hidden-dim", "8", "--min-count", "1"]
    assert main(["train", *data, "--tuned", tuned, *words, "--out", first]) == 0
    start = ["--start", f"{first}/best", "--samples", "2"]
    assert main(["train", *data, *start, "--out", second]) == 0
    assert "CIDEr-D" in capsys.readouterr().out
    again = ["--start", f"{second}/best", "--out", str(tmp_path / "third")]
    assert main(["train", *data, *again]) == 0
    captioner = load_captioner(tmp_path / "third" / "best")
    coffee = open_image(BUNDLED / "coffee.png")
    (said,) = captioner.caption([coffee])
    (located,) = captioner.locate([coffee], [said])
    assert located.words == said.words and located.alpha.shape == said.alpha.shape
    assert not np.allclose(located.alpha, said.alpha)
    with pytest.raises(ValueError, match="2 images, 1 captions"):
        captioner.locate([coffee, coffee], [said])
    expected = ImageEncoder(tuned=tuned)
    assert captioner.encoder.fingerprint() == expected.fingerprint()
    key = cache_key(load_captions("scenes", "train").subset(12), expected)
    (learned_from,) = (tmp_path / "cache").glob("scenes-train-*")
    assert learned_from.stem.endswith(key)
    val = load_captions("scenes", "val").subset(12)
    assert list((tmp_path / "cache").glob(f"scenes-val-*{cache_key(val, expected)}.npy"))
    assert captioner.encoder.fingerprint() != ImageEncoder().fingerprint()
    assert main(["caption", str(BUNDLED / "coffee.png"), "--model", f"{second}/best"]) == 0


def test_a_soup_is_the_mean_of_encoders_of_other_seeds(tmp_path, capsys):
    out, cache = tmp_path / "run", str(tmp_path / "cache")
    data = ["--limit", "12", "--cache", cache, "--epochs", "1", "--batch-size", "20"]
    data += ["--views", "1"]  # what a seed cuts is another's
    soup = ["finetune", *data, "--soup", "2", "--seed", "3", "--out", str(out)]
    assert main(soup) == 0
    assert "mean of 2: mAP" in capsys.readouterr().out
    for name in ("encoder.safetensors", "words.safetensors"):
        first, second, mean = (
            read_tensors(folder / name) for folder in (out / "seed-3", out / "seed-4", out)
        )
        assert any(not torch.equal(first[key], second[key]) for key in first)
        for key in mean:
            expected = (first[key].float() + second[key].float()) / 2
            torch.testing.assert_close(mean[key].float(), expected, rtol=2e-3, atol=1e-4)
    alone = ["finetune", *data, "--seed", "4", "--out", str(tmp_path / "alone")]
    assert main(alone) == 0
    tuned, member = (
        folder / "encoder.safetensors" for folder in (tmp_path / "alone", out / "seed-4")
    )
    assert tuned.read_bytes() == member.read_bytes()
    (out / "seed-4" / "last.pt").unlink()  # killed before the second one had begun
    assert main(soup) == 2
    assert "holds a run already" in capsys.readouterr().err
    before = (out / "encoder.safetensors").read_bytes()
    (out / "encoder.safetensors").unlink()
    assert main([*soup, "--resume"]) == 0
    assert (out / "encoder.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "2"], "needs a captioner that speaks already: --start"),
        (["--start", "nowhere"], "nowhere: no such folder"),
        (["--start", "photographs-attn", "--samples", "2", "--temperature", "0"], "temperature"),
    ],
)
def test_going_on_from_nothing_is_refused(arguments, message, tmp_path, capsys):
    data = ["--limit", "4", "--cache", str(tmp_path)]
    assert main(["train", *data, *arguments, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("train", ["--views", "0"], "--views must be in [1, 1000], not 0"),
        ("finetune", ["--views", "-1"], "--views must be in [1, 1000], not -1"),
        ("finetune", ["--soup", "0"], "--soup must be in [1, 100], not 0"),
        ("finetune", ["--samples", "2"], "--samples is an option of train"),
        ("train", ["--per-image", "0"], "--per-image must be in [1, inf), not 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(command, arguments, message, tmp_path, capsys):
    data = ["--limit", "4", "--cache", str(tmp_path)]
    assert main([command, *data, *arguments, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
