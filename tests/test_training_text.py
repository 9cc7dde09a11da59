"""Sentences from text alone: reading it, and the detections that are drawn for it."""

import gzip
import json
from types import SimpleNamespace

import layouts
import numpy as np
import pytest
import torch
from small import CAPTIONS, VOCABULARY

from helpers.__main__ import main
from helpers.captioner import CaptioningRNN
from helpers.coco import load_captions
from helpers.commands import runs
from helpers.encoder import ImageEncoder, WordDetector, load_word_detector
from helpers.features import encode_images
from helpers.files import DataError, write_json
from helpers.files.tensors import read_tensors
from helpers.pretrained import load_captioner
from helpers.training import finetuning, set_seed, text
from helpers.vocabulary import NULL, pad_captions, tokenize

WORDS = ["red", "dogs", "sea"]


def test_the_same_captions_from_each_kind_of_file(tmp_path):
    pairs = {"7": ["a  dog\n", "dogs"], "9": ["", "a cat"], "11": [" "]}
    annotations = [{"image_id": i, "caption": c} for i, several in pairs.items() for c in several]
    write_json(tmp_path / "pairs.json", pairs)
    write_json(tmp_path / "coco.json", {"images": [], "annotations": annotations})
    packed = tmp_path / "pairs.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(pairs).encode()))
    for file in ("pairs.json", "coco.json", packed):
        assert text.read_texts(tmp_path / file) == [["a dog", "dogs"], ["a cat"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.json", None, "cannot be read"),
        ("cut.json.gz", gzip.compress(b"{}" * 99)[:20], "cannot be read"),
        ("plain.json.gz", b"{}", "cannot be read"),
        ("text.json", b"a dog runs", "expected COCO's annotations"),
        ("list.json", b'["a dog"]', "expected COCO's annotations"),
        ("numbers.json", b'{"1": [2]}', "expected COCO's annotations"),
        ("strings.json", b'{"1": "a dog", "2": "a cat"}', "expected COCO's annotations"),
        ("half.json", b'{"1": ["a \\ud800"]}', "expected COCO's annotations"),
        ("one.json", b'{"1": 2}', "expected COCO's annotations"),
        ("null.json", b"null", "expected COCO's annotations"),
        (
            "nameless.json",
            b'{"annotations": [{"caption": "a dog"}]}',
            "expected COCO's annotations",
        ),
        ("empty.json", b"{}", "holds no captions"),
        ("blank.json", b'{"1": [" "]}', "holds no captions"),
    ],
)
def test_names_what_holds_no_captions(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        text.read_texts(tmp_path / name)


def test_text_of_pictures_to_be_judged_by_is_left_out():
    texts = [["a dog", "dogs run"], ["a red boat"], ["A cat sleeps on a red sofa .", "a cat"]]
    assert text.leave_out(texts, CAPTIONS) == [["a red boat"]]
    assert text.leave_out(texts, []) == texts


def test_captions_to_be_judged_by_are_those_of_val_and_test(tmp_path):
    layouts.write_files(tmp_path, layouts.karpathy())
    options = SimpleNamespace(data=[str(tmp_path), "scenes"], format=None, aside=0)
    judged = runs.captions_to_be_judged_by(options)
    expected = load_captions(tmp_path, "val").captions + load_captions(tmp_path, "test").captions
    assert judged == expected + load_captions("scenes", "val").captions  # scenes has no test


def test_detections_are_drawn_from_pictures_with_the_word_and_without():
    held_out = np.arange(12, dtype=np.float16).reshape(4, 3) / 16  # tells the picture by its value
    texts = [["the red sea"], ["dogs"]] * 50
    drawn = text.simulate_detections(texts, CAPTIONS, held_out, VOCABULARY, WORDS, seed=3)
    assert drawn.shape == (100, 3) and drawn.dtype == np.float16
    holds = {"red": {0, 2}, "dogs": {1}, "sea": {0, 3}}  # pictures of CAPTIONS with each word
    for column, word in enumerate(WORDS):
        for start, several in enumerate(texts[:2]):
            said = word in several[0].split()
            pictures = {k for k in range(4) if (k in holds[word]) == said}
            assert {*drawn[start::2, column]} == {*held_out[sorted(pictures), column]}
    again = text.simulate_detections(texts, CAPTIONS, held_out, VOCABULARY, WORDS, seed=3)
    other = text.simulate_detections(texts, CAPTIONS, held_out, VOCABULARY, WORDS, seed=4)
    assert np.array_equal(drawn, again) and not np.array_equal(drawn, other)


def test_what_no_picture_shows_is_not_detected():
    captions = [["the sea"], ["a sea"]]
    held_out = np.full((2, 3), 0.5, np.float16)
    drawn = text.simulate_detections([["a red boat"]], captions, held_out, VOCABULARY, WORDS)
    assert drawn.tolist() == [[0, 0.5, 0]]  # none was red, and all had the sea


def test_a_detector_may_know_words_that_the_vocabulary_lacks():
    held_out, words = np.full((4, 2), 0.5, np.float16), ["zebra", "red"]
    drawn = text.simulate_detections([["a red zebra"]], CAPTIONS, held_out, VOCABULARY, words)
    assert drawn.tolist() == [[0.5, 0.5]]


def test_detections_of_some_pictures():
    detector = WordDetector(WORDS, 6)
    features = np.random.default_rng(0).normal(size=(5, 4, 6)).astype("float32")
    expected = detector.logits(torch.from_numpy(features)).sigmoid().detach().numpy()
    np.testing.assert_allclose(text.detections(detector, features, batch_size=2), expected, 1e-5)
    rows = np.array([4, 0, 2])
    some = text.detections(detector, features, rows, batch_size=2)
    np.testing.assert_allclose(some, expected[rows], 1e-5)


def test_held_out_detections_are_of_the_same_pictures_and_words(tmp_path):
    file = tmp_path / "held_out.safetensors"
    with pytest.raises(DataError, match="held_out.*finetune --folds 2"):
        text.load_held_out(file, 2, WordDetector(WORDS, 6))
    text.save_held_out(file, np.full((2, 3), 0.25, np.float32))
    assert text.load_held_out(file, 2, WordDetector(WORDS, 6)).tolist() == [[0.25] * 3] * 2
    for images, words in ((3, WORDS), (2, [*WORDS, "a"])):
        expected = f"not of these {images} images and {len(words)} words"
        with pytest.raises(DataError, match=expected):
            text.load_held_out(file, images, WordDetector(words, 6))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Fine-tune an encoder on a few scenes, and two more on half of them each."""
    folder, networks = tmp_path_factory.mktemp("tuned"), []

    class Watched(finetuning.EncoderTail):
        def __init__(self, encoder):
            super().__init__(encoder)
            networks.append(self.conv_head.weight.clone())

    # the first step moves the detector alone, which begins at zero
    data = ["--limit", "12", "--cache", str(folder / "cache"), "--epochs", "1"]
    data += ["--batch-size", "20"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetuning, "EncoderTail", Watched)
        arguments = ["--views", "2", "--folds", "2", "--out", str(folder / "encoder")]
        assert main(["finetune", *data, *arguments]) == 0
    assert len(networks) == 3 and all(torch.equal(networks[0], each) for each in networks)
    learned = read_tensors(folder / "encoder" / "encoder.safetensors")["conv_head.weight"].float()
    assert not torch.allclose(networks[0], learned, rtol=1e-3, atol=1e-5)
    return folder, data


def test_each_picture_is_judged_by_an_encoder_that_has_not_seen_it(tuned):
    folder, _ = tuned
    encoder, data = folder / "encoder", load_captions("scenes", "train").subset(12)
    pictures = [data.image(i) for i in range(12)]
    held_out = read_tensors(encoder / text.HELD_OUT)["probabilities"].float().numpy()
    for fold in (0, 1):
        own = encoder / f"fold-{fold}"
        features = encode_images(ImageEncoder(tuned=own / "encoder.safetensors"), pictures[fold::2])
        expected = text.detections(load_word_detector(own), features.numpy())
        np.testing.assert_allclose(held_out[fold::2], expected, atol=0.02)
        others = text.detections(load_word_detector(encoder), features.numpy())
        assert np.abs(held_out[fold::2] - others).max() > 0.05
        # its detector knows how frequent words are in what it learned from, the other pictures
        detector = load_word_detector(own)
        others = [each for several in data.captions[1 - fold :: 2] for each in several]
        for word in list(detector.rows)[5:9]:
            share = np.mean([word in tokenize(each) for each in others])
            assert float(detector.frequency[detector.rows[word]]) == pytest.approx(share, abs=2e-3)


def test_from_text_to_pictures_to_rewards(tuned, tmp_path, capsys):
    folder, data = tuned
    encoder = folder / "encoder" / "encoder.safetensors"
    write_json(tmp_path / "text.json", {"1": ["a red circle", "a circle"], "2": ["two squares"]})
    first, second, third = (str(tmp_path / name) for name in ("first", "second", "third"))
    sizes = ["--cell", "attn", "--hidden-dim", "8", "--min-count", "1"]
    said = ["--tuned", str(encoder), "--text", str(tmp_path / "text.json"), *sizes]
    assert main(["train", *data, *said, "--out", first]) == 0
    assert main(["train", *data, "--start", f"{first}/best", "--out", second]) == 0
    rewarded = ["--start", f"{second}/best", "--samples", "2"]
    held_out = str(encoder.with_name(text.HELD_OUT))
    assert (
        main(["train", *data, *rewarded, "--voted", held_out, "--views", "2", "--out", third]) == 0
    )
    fourth = str(tmp_path / "fourth")
    assert main(["train", *data, *rewarded, "--out", fourth]) == 0
    names = ("first", "second", "third", "fourth")
    captioners = [load_captioner(tmp_path / name / "best") for name in names]
    weights = [dict(each.model.state_dict()) for each in captioners]
    assert torch.equal(weights[0]["feature_mean"], weights[1]["feature_mean"])
    for name in ("project.W", "embed.W", "cell.Wattn"):
        assert not torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[2]["score.W"], weights[3]["score.W"])  # the vote matters
    assert captioners[2].detector


def text_captioner(dropout=0.0):
    set_seed(0)
    return text.TextCaptioner(VOCABULARY, 3, feature_dim=6, hidden_dim=8, dropout=dropout).eval()


def test_attributes_are_the_one_position_that_text_has():
    model, p = text_captioner(), torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.0, 1.0]])
    A = (model.project.b + p @ model.Wp)[:, None]  # (N, 1, H)
    torch.testing.assert_close(model.start(p)[1], A)
    ids = [VOCABULARY.encode(several[0]) for several in CAPTIONS]  # two captions of each text
    captions = torch.from_numpy(pad_captions(ids))
    h, alpha = model.cell(model.embed(captions[:, :-1]), A.repeat_interleave(2, 0))
    assert (alpha == 1).all()
    scores, targets = model.score(h).flatten(0, 1), captions[:, 1:].flatten()
    loss = torch.nn.functional.cross_entropy(scores, targets, ignore_index=NULL, reduction="sum")
    torch.testing.assert_close(model(p, captions), loss / 4)
    model(p, captions).backward()
    # several processes wait for the gradient of each weight that learns
    weights = dict(model.named_parameters())
    assert {name for name in weights if weights[name].grad is None} == {"project.W"}
    assert not weights["project.W"].requires_grad


def test_attributes_are_dropped_in_training_alone():
    model, p = text_captioner(dropout=0.5), torch.full((2, 3), 0.5)
    assert torch.equal(model.start(p)[1], model.start(p)[1])
    model.train()
    assert not torch.equal(model.start(p)[1], model.start(p)[1])


def test_what_was_learned_of_sentences_is_kept():
    model = text_captioner(dropout=0.25)
    captioner = model.captioner()
    assert type(captioner) is CaptioningRNN and captioner.sizes == model.sizes
    assert all(weight.requires_grad for weight in captioner.parameters())
    weights = model.state_dict()
    assert weights.keys() - captioner.state_dict().keys() == {"Wp"}
    for name, weight in captioner.state_dict().items():
        assert torch.equal(weight, weights[name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--tuned", "nowhere/encoder.safetensors"], "nowhere"),
        (["--cell", "lstm"], "--text needs --cell attn"),
        (["--start", "photographs-attn"], "comes before --start"),
        (["--text", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--limit", "11"], "not of these 11 images"),
        (["--text", "val.json"], "nothing is left to learn from"),
    ],
)
def test_text_that_cannot_be_learned_is_refused(tuned, changes, message, tmp_path, capsys):
    folder, data = tuned
    write_json(tmp_path / "text.json", {"1": ["a circle"]})
    (known,) = load_captions("scenes", "val").subset([7]).captions
    write_json(tmp_path / "val.json", {"1": known[:1]})
    changes = [str(tmp_path / each) if each.endswith(".json") else each for each in changes]
    said = ["--tuned", str(folder / "encoder" / "encoder.safetensors"), "--cell", "attn"]
    said += ["--text", str(tmp_path / "text.json"), "--min-count", "1"]
    assert main(["train", *data, *said, *changes, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err


def test_an_encoder_tuned_without_words_is_refused(tuned, tmp_path, capsys):
    folder, data = tuned
    alone = tmp_path / "encoder.safetensors"
    alone.write_bytes((folder / "encoder" / "encoder.safetensors").read_bytes())
    said = ["--tuned", str(alone), "--text", "text.json", "--cell", "attn"]
    assert main(["train", *data, *said, "--out", str(tmp_path / "run")]) == 2
    assert "no detector of words" in capsys.readouterr().err


def test_one_fold_would_leave_no_picture(tmp_path, capsys):
    data = ["--limit", "4", "--cache", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(["finetune", *data, "--folds", "1"]) == 2
    assert "--folds must be 0, or 2 or more" in capsys.readouterr().err
