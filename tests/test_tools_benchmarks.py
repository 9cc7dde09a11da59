"""What is compared computes the same; the command writes what it prints."""

import functools
import json
import time

import pytest
import torch

from helpers.checks import check_norm
from tools.benchmarks import __main__ as command
from tools.benchmarks import captioner, cells, decoding, timing
from tools.benchmarks.__main__ import main

SIZES = {"N": 6, "T": 4, "E": 6, "H": 5, "P": 7, "C": 8}
SMALL = (3, 4, 6, 5)


@pytest.mark.parametrize("kind", cells.KINDS)
def test_every_variant_of_a_layer_computes_the_same(kind):
    torch.manual_seed(0)
    results = {name: step() for name, step in cells.training_steps(kind, SMALL).items()}
    h, dx, dstate, *weights = results["ours, float32"]
    for name, (other, other_dx, other_dstate, *_) in results.items():
        bound = 0.05 if "bf16" in name else 1e-5
        check_norm(f"h, {name}", other.float(), h, bound)
        check_norm(f"dx, {name}", other_dx, dx, 2 * bound)
        check_norm(f"dstate, {name}", other_dstate, dstate, 2 * bound)
    for got, right in zip(results["naive loop, float32"][3:], weights, strict=True):
        check_norm("weights", got, right, 1e-5)


@pytest.mark.parametrize("cell", captioner.CELLS)
def test_the_twin_of_a_captioner_has_its_loss_and_its_gradients(cell):
    results = {name: step() for name, step in captioner.training_steps(cell, 11, SIZES).items()}
    loss, gradients = results["ours, float32"]
    twin_loss, twin_gradients = results["torch modules, float32"]
    check_norm("loss", loss, twin_loss, 1e-6)
    model, features, captions = captioner.make_batch(cell, 11, SIZES)
    names = [name for name, _ in model.named_parameters()]
    assert features.shape == ((6, 7, 8) if cell == "attn" else (6, 8))
    assert captions.shape == (6, 5) and (captions == 0).any()
    ours = dict(zip(names, gradients, strict=True))
    check_norm("embed", ours["embed.W"], twin_gradients[2], 1e-5)
    check_norm("project", ours["project.W"], twin_gradients[0].T, 1e-5)
    check_norm("score", ours["score.W"], twin_gradients[-2].T, 1e-5)


def test_products_are_counted():
    # forward, to the input and to the weights: 2 N T (D + H) H each
    assert cells.products("RNN", 2, 3, 4, 5) == 3 * 2 * 2 * 3 * 9 * 5
    assert cells.products("LSTM", 2, 3, 4, 5) == 4 * cells.products("RNN", 2, 3, 4, 5)
    scores = 3 * 2 * 6 * 4 * 5 * 11
    project = 2 * 2 * 6 * 8 * 5
    wanted = cells.products("LSTM", 6, 4, 6, 5) + scores + project
    assert captioner.products("lstm", 11, SIZES) == wanted


def test_functions_take_turns():
    calls = []
    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    durations = timing.interleaved(steps, repetitions=9, warm_up=1)
    turns = {"".join(calls[k : k + 2]) for k in range(0, 20, 2)}
    assert len(calls) == 20 and turns == {"ab", "ba"}  # neither always comes after the other
    assert [len(each) for each in durations.values()] == [9, 9]


def test_after_a_rest_a_function_runs_once_untimed():
    calls = []
    steps = {"a": lambda: calls.append(time.perf_counter())}
    durations = timing.interleaved(steps, repetitions=2, warm_up=0, rest=0.02)
    assert len(calls) == 4 and len(durations["a"]) == 2
    assert calls[2] - calls[1] >= 0.02 > calls[1] - calls[0]


def test_ratios_compare_medians_and_shares_the_peak_of_the_same_precision():
    steps = {"ours, bf16": lambda: None, "ours, float32": lambda: None}
    peaks = {"bf16": 20.0, "float32": 10.0}
    first, second = timing.rows("task", "size", steps, 3, "ours, float32", 10**6, peaks)
    assert second.ratio == 1 and first.ratio == first.median / second.median
    assert first.share == pytest.approx(first.gflops / 20)
    assert second.gflops == pytest.approx(1 / second.median)


def test_decoding_and_encoding_are_measured():
    rows = decoding.measure(images=2, sizes=SIZES)
    assert [row.variant for row in rows] == 2 * ["100 at a time", "one at a time"]
    assert all(row.median > 0 for row in [*rows, *decoding.measure_encoding(2, 1)])


def test_a_step_needs_memory():
    rows = captioner.measure_memory([2_000], SIZES | {"N": 64, "T": 16}, cells=["lstm"])
    assert [row.unit for row in rows] == ["MB", "MB"] and all(row.median > 1 for row in rows)


def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cells, "SIZES", [SMALL])
    peaks = functools.partial(timing.measure_peaks, n=64)
    monkeypatch.setattr(command, "measure_peaks", peaks)
    path = tmp_path / "build" / "benchmarks.json"
    main(["--only", "cells", "--repetitions", "1", "--json", str(path)])
    printed = capsys.readouterr().out
    record = json.loads(path.read_text())
    assert len(record["rows"]) == 3 * 5 and record["peaks"]["float32"] > 0
    for row in record["rows"]:
        assert f"| {row['task']} | {row['size']} | {row['variant']} |" in printed
    assert all(str(value) in printed for value in record["machine"].values())


@pytest.mark.parametrize(
    "arguments", [["--repetitions", "0"], ["--only", "nothing"], ["--images", "0"]]
)
def test_a_bad_option_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and arguments[0] in capsys.readouterr().err
