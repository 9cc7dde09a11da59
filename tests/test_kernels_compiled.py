import shutil
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from test_kernels_lstm import SIZES, repeated_step

from benchmarks import cells
from helpers.checks import check_norm
from helpers.kernels import compiled, lstm_backward, lstm_forward
from helpers.kernels.compiled import compiled_loops
from helpers.layers import lstm

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
@pytest.mark.parametrize("sizes", SIZES)
def test_compiled_loops_equal_the_repeated_step(sizes, convert, monkeypatch):
    *inputs, dh = arrays(*sizes)
    expected = repeated_step(*inputs, dh)
    monkeypatch.setattr("helpers.kernels.lstm._forward_loop", None)  # is not what runs
    monkeypatch.setattr("helpers.kernels.lstm._backward_loop", None)
    with compiled_loops():
        h, cache = lstm_forward(*map(convert, inputs))
        found = h, *lstm_backward(convert(dh), cache)
    names = ("h", "dx", "dh0", "dWx", "dWh", "db")
    for name, one, other in zip(names, found, expected, strict=True):
        check_norm(name, np.asarray(one, dtype=np.float64), other, 1e-5)


@needs_a_compiler
def test_compiled_loops_give_the_same_cache_and_the_gradient_of_c0():
    inputs = [torch.tensor(array).float().requires_grad_() for array in arrays(3, 4, 5, 6)[:-1]]
    inputs.append(torch.full((3, 6), 0.3, requires_grad=True))

    def run():
        h = lstm(*inputs)
        return h, *torch.autograd.grad(h.square().sum(), inputs)

    expected = run()
    with torch.no_grad():
        _, caches = lstm_forward(*inputs)
    with compiled_loops():
        for one, other in zip(run(), expected, strict=True):
            check_norm("compiled", one, other, 1e-5)
        with torch.no_grad():
            _, found = lstm_forward(*inputs)
    for one, other in zip(found, caches, strict=True):
        check_norm("cache", one, other, 1e-5)


@needs_a_compiler
def test_inside_autocast_compiled_products_are_narrow():
    *inputs, _ = arrays(3, 4, 5, 40)
    expected, _ = lstm_forward(*inputs)
    given = [torch.tensor(array).float() for array in inputs]
    with compiled_loops(), torch.autocast("cpu", torch.bfloat16):
        h, cache = lstm_forward(*given)
        lstm_backward(torch.ones_like(h), cache)
    error = (h.double() - torch.tensor(expected)).norm() / np.linalg.norm(expected)
    assert h.dtype == torch.float32 and 1e-4 < error < 2e-2


@needs_a_compiler
def test_float64_stays_with_python():
    with compiled_loops():
        assert compiled.loops_for(torch.ones(2, 3, 4)) is not None
        assert compiled.loops_for(torch.ones(2, 3, 4).double()) is None
        assert compiled.loops_for(np.ones((2, 3, 4), np.float32)) is None
    assert compiled.loops_for(torch.ones(2, 3, 4)) is None


@needs_a_compiler
def test_the_benchmark_s_compiled_variants_compute_the_same():
    steps = cells.numpy_steps(3, 4, 6, 5)
    (name, step), *others = cells.with_compiled_loops(steps).items()
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
        with pytest.raises(RuntimeError, match="could not be compiled: .+$"), compiled_loops():
            pass
        assert not cells.can_compile()
    finally:
        compiled._load.cache_clear()
    assert capsys.readouterr().err.startswith("without the LSTM's compiled loops: ")
