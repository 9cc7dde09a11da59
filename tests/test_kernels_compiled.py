import contextlib
import shutil
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from test_costs import training_step
from test_kernels_lstm import SIZES, repeated_step

from helpers.checks import check_norm
from helpers.kernels import compiled, lstm_backward, lstm_forward
from helpers.kernels.compiled import compiled_lstm
from helpers.layers import LSTM, lstm
from tools.benchmarks import cells

HEADER = Path(sysconfig.get_paths()["include"]) / "Python.h"
needs_a_compiler = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("c++") or not HEADER.exists(),
    reason="no Linux with a C++ compiler and Python's headers",
)


def arrays(N, T, D, H):
    rng = np.random.default_rng(0)
    shapes = [(N, T, D), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,), (N, T, H)]
    return [rng.normal(scale=min(0.5, H**-0.5), size=shape) for shape in shapes]


@needs_a_compiler
@pytest.mark.parametrize("convert", [np.float32, lambda array: torch.tensor(array).float()])
@pytest.mark.parametrize("sizes", [*SIZES, (3, 2, 1, 70), (33, 2, 5, 600)])
def test_the_compiled_lstm_equals_the_repeated_step(sizes, convert, monkeypatch):
    *inputs, dh = arrays(*sizes)
    expected = repeated_step(*inputs, dh)
    monkeypatch.setattr("helpers.kernels.lstm._forward_loop", None)  # is not what runs
    monkeypatch.setattr("helpers.kernels.lstm._backward_loop", None)
    with compiled_lstm():
        h, cache = lstm_forward(*map(convert, inputs))
        found = h, *lstm_backward(convert(dh), cache)
    names = ("h", "dx", "dh0", "dWx", "dWh", "db")
    for name, one, other in zip(names, found, expected, strict=True):
        check_norm(name, np.asarray(one, dtype=np.float64), other, 1e-5)


@needs_a_compiler
@pytest.mark.parametrize("H", [40, 640])
@pytest.mark.parametrize("autocast", [False, True])
def test_each_backward_pass_takes_the_other_s_cache(autocast, H):
    inputs = [torch.tensor(array).float() for array in arrays(10, 4, 5, H)]
    *inputs, dh = *inputs[:-1], torch.full((10, H), 0.3), inputs[-1]
    tolerance = 1e-2 if autocast else 1e-5

    def run(forward_compiled, backward_compiled):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            with compiled_lstm() if forward_compiled else contextlib.nullcontext():
                h, cache = lstm_forward(*inputs)
            with compiled_lstm() if backward_compiled else contextlib.nullcontext():
                return cache, (h, *lstm_backward(dh, cache))

    caches, expected = run(False, False)
    names = ("h", "dx", "dh0", "dWx", "dWh", "db", "dc0")
    for ways in ((True, True), (True, False), (False, True)):
        cache, found = run(*ways)
        for name, one, other in zip(names, found, expected, strict=True):
            check_norm(f"{name}, compiled: {ways}", one.float(), other.float(), tolerance)
        for one, other in zip(cache, caches, strict=True):
            assert one.shape == other.shape
            check_norm("cache", one.float(), other.float(), tolerance)


@needs_a_compiler
def test_autograd_gets_the_gradients():
    inputs = [torch.tensor(array).float().requires_grad_() for array in arrays(3, 4, 5, 6)[:-1]]
    inputs.append(torch.full((3, 6), 0.3, requires_grad=True))

    def run():
        h = lstm(*inputs)
        return h, *torch.autograd.grad(h.square().sum(), inputs)

    expected = run()
    with compiled_lstm():
        for one, other in zip(run(), expected, strict=True):
            check_norm("compiled", one, other, 1e-5)
        with pytest.raises(RuntimeError, match="autograd cannot follow"):
            lstm_forward(*inputs)


@needs_a_compiler
@pytest.mark.parametrize("sizes", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0)])
def test_empty_arrays(sizes):
    N, T, D, H = sizes
    shapes = (N, T, D), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,)

    def run():
        h, cache = lstm_forward(*map(torch.ones, shapes))
        return h, *lstm_backward(torch.ones(N, T, H), cache)

    expected = run()
    with compiled_lstm():
        found = run()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@needs_a_compiler
def test_a_cache_of_other_shapes_is_refused():
    with compiled_lstm():
        h, cache = lstm_forward(*(torch.tensor(each).float() for each in arrays(3, 4, 5, 6)[:-1]))
        for k in (0, 2, 3, 5, 6, 7):
            wrong = (*cache[:k], cache[k][:1], *cache[k + 1 :])
            with pytest.raises(RuntimeError, match="the cache holds an array of shape"):
                lstm_backward(h, wrong)
        with pytest.raises(RuntimeError, match="autograd cannot follow"):
            lstm_backward(h.requires_grad_(), cache)


@needs_a_compiler
@pytest.mark.parametrize(("sizes", "narrow"), [((3, 4, 5, 40), False), ((12, 4, 5, 640), True)])
def test_inside_autocast_large_products_are_narrow(sizes, narrow):
    *inputs, _ = arrays(*sizes)
    expected, _ = lstm_forward(*inputs)
    given = [torch.tensor(array).float() for array in inputs]
    with compiled_lstm(), torch.autocast("cpu", torch.bfloat16):
        h, cache = lstm_forward(*given)
        gradients = lstm_backward(torch.ones_like(h), cache)
    error = (h.double() - torch.tensor(expected)).norm() / np.linalg.norm(expected)
    assert h.dtype == torch.float32
    assert 1e-4 < error < 2e-2 if narrow else error < 1e-6
    assert gradients[2].dtype == gradients[3].dtype == torch.bfloat16  # products outside the loop


@needs_a_compiler
def test_the_compiled_gates_are_accurate_and_let_nan_through():
    a = torch.linspace(-30, 30, 100_001)
    a[0], a[-1], a[1], a[-2] = -torch.inf, torch.inf, -1e30, 1e30
    weights = torch.ones(1, 4), torch.zeros(1, 4), torch.zeros(4)
    with compiled_lstm():
        _, cache = lstm_forward(a[:, None, None], torch.zeros(len(a), 1), *weights)
        _, of_nan = lstm_forward(torch.full((2, 1, 1), torch.nan), torch.zeros(2, 1), *weights)
    i, f, o, g = cache[4][:, 0].double().unbind(dim=1)
    exact = a.double().sigmoid()
    inner = a.abs() <= 30
    for gate in (i, f, o):
        assert (gate / exact - 1)[inner].abs().max() < 4e-7
        assert (gate - exact)[~inner].abs().max() < 1e-30
    assert (g - a.double().tanh()).abs().max() < 2e-7
    near_zero = a.abs() < 1  # where tanh keeps all its digits, though it is small
    assert ((g / a.double().tanh() - 1)[near_zero & (a != 0)]).abs().max() < 4e-7
    assert of_nan[4].isnan().all()


@needs_a_compiler
def test_the_compiled_loop_calls_nothing_of_torch_s():
    with compiled_lstm():
        assert training_step(LSTM, 4) == training_step(LSTM, 14)


@needs_a_compiler
def test_float64_stays_with_python():
    with compiled_lstm():
        assert compiled.compiled_lstm_for(torch.ones(2, 3, 4)) is not None
        assert compiled.compiled_lstm_for(torch.ones(2, 3, 4).double()) is None
        assert compiled.compiled_lstm_for(np.ones((2, 3, 4), np.float32)) is None
    assert compiled.compiled_lstm_for(torch.ones(2, 3, 4)) is None


@needs_a_compiler
def test_the_benchmark_s_compiled_variants_compute_the_same():
    steps = cells.numpy_steps(3, 4, 6, 5)
    (name, step), *others = cells.with_compiled_lstm(steps).items()
    assert name == "ours compiled, NumPy" and not others and cells.can_compile()
    for one, other in zip(step(), steps["ours, NumPy"](), strict=True):
        check_norm("compiled", one, other, 1e-5)


def test_what_cannot_be_compiled_is_told_in_a_line(monkeypatch, tmp_path, capsys):
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("this is no C++\n")
    monkeypatch.setattr(compiled, "SOURCE", wrong)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    compiled._load.cache_clear()
    try:
        with (
            pytest.raises(RuntimeError, match="could not be compiled: .*(error:|not found)"),
            compiled_lstm(),
        ):
            pass
        assert not cells.can_compile()
    finally:
        compiled._load.cache_clear()
    assert "without the compiled LSTM: the LSTM in C++ could not" in capsys.readouterr().err
