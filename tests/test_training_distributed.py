"""Two processes do what one does: through torchrun, from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import jpeg, write_files
from torch import nn

from helpers.__main__ import main
from helpers.training import distributed, set_seed

ROOT = Path(__file__).parents[1]
COLOURS = ("red", "green", "blue", "white", "black")


@pytest.fixture
def data(tmp_path):
    """Write thirteen pictures in Flickr8k's layout, three of them for validation."""
    names = [f"{k}_ab.jpg" for k in range(13)]
    colours = [COLOURS[k % len(COLOURS)] for k in range(13)]
    endings = ("picture", "square here", "picture and nothing else", "page", "thing seen from near")
    captions = [
        f"{name}#{k}\tA {colour} {end} .\n"
        for name, colour in zip(names, colours, strict=True)
        for k, end in enumerate(endings)
    ]
    texts = {
        "Flickr8k.token.txt": "".join(captions),
        "Flickr_8k.trainImages.txt": "".join(f"{name}\n" for name in names[:-3]),
        "Flickr_8k.devImages.txt": "".join(f"{name}\n" for name in names[-3:]),
    }
    pictures = {f"Flicker8k_Dataset/{n}": jpeg(c) for n, c in zip(names, colours, strict=True)}
    return str(write_files(tmp_path / "data", texts | pictures))


# what `python -m helpers` does, and then: which threads of the process group are left?
MODULE = """
import sys
from pathlib import Path
from helpers.__main__ import main

status = main()
threads = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
sys.exit(status or ", ".join(name.strip() for name in threads if "gloo" in name) or 0)
"""


def test_torchrun_trains_as_one_process_does(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--wordvec-dim", "32", "--hidden-dim", "32", "--min-count", "1", "--dropout", "0.3"]
    # 10 images with 5 captions, 3 to a batch: the last holds one, so one process has none
    steps = ["--epochs", "8", "--batch-size", "15", "--cell", "attn", "--learning-rate", "0.003"]
    command = ["train", "--data", data, "--cache", "cache", *small, *steps]
    assert main([*command, "--out", "one"]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = tmp_path / "helpers_and_threads.py"
    script.write_text(MODULE)
    shared = subprocess.run(
        [*torchrun, str(script), *command, "--out", "two"],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout.count("best epoch") == 1  # only the first process prints
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    )
    assert [r["loss"] for r in two] == pytest.approx([r["loss"] for r in one], rel=1e-5)
    for score in ("BLEU-1", "BLEU-4"):
        assert [record[score] for record in two] == [record[score] for record in one]
    assert one[-1]["BLEU-1"] > 0.2 and one[-1]["loss"] < 0.9 * one[0]["loss"]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        "best", "curves.png", "last.pt", "log.jsonl",
    ]  # fmt: skip


def test_more_processes_than_gpus_are_named(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("helpers.__main__._check_device", lambda _: None)
    assert main(["train", "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said == "train: cuda:2: of GPUs there are 2; start as many processes\n"


def test_one_process_takes_the_whole_batch():
    share = distributed.share(7, 14)
    assert np.arange(14)[share.captions].tolist() == list(range(14)) and share.weight == 1
    assert np.arange(7)[share.images].tolist() == list(range(7)) and share.total == 14
    assert distributed.processes() == 1 and distributed.is_first()
    assert distributed.agree(lambda: 5) == 5 and distributed.mean(2.5) == 2.5
    model = nn.Sequential(nn.Dropout(0.5))
    assert distributed.distribute(model) is model and type(model[0]) is nn.Dropout


def shares(monkeypatch, images, captions, processes):
    """Return what each of some processes takes of a batch."""
    found = []
    monkeypatch.setattr(distributed.dist, "get_rank", lambda: len(found))
    monkeypatch.setattr(distributed, "processes", lambda: processes)
    while len(found) < processes:
        found.append(distributed.share(images, captions))
    return found


@pytest.mark.parametrize("images", [1, 2, 7])
@pytest.mark.parametrize("processes", [2, 3])
def test_shares_make_up_the_batch(monkeypatch, images, processes):
    losses, total, rows = torch.arange(1.0, 2 * images + 1), 0, []
    for share in shares(monkeypatch, images, len(losses), processes):
        assert share.total == len(losses)
        assert len(losses[share.captions]) == 2 * len(range(images)[share.images]) > 0
        total += share.weight * losses[share.captions].mean()
        rows += losses[share.captions].tolist() if share.weight else []
    assert rows == losses.tolist()
    torch.testing.assert_close(total / processes, losses.mean())


def test_dropout_masks_are_those_of_the_whole_batch(monkeypatch):
    images, words = torch.randn(5, 3, 4), torch.randn(10, 8, 4)
    whole, shared = nn.Dropout(0.4), distributed.SharedDropout(0.4)
    set_seed(5)
    expected = [whole(images), whole(words)]
    for share in shares(monkeypatch, 5, 10, 2):
        monkeypatch.setattr(distributed.SharedDropout, "share", share)
        set_seed(5)
        assert torch.equal(shared(images[share.images]), expected[0][share.images])
        assert torch.equal(shared(words[share.captions]), expected[1][share.captions])
    assert torch.equal(shared.eval()(words[:2]), words[:2])
