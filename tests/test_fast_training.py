"""Training with the engine: the same course, resumed to the bit, asked for by --compiled."""

import json

import layouts
import pytest
import torch
from small import small_examples, small_features, small_model
from test_fast_engine import empty_folder, needs_a_compiler  # noqa: F401  (a fixture)
from test_training import test_killed_ten_times_equals_uninterrupted as check_killed

from helpers.__main__ import main
from helpers.fast import engine
from helpers.layers import use_engine
from helpers.layers.engine import engine_for
from helpers.settings import TrainingSettings
from helpers.training import train


@needs_a_compiler
@pytest.mark.parametrize("cell_type", ["lstm", "attn"])
def test_losses_are_those_of_the_textbook(cell_type):
    settings = TrainingSettings(epochs=8, batch_size=4, learning_rate=0.01)
    losses = {}
    for name in ("textbook", "compiled"):
        model = small_model(cell_type)
        with use_engine(name):
            history = train(
                model, small_examples(cell_type), lambda model: {"BLEU-4": 0.0}, settings,
                progress=False,
            )  # fmt: skip
        losses[name] = torch.tensor([record["loss"] for record in history])
        features = small_features(4, cell_type)
        losses[f"{name} caption"] = [caption.text for caption in model.sample(features)]
    torch.testing.assert_close(losses["compiled"], losses["textbook"], rtol=1e-4, atol=0)
    assert losses["compiled caption"] == losses["textbook caption"]


@needs_a_compiler
def test_killed_ten_times_equals_uninterrupted(tmp_path):
    check_killed(tmp_path, "float32", "compiled")


def command(folder, *more):
    layouts.write_files(folder, layouts.flickr8k_images() | layouts.flickr8k_text())
    return [
        "train", "--data", str(folder), "--out", str(folder / "run"), "--epochs", "1",
        "--wordvec-dim", "8", "--hidden-dim", "8", "--min-count", "1",
        "--cache", str(folder / "cache"), *more,
    ]  # fmt: skip


@needs_a_compiler
@pytest.mark.parametrize("wanted", [False, True])
def test_the_command_runs_the_engine_that_was_asked_for(wanted, tmp_path, monkeypatch, capsys):
    calls, forward = [], engine.lstm_forward
    monkeypatch.setattr(engine, "lstm_forward", lambda *a: calls.append(1) or forward(*a))
    assert main(command(tmp_path, *["--compiled"] * wanted)) == 0, capsys.readouterr().err
    assert bool(calls) == wanted and engine_for(torch.ones(1)) is None
    (line,) = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["loss"] > 0


def test_without_a_compiler_the_command_says_so_in_a_line_and_trains(
    tmp_path,
    monkeypatch,
    capsys,
    empty_folder,  # noqa: F811
):
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("this is no C++\n")
    monkeypatch.setattr(engine, "SOURCE", wrong)
    assert main(command(tmp_path, "--compiled")) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "textbook" in line]
    assert len(said) == 1 and "could not be compiled" in said[0]
