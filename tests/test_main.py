"""The command line, as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import layouts
import pytest
import skimage
from PIL import Image

from helpers.__main__ import main
from helpers.captioner import CaptioningRNN
from helpers.coco import load_captions
from helpers.encoder import ImageEncoder
from helpers.pretrained import load_captioner, save_captioner
from helpers.training import set_seed
from helpers.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
CAT = str(Path(skimage.__file__).parent / "data" / "chelsea.png")


def test_caption_prints_a_sentence_about_a_cat_like_animal(capsys):
    assert main(["caption", CAT]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and len(printed.split()) >= 4


def test_caption_many_as_json(capsys):
    assert main(["caption", CAT, CAT, "--json", "--beam", "3"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["photo"] for record in records] == [CAT, CAT]
    assert records[0]["caption"] == records[1]["caption"] and records[0]["log_prob"] < 0


def test_caption_without_a_notebook_or_metrics():
    # heavy imports would cost seconds: the command needs none of these
    code = (
        f"import sys; from helpers.__main__ import main; main(['caption', {CAT!r}])\n"
        "print([m for m in ('matplotlib', 'nltk', 'IPython', 'pycocoevalcap') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]" and run.stderr == ""


@pytest.fixture(scope="module")
def attentive(tmp_path_factory):
    """Give the folder of an untrained captioner with attention."""
    folder = tmp_path_factory.mktemp("attentive")
    set_seed(0)
    model = CaptioningRNN(Vocabulary("abcdefgh"), "attn", wordvec_dim=8, hidden_dim=16)
    save_captioner(folder, model, ImageEncoder())
    return str(folder)


def test_caption_draws_attention(attentive, tmp_path, capsys):
    drawing = tmp_path / "out.png"
    command = ["caption", CAT, "--model", attentive, "--max-words", "9"]
    assert main([*command, "--attention", str(drawing)]) == 0
    words = capsys.readouterr().out.split()
    with Image.open(drawing) as picture:
        width, height = picture.size
    assert len(words) > 6 and width > 600  # more words than panels in a line: two lines of them
    assert main([*command, "--max-words", "3", "--attention", str(drawing)]) == 0
    with Image.open(drawing) as picture:
        assert picture.width == width and picture.height < height


def test_attention_of_several_photographs_goes_to_numbered_files(attentive, tmp_path):
    drawing = str(tmp_path / "out.png")
    assert main(["caption", CAT, CAT, "--model", attentive, "--attention", drawing]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-1.png", "out-2.png"]


def test_attention_of_a_model_without(tmp_path, capsys):
    drawing, folder = tmp_path / "out.png", tmp_path / "blind"
    model = CaptioningRNN(Vocabulary("abcdefgh"), "lstm", wordvec_dim=8, hidden_dim=16)
    save_captioner(folder, model, ImageEncoder(pool=True))
    assert main(["caption", CAT, "--model", str(folder), "--attention", str(drawing)]) == 2
    printed = capsys.readouterr()
    assert "blind has no attention" in printed.err and printed.out == ""
    assert len(printed.err.splitlines()) == 1 and not drawing.exists()


COMMANDS = ["", "caption", "train", "finetune", "guide", "evaluate", "data", "download"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0
    assert len(capsys.readouterr().out) > 300


def test_help_is_quick():
    code = "import sys, helpers.__main__; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["caption", "nowhere.jpg"], "nowhere.jpg"),
        (["caption", str(ROOT)], "is a folder"),
        (["caption", __file__], "test_main.py"),
        (["caption", CAT, "--model", "nowhere"], "nowhere"),
        (["caption", CAT, "--beam", "0"], "width"),
        (["caption", CAT, "--max-words", "0"], "max_length"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["train", "--epochs", "0"], "epochs"),
        (["evaluate", "--data", "nowhere"], "nowhere"),
        (["guide", "--model", "nowhere"], "nowhere: no such folder"),
        (["guide", "--model", "flickr8k-attn", "--classifier", "vgg"], "vgg"),
    ],
)
def test_a_users_mistake_is_named(arguments, named, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert named in printed.err and "Traceback" not in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
@pytest.mark.parametrize("command", [["caption", CAT], ["train"], ["evaluate"]])
def test_a_device_that_is_missing_is_named(command, device, capsys):
    assert main([*command, "--device", device]) == 2
    assert named_in_one_line(capsys, f"--device {device}: torch cannot use it here")


@pytest.mark.parametrize("content", [b"", Path(CAT).read_bytes()[:5000], b"GIF89a, or so"])
def test_a_bad_photograph_is_named(content, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    photo.write_bytes(content)
    assert main(["caption", CAT, str(photo)]) == 2
    assert named_in_one_line(capsys, "photo.png")


def test_a_bad_model_is_named(tmp_path, capsys):
    model = CaptioningRNN(Vocabulary("abcdefgh"), "lstm", wordvec_dim=8, hidden_dim=16)
    save_captioner(tmp_path, model, ImageEncoder(pool=True))
    command = ["caption", CAT, "--model", str(tmp_path)]
    for name, size in (("model.safetensors", 100), ("vocab.json", 20), ("config.json", 0)):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:size])
        assert main(command) == 2
        assert named_in_one_line(capsys, name)


def test_incomplete_data_are_refused_on_request(tmp_path, capsys):
    files = layouts.flickr8k_images() | layouts.flickr8k_text()
    del files["Flicker8k_Dataset/1_ab.jpg"]
    layouts.write_files(tmp_path, files)
    assert main(["train", "--data", str(tmp_path), "--strict", "--out", str(tmp_path / "run")]) == 2
    assert named_in_one_line(capsys, "images without a file: 1 (first 1_ab.jpg)")
    assert not (tmp_path / "run").exists()


def named_in_one_line(capsys, name):
    printed = capsys.readouterr().err
    return name in printed and "Traceback" not in printed and len(printed.splitlines()) == 1


def test_train_resume_evaluate_caption(shared, tmp_path, monkeypatch, capsys):
    # real photographs from end to end: 40 of COCO's, split by the layout into one split
    monkeypatch.chdir(tmp_path)
    data = ["--data", str(shared / "flickr8k"), "--limit", "24", "--cache", "cache"]
    small = ["--wordvec-dim", "16", "--hidden-dim", "16", "--min-count", "1", "--batch-size", "20"]
    command = ["train", *data, *small, "--epochs", "2", "--out", "run"]
    assert main(command) == 0
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "best", "last.pt", "log.jsonl", "curves.png",
    }  # fmt: skip
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert main(["evaluate", *data, "--model", "run/best", "--json", "scores.json"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in ("BLEU-4", "CIDEr-D", "METEOR", "SPICE"))
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["images"] == 24 and len(scores["captions"]) == 24
    assert {"METEOR", "SPICE"} <= scores.keys() | scores["absent"].keys()
    assert main(["guide", *data, "--model", "run/best"]) == 0
    assert "more nouns" in capsys.readouterr().out
    assert main(["evaluate", *data, "--model", "run/best", "--json", "guided.json"]) == 0
    guided = list(json.loads((tmp_path / "guided.json").read_text())["captions"].values())
    assert guided != list(scores["captions"].values())
    val = load_captions(shared / "flickr8k", "val")
    captions = load_captioner("run/best").caption([val.image(k) for k in range(24)])
    same = [caption.text == text for caption, text in zip(captions, guided, strict=True)]
    assert sum(same) >= 22  # cached features are rounded to float16
    assert main(["caption", CAT, "--model", "run/best"]) == 0
