"""The compiled engine equals the textbook, and what goes wrong with it is told."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import kernels, layers
from helpers.checks import check_norm
from helpers.fast import engine
from helpers.layers import LSTM, AttentionLSTM, use_engine
from helpers.layers.engine import engine_for

HEADER = Path(sysconfig.get_paths()["include"]) / "Python.h"
needs_a_compiler = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("c++") or not HEADER.exists(),
    reason="no Linux with a C++ compiler and Python's headers",
)
# N, T, D, H, P, K: one of each; H that is no multiple of 16; all threads; captions of one image
SIZES = [
    (1, 1, 1, 1, 1, 1), (3, 5, 4, 2, 6, 1), (2, 3, 7, 33, 5, 2), (64, 3, 8, 640, 4, 4),
    (3, 2, 1, 70, 7, 3), (33, 2, 5, 600, 9, 1), (10, 4, 5, 40, 49, 5), (2, 6, 20, 64, 49, 1),
]  # fmt: skip
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)
# dtype, autocast, bound: float64 is the textbook's; bf16 products keep 8 bits
PRECISIONS = [("float32", False, 2e-6), ("float64", False, 1e-14), ("float32", True, 2e-2)]
every_precision = pytest.mark.parametrize(("dtype", "autocast", "bound"), PRECISIONS)


def arguments(kind, sizes, dtype, seed=0):
    """Draw x, then h0 and c0 or A, then the weights: all want gradients."""
    N, T, D, H, P, K = sizes
    rng = np.random.default_rng(seed)
    state = [(N // K, P, H)] if kind == "attention_lstm" else [(N, H)]
    weights = [(D, 4 * H), (H, 4 * H)] + [(H, 4 * H)] * (kind == "attention_lstm") + [(4 * H,)]
    c0 = [] if kind == "attention_lstm" else [(N, H)]
    scales = [1, 1, *(len(weights) - 1) * [min(0.5, H**-0.5)], 1, 1]
    shapes = [(N, T, D), *state, *weights, *c0]
    arrays = [rng.normal(scale=s, size=shape) for s, shape in zip(scales, shapes, strict=False)]
    return [torch.tensor(a, dtype=getattr(torch, dtype)).requires_grad_() for a in arrays]


def run(kind, inputs, autocast=False):
    """Return h, alpha where there is one, and all gradients of a weighted sum of h."""
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = getattr(layers, kind)(*inputs)
    outputs = out if isinstance(out, tuple) else (out,)
    h = outputs[0]
    upstream = torch.linspace(-1, 2, h.numel()).reshape(h.shape).to(h.dtype)
    return [*outputs, *torch.autograd.grad(h, inputs, upstream)]


@needs_a_compiler
@every_size
@every_precision
@pytest.mark.parametrize("kind", ["lstm", "lstm from h0 alone", "attention_lstm"])
def test_the_engine_equals_the_textbook(kind, sizes, dtype, autocast, bound):
    name = kind.partition(" ")[0]
    inputs = arguments(name, sizes, dtype)
    inputs = inputs[:-1] if kind.endswith("alone") else inputs
    expected = run(name, inputs, autocast)
    with use_engine("compiled"):
        found = run(name, inputs, autocast)
    for one, other in zip(found, expected, strict=True):
        check_norm(kind, one.double(), other.double(), bound)


@needs_a_compiler
@every_size
def test_the_engine_equals_torch_s_lstm(sizes):
    x, h0, Wx, Wh, b, c0 = arguments("lstm", sizes, "float32")
    layer = LSTM(*Wx.shape[:1], Wh.shape[0])
    layer.load_state_dict({"Wx": Wx, "Wh": Wh, "b": b})
    expected, _ = layers.to_torch(layer)(x, (h0[None], c0[None]))
    right = torch.autograd.grad(expected.square().sum(), (x, h0, c0))
    with use_engine("compiled"):
        h = layer(x, h0, c0)
        found = torch.autograd.grad(h.square().sum(), (x, h0, c0))
    for one, other in zip((h, *found), (expected, *right), strict=True):
        check_norm("torch.nn.LSTM", one, other, 2e-6)


@needs_a_compiler
@pytest.mark.parametrize("kind", ["lstm", "attention_lstm"])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("H", [40, 640])
def test_each_backward_pass_takes_the_other_s_cache(kind, autocast, H):
    inputs = [a.detach() for a in arguments(kind, (10, 4, 5, H, 6, 1), "float32")]
    dh, bound = torch.linspace(-1, 1, 10 * 4 * H).reshape(10, 4, H), 2e-2 if autocast else 2e-6

    def pair(module):
        return (getattr(module, f"{kind}_{way}") for way in ("forward", "backward"))

    (forward, backward), (fast_forward, fast_backward) = pair(kernels), pair(engine)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        (*_, cache), (*_, fast_cache) = forward(*inputs), fast_forward(*inputs)
        expected = backward(dh, cache)
        crossed = backward(dh, fast_cache), fast_backward(dh, cache)
    for one, other in zip(fast_cache, cache, strict=True):
        assert one.shape == other.shape
        check_norm("cache", one.double(), other.double(), bound)
    for gradients in crossed:
        for one, other in zip(gradients, expected, strict=True):
            check_norm("gradient", one.double(), other.double(), bound)


@needs_a_compiler
@pytest.mark.parametrize("kind", ["lstm", "attention_lstm"])
def test_nothing_that_goes_in_is_modified(kind):
    inputs = [a.detach() for a in arguments(kind, (6, 4, 5, 40, 6, 1), "float32")]
    kept = [a.clone() for a in inputs]
    h, *_, cache = getattr(engine, f"{kind}_forward")(*inputs)
    kept += [a.clone() for a in (h, *cache)]
    getattr(engine, f"{kind}_backward")(h, cache)
    assert all(torch.equal(a, b) for a, b in zip([*inputs, h, *cache], kept, strict=True))


@needs_a_compiler
def test_odd_memory_orders_change_nothing():
    inputs = [a.detach() for a in arguments("attention_lstm", (6, 4, 5, 40, 6, 1), "float32")]
    turned = [a.mT.contiguous().mT if a.ndim > 1 else a for a in inputs]
    (h, _, cache), (again, _, other) = (engine.attention_lstm_forward(*a) for a in (inputs, turned))
    check_norm("h", again, h, 1e-6)
    dh = torch.ones(1, 1, 1).expand(h.shape)
    found = engine.attention_lstm_backward(dh, other)
    for one, right in zip(found, engine.attention_lstm_backward(dh.clone(), cache), strict=True):
        check_norm("gradient", one, right, 1e-6)


@needs_a_compiler
def test_the_gates_are_accurate_and_let_nan_through():
    a = torch.linspace(-30, 30, 100_001)
    a[0], a[-1], a[1], a[-2] = -torch.inf, torch.inf, -1e30, 1e30
    weights = torch.ones(1, 4), torch.zeros(1, 4), torch.zeros(4)
    _, cache = engine.lstm_forward(a[:, None, None], torch.zeros(len(a), 1), *weights)
    nan = torch.full((2, 1, 1), torch.nan)
    _, of_nan = engine.lstm_forward(nan, torch.zeros(2, 1), *weights)
    i, f, o, g = cache[-2][:, 0].double().unbind(dim=1)
    exact = a.double().sigmoid()
    inner = a.abs() <= 30
    for gate in (i, f, o):
        assert (gate / exact - 1)[inner].abs().max() < 4e-7
        assert (gate - exact)[~inner].abs().max() < 1e-30
    assert (g - a.double().tanh()).abs().max() < 2e-7
    near_zero = a.abs() < 1  # where tanh keeps all its digits, though it is small
    assert ((g / a.double().tanh() - 1)[near_zero & (a != 0)]).abs().max() < 4e-7
    assert of_nan[-2].isnan().all()


@needs_a_compiler
@pytest.mark.filterwarnings("error")
def test_huge_scores_do_not_overflow():
    inputs = [a.detach() for a in arguments("attention_lstm", (3, 4, 5, 40, 6, 1), "float32")]
    inputs[1] *= 1e4
    h, alpha, cache = engine.attention_lstm_forward(*inputs)
    assert h.isfinite().all()
    torch.testing.assert_close(alpha.sum(2), torch.ones(3, 4))
    assert all(g.isfinite().all() for g in engine.attention_lstm_backward(h, cache))


@needs_a_compiler
def test_no_examples_and_no_inputs():
    for N, D in ((0, 4), (2, 0)):
        shapes = (N, 3, D), (N, 5), (D, 20), (5, 20), (20,)
        inputs = [torch.ones(shape) for shape in shapes]
        h, cache = engine.lstm_forward(*inputs)
        expected, right_cache = kernels.lstm_forward(*inputs)
        torch.testing.assert_close(h, expected)
        pairs = engine.lstm_backward(h, cache), kernels.lstm_backward(expected, right_cache)
        for one, other in zip(*pairs, strict=True):
            torch.testing.assert_close(one, other)


@needs_a_compiler
def test_a_wrong_argument_is_named_as_by_the_textbook():
    x, h0, Wx, Wh, b, c0 = (a.detach() for a in arguments("lstm", (3, 4, 5, 6, 1, 1), "float32"))
    with pytest.raises(ValueError, match="^Wh must have shape"):
        engine.lstm_forward(x, h0, Wx, Wx, b)
    h, cache = engine.lstm_forward(x, h0, Wx, Wh, b, c0)
    with pytest.raises(ValueError, match="^dh must have"):
        engine.lstm_backward(h[:, :2], cache)
    x, A, *weights = (
        a.detach() for a in arguments("attention_lstm", (3, 4, 5, 6, 2, 1), "float32")
    )
    h, _, cache = engine.attention_lstm_forward(x, A, *weights)
    with pytest.raises(ValueError, match="^dh must have"):
        engine.attention_lstm_backward(h[:1], cache)
    with pytest.raises(ValueError, match="^A must have N = 3 images"), use_engine("compiled"):
        layers.attention_lstm(x, A[:2], *weights)


@needs_a_compiler
def test_the_engine_takes_float32_on_the_cpu_alone():
    x = torch.ones(2, 3, 4)
    assert engine_for(x) is None
    with use_engine("compiled"):
        assert engine_for(x) is engine
        for other in (x.double(), x.bfloat16(), x.to("meta"), x.numpy()):
            assert engine_for(other) is None
        with use_engine("textbook"):
            assert engine_for(x) is None
        assert engine_for(x) is engine
    assert engine_for(x) is None


@needs_a_compiler
@pytest.mark.parametrize("make", [LSTM, AttentionLSTM])
def test_layers_run_what_was_asked_for(make, monkeypatch):
    layer, x, state = make(4, 5), torch.ones(2, 3, 4), torch.ones(2, 5)
    state = torch.ones(2, 6, 5) if make is AttentionLSTM else state
    name = "attention_lstm_forward" if make is AttentionLSTM else "lstm_forward"
    with use_engine("compiled"):
        monkeypatch.setattr(kernels, name, None)
        layer(x, state)
        monkeypatch.setattr(engine, name, None)
        with pytest.raises(TypeError):
            layer(x, state)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="^name must be .textbook. or .compiled., not 'fast'"):
        use_engine("fast")


@pytest.fixture
def empty_folder(monkeypatch, tmp_path):
    """Have nothing compiled yet, and forget what is loaded."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    engine.load.cache_clear()
    yield tmp_path / "extensions"
    engine.load.cache_clear()


def test_what_cannot_be_compiled_is_told_and_the_textbook_goes_on(
    monkeypatch, tmp_path, empty_folder, capsys
):
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("this is no C++\n")
    monkeypatch.setattr(engine, "SOURCE", wrong)
    with use_engine("compiled"):
        (message,) = [x for x in capsys.readouterr().err.splitlines() if "textbook" in x]
        assert engine_for(torch.ones(1)) is None
    assert message.startswith("the engine could not be compiled: ")
    assert "error:" in message or "not found" in message
    assert message.endswith("; the textbook's kernels go on")
    assert not list(empty_folder.iterdir())  # nothing is left


@needs_a_compiler
def test_a_killed_compilation_does_no_harm(empty_folder):
    """Neither a lock that it left nor half a library stops the next one."""
    command = [sys.executable, "-c", "from helpers.fast import engine; engine.load()"]
    with subprocess.Popen(command) as process:
        while process.poll() is None and not list(empty_folder.glob(".compiling-*/lock")):
            pass
        process.kill()
    assert list(empty_folder.glob(".compiling-*/lock"))
    assert not list(empty_folder.glob("captioning_engine-*"))
    assert engine.load().lstm_forward
    (library,) = empty_folder.glob("captioning_engine-*/*.so")
    assert library.stat().st_size > 10_000
