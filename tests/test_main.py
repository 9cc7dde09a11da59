"""The command line, as a user meets it."""

import contextlib
import functools
import http.server
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import layouts
import pytest
import skimage
from PIL import Image

import helpers.images
from helpers.__main__ import _parser, main
from helpers.captioner import CaptioningRNN
from helpers.coco import load_captions
from helpers.commands.runs import alone
from helpers.encoder import ImageEncoder
from helpers.files import DataError
from helpers.pretrained import load_captioner, save_captioner
from helpers.settings import RANGES
from helpers.training import set_seed
from helpers.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
CAT = str(Path(skimage.__file__).parent / "data" / "chelsea.png")


def test_caption_prints_a_sentence_about_a_cat_like_animal(capsys):
    assert main(["caption", CAT]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and len(printed.split()) >= 4


def test_caption_many_as_json(capsys):
    assert main(["caption", CAT, CAT, "--json", "--beam", "3", "--beams", "2"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["photo"] for record in records] == [CAT] * 4
    assert [r["caption"] for r in records[:2]] == [r["caption"] for r in records[2:]]
    assert records[0]["caption"] != records[1]["caption"] and records[0]["log_prob"] < 0


def test_captions_by_chance(attentive, capsys):
    command = ["caption", CAT, "--model", attentive, "--samples", "4", "--top-p", "0.9"]
    printed = []
    for seed in ("0", "0", "1"):
        assert main([*command, "--seed", seed]) == 0
        printed.append(capsys.readouterr().out.splitlines())
    assert len(set(printed[0])) > 1 and len(printed[0]) == 4
    assert printed[0] == printed[1] != printed[2]


def test_photographs_from_anywhere(attentive, tmp_path, monkeypatch, capsys):
    for name in ("a.png", "b.JPG", "notes.txt", "caf\u00e9 [1].png"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / name, "PNG")
    content = (tmp_path / "a.png").read_bytes()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        photos = [
            str(tmp_path),
            f"{tmp_path}/*.png",
            f"{address}/a.png",
            "-",
            f"{address}/gone.png",
        ]
        assert main(["caption", *photos, "--model", attentive, "--beam", "1"]) == 2
        server.shutdown()
    printed = capsys.readouterr()
    names = [line.rsplit(": ", 1)[0] for line in printed.out.splitlines()]
    inside = [str(tmp_path / name) for name in ("a.png", "b.JPG", "caf\u00e9 [1].png")]
    assert names == [*inside, inside[0], inside[2], f"{address}/a.png", "-"]
    assert f"{address}/gone.png: cannot be fetched (" in printed.err and "404" in printed.err
    assert len({line.rsplit(": ", 1)[1] for line in printed.out.splitlines()}) == 1


class Endless(http.server.BaseHTTPRequestHandler):
    """Sends for as long as somebody reads."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(1000))

    def log_message(self, *_):
        pass


def test_an_address_that_sends_without_end(attentive, monkeypatch, capsys):
    monkeypatch.setattr("helpers.commands.caption.LARGEST", 1_000_000)
    with http.server.HTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.jpg"
        assert main(["caption", address, "--model", attentive]) == 2
        server.shutdown()
    assert named_in_one_line(capsys, f"{address}: more than 1,000,000 bytes")


def test_good_photographs_are_captioned_and_bad_ones_named(attentive, tmp_path, capsys):
    (tmp_path / "empty.jpg").write_bytes(b"")
    photos = [CAT, str(tmp_path / "empty.jpg"), str(tmp_path / "gone.jpg"), CAT]
    assert main(["caption", *photos, "--model", attentive, "--picture", str(tmp_path / "p/q")]) == 2
    printed = capsys.readouterr()
    assert printed.out.count(CAT) == 2 and (tmp_path / "p/q").exists()
    assert [line.split(": ")[2] for line in printed.err.splitlines()] == [
        "is empty",
        "no such file",
    ]


def test_a_photograph_is_let_go_before_the_next_one(attentive, tmp_path, monkeypatch):
    alive, most = [], []
    opened = helpers.images.open_image

    def watched(*arguments):
        image = opened(*arguments)
        alive.append(weakref.ref(image))
        most.append(sum(each() is not None for each in alive))
        return image

    monkeypatch.setattr(helpers.images, "open_image", watched)
    assert main(["caption", *[CAT] * 5, "--model", attentive, "--beam", "1"]) == 0
    assert len(most) == 5 and max(most) <= 2


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
    command = ["caption", CAT, "--model", attentive, "--max-words", "9", "--beam", "1"]
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


COMMANDS = ["", "caption", "train", "finetune", "evaluate", "data", "download"]


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


def test_what_was_printed_before_a_mistake_reaches_a_pipe(tmp_path):
    (tmp_path / "own.json").write_text('[{"image_id": 1, "caption": 5}]')
    command = [sys.executable, "-m", "helpers", "evaluate", "--results", tmp_path / "own.json"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    run = subprocess.run(command, cwd=ROOT, env=buffered, capture_output=True, text=True)
    assert run.returncode == 2 and "entry 0 needs" in run.stderr
    assert run.stdout.startswith("scenes val: 200 images")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["caption", "nowhere.jpg"], "nowhere.jpg"),
        (["caption", str(ROOT)], "there are no pictures in this folder"),
        (["caption", __file__], "test_main.py"),
        (["caption", CAT, "--model", "nowhere"], "nowhere"),
        (["caption", CAT, "--beam", "0"], "--beam must be in [1, 1000], not 0"),
        (["caption", CAT, "--max-words", "0"], "--max-words must be in"),
        (["caption", CAT, "--length-penalty", "nan"], "--length-penalty must be in"),
        (["caption", CAT, "--top-p", "0"], "--top-p must be in (0, 1], not 0"),
        (["caption", CAT, "--picture", f"{__file__}/a/b.png"], "test_main.py is not a folder"),
        (["train", "--limit", "-3"], "--limit must be in [1, inf), not -3"),
        (["train", "--hidden-dim", "0"], "--hidden-dim must be in"),
        (["train", "--dropout", "1.5"], "--dropout must be in [0, 1), not 1.5"),
        (["train", "--seed", "-1"], "--seed must be in"),
        (["train", "--samples", "1"], "samples must be 0, or 2 or more"),
        (["finetune", "--learning-rate", "inf"], "--learning-rate must be in (0, inf), not inf"),
        (["train", "--out", f"{__file__}/a"], "test_main.py is not a folder"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["train", "--epochs", "0"], "epochs"),
        (["evaluate", "--data", "nowhere"], "nowhere"),
    ],
)
def test_a_users_mistake_is_named(arguments, named, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert named in printed.err and "Traceback" not in printed.err
    assert len(printed.err.splitlines()) == 1 and printed.out == ""


def test_what_cannot_be_parsed_is_named_in_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["caption", CAT, "--beam", "five"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "caption: argument --beam: invalid int value: 'five'\n"


def test_every_number_that_is_typed_has_a_range():
    commands = next(a for a in _parser()._actions if a.dest == "name").choices
    numbers = {
        action.dest for command in commands.values() for action in command._actions
        if action.type in (int, float)
    }  # fmt: skip
    assert numbers <= set(RANGES)


def test_without_a_reader_nothing_is_said():
    command = f"{sys.executable} -m helpers data scenes --examples 2000 | head -1"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.count("\n") == 1 and run.stderr == ""


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_too_little_memory_is_one_line(error, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setattr("helpers.commands.data.run", fail)
    assert main(["data", "scenes"]) == 2
    assert named_in_one_line(capsys, "data: out of memory (")


def test_outside_a_checkout_a_checkout_is_asked_for(tmp_path):
    tmp_path = tmp_path / "site-packages"
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=lambda *_: ["__pycache__"])
    command = [sys.executable, "-m", "helpers", "caption", CAT]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith("helpers: works in a checkout")
    assert run.stderr.count("\n") == 1


def test_without_val_nothing_is_encoded(tmp_path, capsys):
    layouts.write_files(tmp_path, layouts.coco("train"))
    cache = tmp_path / "cache"
    assert main(["train", "--data", str(tmp_path), "--cache", str(cache)]) == 2
    assert "no split 'val' of coco here; there is train" in capsys.readouterr().err
    assert not cache.exists()


def test_training_takes_restval_where_it_is_asked_to(tmp_path, capsys):
    splits = ("train", "restval", "val")
    layouts.write_files(tmp_path, layouts.karpathy("coco", splits))
    for command, split in itertools.product(("train", "finetune"), ("train", "train+restval")):
        options = ["--data", str(tmp_path), "--split", split, "--min-count", "99"]
        assert main([command, *options]) == 2  # before anything is encoded
        images = 1 + ("+" in split)
        assert f"karpathy-coco {split}: {images} images" in capsys.readouterr().out


def test_captions_of_too_few_words_are_refused_before_anything_is_encoded(tmp_path, capsys):
    layouts.write_files(tmp_path, layouts.coco("train") | layouts.coco("val"))
    for command in ("train", "finetune"):
        cache = tmp_path / "cache"
        options = ["--data", str(tmp_path), "--cache", str(cache), "--min-count", "99"]
        assert main([command, *options]) == 2
        assert "--min-count 99: only 0 words" in capsys.readouterr().err
        assert not cache.exists()


def test_a_run_is_named_where_its_captioner_is_meant(tmp_path, capsys):
    (tmp_path / "best").mkdir()
    assert main(["caption", CAT, "--model", str(tmp_path)]) == 2
    assert named_in_one_line(capsys, f"its captioner is {tmp_path}/best")


def test_a_folder_in_which_another_process_trains_is_refused(tmp_path):
    with (
        alone(tmp_path / "run"),
        pytest.raises(DataError, match="another process is writing here"),
        alone(tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_captions_of_a_file_are_scored(tmp_path, capsys):
    data = ["--data", str(layouts.write_files(tmp_path, layouts.coco("val")))]
    results = tmp_path / "own.json"

    def score(content):
        results.write_text(json.dumps(content))
        return main(["evaluate", *data, "--results", str(results), "--out", str(tmp_path / "o/c")])

    said = [{"image_id": k, "caption": f"a dog number {k} runs"} for k in range(3)]
    assert score(said) == 0
    printed = capsys.readouterr().out
    assert "3 images, captions of a file" in printed and "BLEU-4   1.0000" in printed
    assert "CIDEr-D  absent: needs images with different references" in printed
    assert json.loads((tmp_path / "o/c").read_text()) == said
    for wrong, problem in (
        ({}, "expected a list"), ([{"image_id": 7, "caption": "a"}], "entry 0: 7 is no image"),
        (said[:1] * 2, "entry 1: 0 stands twice"), ([{"image_id": 0}], "entry 0 needs"),
    ):  # fmt: skip
        assert score(wrong) == 2
        assert named_in_one_line(capsys, f"own.json: {problem}")
    assert score(said[1:]) == 0 and "captions of 2 of the 3 images" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta", "hpu"])
def test_a_device_that_is_missing_is_named(device, capsys):
    command = ["caption", CAT]
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
    evaluated = list(scores["captions"].values())
    val = load_captions(shared / "flickr8k", "val")
    captions = load_captioner("run/best").caption([val.image(k) for k in range(24)], 5)
    same = [caption.text == text for caption, text in zip(captions, evaluated, strict=True)]
    assert sum(same) >= 22  # cached features are rounded to float16
    assert main(["caption", CAT, "--model", "run/best"]) == 0
