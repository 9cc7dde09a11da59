"""What is compared computes the same; the command writes what it prints."""

import importlib
import json
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.checks import check_norm
from helpers.layers.engine import engine_for
from helpers.settings import ROOT
from tools.benchmarks import captioner, cells, loops, startup, timing
from tools.benchmarks.__main__ import main

MODULES = [path.stem for path in (ROOT / "tools" / "benchmarks").glob("*.py")]
SIZES = {"N": 6, "T": 4, "E": 6, "H": 5, "P": 7, "C": 8}
SMALL = (3, 4, 6, 5)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    importlib.import_module(f"tools.benchmarks.{name}")


@pytest.mark.parametrize("kind", cells.KINDS)
def test_every_variant_of_a_layer_computes_the_same(kind):
    torch.manual_seed(0)
    results = {name: step() for name, step in cells.training_steps(kind, SMALL).items()}
    h, dx, dstate, *weights = results["textbook, float32"]
    for name, (other, other_dx, other_dstate, *_) in results.items():
        bound = 0.05 if "bf16" in name else 1e-5
        check_norm(f"h, {name}", other.float(), h, bound)
        check_norm(f"dx, {name}", other_dx, dx, 2 * bound)
        check_norm(f"dstate, {name}", other_dstate, dstate, 2 * bound)
    for got, right in zip(results["autograd's loop, float32"][3:], weights, strict=True):
        check_norm("weights", got, right, 1e-5)
    compiled = kind != "RNN" and "compiled" in cells.engines()
    missing = {"products alone"} if compiled else {"products alone", "compiled"}
    assert {*results} == {v for v in timing.VARIANTS if v.split(",")[0] not in missing}


@pytest.mark.parametrize(("kind", "products"), [("RNN", 6), ("LSTM", 24), ("attention LSTM", 36)])
def test_the_products_alone_are_those_of_forward_and_backward(kind, products):
    N, T, H = 3, 4, 8  # with D = H each product is of N T rows, H columns and H sums
    with FlopCounterMode(display=False) as counter:
        loops.products(kind, (N, T, H, H))()
    assert counter.get_total_flops() == products * 2 * N * T * H * H


def test_a_variant_runs_with_its_engine_and_leaves_none_behind():
    seen = [
        cells.with_engine(name, lambda: engine_for(torch.ones(1)))() for name in cells.engines()
    ]
    assert [engine is not None for engine in seen] == [False, True][: len(seen)]
    assert engine_for(torch.ones(1)) is None
    assert cells.engines("cuda") == ["textbook"]


def test_an_engine_that_cannot_be_had_is_not_measured(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "helpers.fast.engine", None)  # importing it fails
    assert cells.engines() == ["textbook"]
    assert "the textbook's kernels go on" in capsys.readouterr().err


@pytest.mark.parametrize("cell", captioner.CELLS)
def test_the_twin_of_a_captioner_has_its_loss_and_its_gradients(cell):
    results = {name: step() for name, step in captioner.training_steps(cell, 11, SIZES).items()}
    loss, gradients = results["textbook, float32"]
    twin_loss, twin_gradients = results["torch, float32"]
    check_norm("loss", loss, twin_loss, 1e-6)
    model, features, captions = captioner.make_batch(cell, 11, SIZES)
    names = [name for name, _ in model.named_parameters()]
    assert features.shape == ((6, 7, 8) if cell == "attn" else (6, 8))
    assert captions.shape == (6, 5) and (captions == 0).any()
    ours = dict(zip(names, gradients, strict=True))
    check_norm("embed", ours["embed.W"], twin_gradients[2], 1e-5)
    check_norm("project", ours["project.W"], twin_gradients[0].T, 1e-5)
    check_norm("score", ours["score.W"], twin_gradients[-2].T, 1e-5)
    for name in {*results} & {"compiled, float32"}:
        for got, right in zip(results[name][1], gradients, strict=True):
            check_norm(name, got, right, 1e-5)


def test_functions_take_turns():
    calls = []
    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    durations = timing.interleaved(steps, repetitions=9, warm_up=1)
    turns = {"".join(calls[k : k + 2]) for k in range(0, 20, 2)}
    assert len(calls) == 20 and turns == {"ab", "ba"}  # neither always comes after the other
    assert [len(each) for each in durations.values()] == [9, 9]


def test_a_ratio_compares_medians_with_torch_s_in_float32():
    values = {"torch, float32": [3.0, 1.0, 2.0], "compiled, bf16": [0.5, 0.5, 0.9]}
    row = timing.row("LSTM", "N=1", values)
    assert row["median"] == {"torch, float32": 2, "compiled, bf16": 0.5}
    assert row["ratio"] == {"torch, float32": 1, "compiled, bf16": 0.25}
    assert row["quartiles"]["torch, float32"] == [1, 3]
    line = timing.as_line(row)
    assert line.startswith("| LSTM | N=1 | 2.0 ms |") and "| 0.5 ms, **0.25** |" in line
    assert line.count("|") == timing.HEADER.splitlines()[0].count("|")


def test_a_step_needs_memory():
    (row,) = captioner.measure_memory(SIZES | {"N": 64, "T": 16}, [2_000], ["lstm"])
    assert row["unit"] == "MB" and len(row["median"]) >= 2
    assert all(median > 1 for median in row["median"].values())


def test_a_process_is_weighed_and_its_failure_is_told():
    seconds, megabytes = startup.run(["-c", "x = bytearray(300 << 20); print(len(x))"])
    assert 0 < seconds < 60 and 300 < megabytes < 400
    with pytest.raises(RuntimeError, match="exit code"):
        startup.run(["-c", "raise SystemExit(3)"])


def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cells, "SIZES", [SMALL])
    path = tmp_path / "build" / "benchmarks.json"
    main(["--only", "cells", "--repetitions", "1", "--json", str(path)])
    printed = capsys.readouterr().out
    record = json.loads(path.read_text())
    assert [row["task"] for row in record["rows"]] == [*cells.KINDS]
    for row in record["rows"]:
        assert timing.as_line(row) in printed
    assert all(str(value) in printed for value in record["machine"].values())


@pytest.mark.parametrize("arguments", [["--repetitions", "0"], ["--only", "nothing"]])
def test_a_bad_option_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and arguments[0] in capsys.readouterr().err
