"""Each diagnosis, on a kernel that was right until one piece of its source was replaced."""

import functools
import inspect
import json
import re
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import student_kernels
import torch
from oracles import KERNELS

from helpers import kernels
from helpers.checks import check_kernel
from helpers.diagnosis import checkable, judge
from helpers.diagnosis.__main__ import NOTEBOOKS, main
from helpers.diagnosis.cases import Case

SOURCE = Path(student_kernels.__file__).read_text(encoding="utf-8")


def replaced(changed, old, new):
    """Execute the student's module with one piece of one function replaced."""
    start = SOURCE.index(f"def {changed}(")
    body, gap, rest = SOURCE[start:].partition("\n\n\n")
    assert body.count(old) == 1, f"{old!r} stands {body.count(old)} times in {changed}"
    module = {}
    exec(SOURCE[:start] + body.replace(old, new) + gap + rest, module)
    return module


def verdict(module, name):
    """Judge a student's kernel beside the student's forward kernel."""
    return judge(name, module[name], module[name.replace("_backward", "_forward")])


@pytest.mark.parametrize("name", checkable())
@pytest.mark.parametrize("seed", range(2))
def test_ours_and_the_students_kernels_are_right(name, seed):
    for module in (kernels, student_kernels):
        forward = getattr(module, name.replace("_backward", "_forward"))
        found = judge(name, getattr(module, name), forward, seed)
        assert found.state == "right", str(found)
        assert found.errors and max(found.errors.values()) < 1e-8
    assert judge(name, getattr(kernels, name), seed=seed).notes == []


def test_the_line_of_success_tells_what_was_measured(capsys):
    check_kernel(student_kernels.rnn_step_backward)  # with the cache of our forward kernel
    number = r"\d\.\de[-+]\d\d"
    outputs = ", ".join(f"{key} {number}" for key in ("dx", "dprev_h", "dWx", "dWh", "db"))
    first, *_ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"rnn_step_backward ok: {outputs} \(relative errors, below 1e-8\)", first)


STEP, BACK = "rnn_step_forward", "rnn_step_backward"
SEQ, SEQ_BACK = "rnn_forward", "rnn_backward"
GATES, GATES_BACK = "lstm_step_forward", "lstm_step_backward"
LSTM, LSTM_BACK = "lstm_forward", "lstm_backward"
LOOK, LOOK_BACK = "dot_product_attention_forward", "dot_product_attention_backward"
ATTEND, ATTEND_BACK = "attention_lstm_forward", "attention_lstm_backward"
EMBED_BACK = "word_embedding_backward"
AFFINE, AFFINE_BACK = "temporal_affine_forward", "temporal_affine_backward"
LOSS = "temporal_softmax_loss"


# kernel, a piece of its source, what replaces it, the output to look at, the diagnosis
MISTAKES = [
    # one output, as a whole
    (BACK, "x.T @ da", "-x.T @ da", "dWx", "it has the wrong sign"),
    (BACK, "x.T @ da", "x.T @ da / 3", "dWx", "averaged over the batch"),
    (BACK, "x.T @ da", "-x.T @ da / 3", "dWx", "averaged .* and has the wrong sign"),
    (BACK, "x.T @ da", "2 * x.T @ da", "dWx", "it is 2 times too large"),
    (BACK, "x.T @ da", "x.T @ da / 2", "dWx", "it is half of what it should be"),
    (BACK, "x.T @ da", "0.77 * x.T @ da", "dWx", "it is 0.77 times what it"),
    (BACK, "x.T @ da", "1.0000001 * x.T @ da", "dWx", "it is 1.0000001 times what it"),
    (BACK, "x.T @ da", "0 * x.T @ da", "dWx", "zeros stand in its place"),
    (BACK, "x.T @ da", "da.T @ x", "dWx", "it is transposed"),
    (BACK, "prev_h.T @ da", "da.T @ prev_h", "dWh", "da and prev_h are exchanged"),
    (BACK, "dWx, dWh, db", "dWh, dWx, db", "dWx", "this is dWh; the order is dx, dpre"),
    (BACK, "da.sum(axis=0)", "da.mean(axis=0)", "db", "the mean stands where the sum belongs"),
    (BACK, "da.sum(axis=0)", "da", "db", "the sum is missing"),
    (BACK, "da.sum(axis=0)", "da[0]", "db", r"it alone is wrong.* right for one example"),
    (BACK, "da.sum(axis=0)", "da.sum(axis=0)[None]", "db", "an axis too many or too few"),
    (BACK, "x.T @ da", "None", "dWx", "is None: not computed yet"),
    (BACK, "x.T @ da", "x.T @ da * np.nan", "dWx", "28 of 28 entries are NaN or infinite"),
    (BACK, "x.T @ da", "(x.T @ da).astype('f4')", "dWx", "is float32, but the inputs are"),
    (BACK, "x.T @ da", "(x.T @ da).tolist()", "dWx", "is a builtins.list, but NumPy"),
    (BACK, "x.T @ da", "x.T @ da + 1", "dWx", "1 too large in every entry"),
    (BACK, "x.T @ da", "x.T @ da + np.arange(7)", "dWx", r"it alone .*\(at \[\d, \d\]: got"),
    (BACK, "x.T @ da", "x.T @ da[:, :5]", "dWx", r"has shape \(4, 5\), expected \(4, 7\)$"),
    (BACK, "da = dnext", "dnext_h *= 2; da = dnext", "dnext_h", "modified this argument"),
    (BACK, "da = dnext", "x *= 2; da = dnext", "cache", "modified this argument"),
    # the vanilla RNN
    (STEP, " + b)", ")", "next_h", "the term b is missing"),
    (STEP, "np.tanh(", "(", "next_h", "tanh is missing"),
    (STEP, "np.tanh(", "sigmoid(", "next_h", "sigmoid stands where tanh belongs"),
    (STEP, "x @ Wx + ", "", "next_h", "the term x @ Wx is missing"),
    (STEP, " + prev_h @ Wh", "", "next_h", "the term prev_h @ Wh is missing"),
    (STEP, "prev_h @ Wh", "prev_h @ Wh.T", "next_h", "Wh is transposed"),
    (BACK, " * (1 - next_h**2)", "", "dx", "1 - next_h[*][*]2, is missing"),
    (BACK, "* (1 - next_h**2)", "/ (1 - next_h**2)", "dx", "divided by 1 - next_h"),
    (BACK, "next_h**2)", "next_h)", "dx", "the square is missing"),
    (BACK, "1 - next_h**2", "1 + next_h**2", "dx", r"1 \+ next_h\*\*2 stands where"),
    (BACK, "(1 - next_h**2)", "(1 - np.tanh(next_h)**2)", "dx", "tanh is applied once too often"),
    (BACK, "(1 - next_h**2)", "next_h * (1 - next_h)", "dx", "the derivative of a sigmoid"),
    (BACK, "da @ Wh.T", "da @ Wh", "dprev_h", "Wh is not transposed"),
    (BACK, "prev_h.T @ da", "next_h.T @ da", "dWh", "next_h stands where prev_h belongs"),
    (SEQ, "        prev_h = h[:, t]\n", "", "h", "prev_h is not carried on"),
    (SEQ, "return h,", "return h.swapaxes(0, 1),", "h", "its first two axes swapped"),
    (SEQ, "return h,", "return h[:, ::-1],", "h", "timestep T - 1 - t instead of t"),
    (SEQ_BACK, "dWx + dWx_t", "dWx_t", "dWx", "overwritten: = instead of"),
    (SEQ_BACK, "= dWx + dWx_t", "= dWx_t if t == 4 else dWx", "dWx", "last timestep's"),
    (SEQ_BACK, "dWx + dWx_t", "dWx + dWx_t / 5", "dWx", "averaged over time"),
    (SEQ_BACK, "dh[:, t] + dprev_h", "dh[:, t]", "db", "the term dprev_h is missing"),
    (SEQ_BACK, "dh[:, t] +", "(t == 4) * dh[:, t] +", "db", "counts at the last timestep alone"),
    (SEQ_BACK, "reversed(range(dh.shape[1]))", "range(dh.shape[1])", "dx", "runs forwards"),
    # the LSTM
    (GATES, "i, f, o, g = np", "i, f, g, o = np", "next_c", "in the order i, f, g, o"),
    (GATES, "sigmoid(i)", "i", "next_c", r"sigmoid is missing \(in i ="),
    (GATES, "sigmoid(f)", "f", "next_c", r"sigmoid is missing \(in f ="),
    (GATES, "sigmoid(o)", "o", "next_h", r"sigmoid is missing \(in o ="),
    (GATES, "np.tanh(g)", "g", "next_c", r"tanh is missing \(in g ="),
    (GATES, "np.tanh(g)", "sigmoid(g)", "next_c", r"sigmoid stands where tanh belongs \(in g ="),
    (GATES, "f * prev_c + ", "", "next_c", "the term f [*] prev_c is missing"),
    (GATES, "f * prev_c", "prev_c", "next_c", "the factor f is missing"),
    (GATES, "np.tanh(next_c)", "next_c", "next_h", r"tanh is missing \(in next_h ="),
    (LSTM, "h.append(prev_h)", "h.append(prev_h); prev_h = h0", "h", "prev_h is not carried on"),
    (GATES_BACK, "[di, df, do, dg]", "[di, df, dg, do]", "dx", "in the order i, f, g, o"),
    (GATES_BACK, " * i * (1 - i)", "", "dWx", r"i [*] \(1 - i\), is missing"),
    (GATES_BACK, " * f * (1 - f)", "", "dWx", r"f [*] \(1 - f\), is missing"),
    (GATES_BACK, " * o * (1 - o)", "", "dWx", r"o [*] \(1 - o\), is missing"),
    (GATES_BACK, " * (1 - g**2)", "", "dWx", "1 - g[*][*]2, is missing"),
    (GATES_BACK, "dnext_c + ", "", "dprev_c", "the term dnext_c is missing"),
    (GATES_BACK, " * (1 - tanh_c**2)", "", "dprev_c", "1 - tanh_c[*][*]2, is missing"),
    (GATES_BACK, " + dnext_h * o * (1 - tanh_c**2)", "", "dprev_c", "the term dnext_h"),
    (GATES_BACK, "dc * f,", "dc,", "dprev_c", "the factor f is missing"),
    (LSTM_BACK, "dh[:, t] + dprev_h", "dh[:, t]", "dWx", "the term dprev_h is missing"),
    # attention
    (LOOK, " / np.sqrt(prev_h.shape[1])", "", "alpha", "the division by np.sqrt.* is missing"),
    (LOOK, "np.sqrt(prev_h", "(prev_h", "alpha", r"it is H where sqrt\(H\) belongs"),
    (LOOK, "e.sum(axis=1", "e.sum(axis=0", "alpha", "softmax goes over axis 0"),
    (LOOK, "alpha, A)", "scores, A)", "attn", "scores stands where alpha belongs"),
    (LOOK_BACK, " / np.sqrt(A.shape[2])", "", "dprev_h", "the division by np.sqrt.* is missing"),
    (LOOK_BACK, " / np.sqrt(A.shape[2])", "", "dA", "the division by np.sqrt.* is missing"),
    (LOOK_BACK, " - mean", "", "dprev_h", "the term .*sum.* is missing"),
    (LOOK_BACK, "alpha * (dalpha - mean)", "dalpha", "dA", "derivative of the softmax is missing"),
    (LOOK_BACK, 'np.einsum("np,nh->nph", dscores, prev_h) + ', "", "dA", "the term dscores"),
    (LOOK_BACK, ' + np.einsum("np,nh->nph", alpha, dattn)', "", "dA", "the term alpha"),
    (ATTEND, "A.mean(axis=1)", "0 * A[:, 0]", "h", "zeros stand where the mean over positions"),
    (ATTEND, "A.mean", "A.sum", "h", "the sum stands where the mean"),
    (ATTEND, "prev_c = A.mean(axis=1)", "A.mean(axis=1); prev_c = 0 * prev_h", "h", "zeros stand"),
    (ATTEND_BACK, "dprev_h + dquery", "dprev_h", "dx", "the term dquery is missing"),
    (ATTEND_BACK, "= dprev_h + dquery", "= dquery", "dx", "the term da @ Wh.T is missing"),
    (ATTEND_BACK, "dA + dA_t", "dA_t", "dA", "overwritten: = instead of"),
    (ATTEND_BACK, "dA + dA_t", "dA + 0 * dA_t", "dA", "nothing is added to dA|zeros stand"),
    (ATTEND_BACK, "dprev_h + dprev_c", "dprev_h", "dA", "the term dprev_c.* is missing"),
    (ATTEND_BACK, " / dA.shape[1]", "", "dA", "division by P|times"),
    (ATTEND_BACK, " + dmean[:, None] / dA.shape[1]", " ", "dA", "nothing is added to dA"),
    # words
    (EMBED_BACK, "np.add.at(dW, x, dout)", "dW[x] += dout", "dW", "np.add.at"),
    (AFFINE, " + b", "", "out", "the term b is missing"),
    (AFFINE_BACK, "(axis=(0, 1))", "(axis=0)", "db", "the sum goes over axis 0 instead of"),
    (AFFINE_BACK, ".sum(axis", ".mean(axis", "db", "the mean stands where the sum"),
    (AFFINE_BACK, "dout.sum(axis=(0, 1))", "dout[:, -1].sum(0)", "db", "it alone is wrong"),
    (LOSS, ".sum() / N", ".sum()", "loss", "the division by N is missing"),
    (LOSS, ".sum() / N", ".sum() / mask.sum()", "loss", "averaged over the words in the mask"),
    (LOSS, "mask * (target", "(target", "loss", "the factor mask is missing"),
    (LOSS, " * seen", "", "dscores", "the factor mask.* is missing"),
    (LOSS, "probs - target", "probs", "dscores", "the term target is missing"),
    (LOSS, "target) * seen", "target * seen)", "dscores", "the mask reaches the targets alone"),
    (LOSS, "(probs - target) * seen", "(probs * seen - target)", "dscores", "reaches the prob"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "old", "new", "output", "text"), MISTAKES)
def test_a_mistake_is_named(kernel, old, new, output, text):
    found = verdict(replaced(kernel, old, new), kernel)
    assert found.state == "wrong"
    lines = [line for line in found.lines if output in line.partition(":")[0].split(", ")]
    assert lines and re.search(text, lines[0]), found.lines


FORWARD_MISTAKES = [row[:3] for row in MISTAKES if row[0].endswith("_forward")]


@pytest.mark.parametrize(("kernel", "old", "new"), FORWARD_MISTAKES)
def test_a_right_backward_pass_waits_for_a_wrong_forward_pass(kernel, old, new):
    module = replaced(kernel, old, new)
    found = verdict(module, kernel.replace("_forward", "_backward"))
    assert found.state == "waits"
    assert found.lines[0].startswith(f"{kernel} is not right yet: ")


@pytest.mark.parametrize(
    ("changed", "old", "new", "affected"),
    [
        (BACK, "* (1 - next_h**2)", "* (next_h**2 - 1)", SEQ_BACK),
        (GATES, "i, f, o, g = np", "i, f, g, o = np", LSTM),
        (LOOK, " / np.sqrt(prev_h.shape[1])", "", ATTEND),
    ],
)
def test_a_sequence_waits_for_the_step_that_it_calls(changed, old, new, affected):
    found = verdict(replaced(changed, old, new), affected)
    assert found.state == "waits" and changed in found.lines[0]


def test_two_mistakes_at_once_are_named():
    source = SOURCE.replace("da = dnext_h * (1 - next_h**2)", "da = dnext_h")
    module = {}
    exec(source.replace("dprev_h = da @ Wh.T\n", "dprev_h = da @ Wh\n"), module)
    line = verdict(module, BACK).lines[0]
    assert line.startswith("dx, dprev_h, dWx, dWh, db: two mistakes: the derivative of tanh")
    assert "and Wh is not transposed" in line


def test_columns_of_a_gate_are_told():
    cut = replaced(GATES_BACK, "x.T @ da,", "x.T @ np.hstack([di, do, df, 0 * dg]),")
    line = verdict(cut, GATES_BACK).lines[0]
    assert line.startswith("dWx: it alone is wrong")
    assert "only the columns of gate f, o, g are wrong" in line
    assert "the block of gate f holds that of gate o" in line
    assert "the block of gate g is zero everywhere" in line


@pytest.mark.parametrize(
    ("kernel", "old", "new", "text"),
    [
        (STEP, "    next_h =", "    prev_h *= 2\n    next_h =", "prev_h: the function modified"),
        (STEP, "return next_h, (", "return (x, prev_h, Wx, Wh, next_h), (", "next_h: is a tuple"),
    ],
)
def test_a_backward_pass_is_not_blamed_for_what_the_forward_pass_hands_on(kernel, old, new, text):
    found = verdict(replaced(kernel, old, new), kernel.replace("_forward", "_backward"))
    assert found.state == "waits" and f"{kernel} is not right yet: {text}" in found.lines[0]


def test_a_backward_pass_waits_for_what_a_right_forward_pass_does_not_keep():
    module = replaced(STEP, "Wh, next_h)", "Wh, np.arctanh(next_h))")
    assert verdict(module, STEP).state == "right"
    found = verdict(module, BACK)
    assert found.state == "waits" and "not right" not in str(found)
    assert f"the cache of your {STEP} does not hold what this pass reads" in found.lines[0]


def own_step(x, prev_h, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    return np.tanh(a), {"x": x, "prev_h": prev_h, "Wx": Wx, "Wh": Wh, "a": a}


def own_step_backward(dnext_h, cache):
    da = dnext_h * (1 - np.tanh(cache["a"]) ** 2)
    dWx, dWh = cache["x"].T @ da, cache["prev_h"].T @ da
    return da @ cache["Wx"].T, da @ cache["Wh"].T, dWx, dWh, da.sum(axis=0)


def wrong_backward(dnext_h, cache):
    return own_step_backward(dnext_h, cache)[::-1]


def of_our_cache(dnext_h, cache):
    return student_kernels.rnn_step_backward(dnext_h, cache)


@pytest.mark.parametrize(
    "function", [own_step_backward, wrong_backward, of_our_cache, lambda dnext_h, cache: ...]
)
def test_a_notebook_goes_on_behind_a_cache_of_the_readers_own(function, capsys):
    names, ours = ("x", "prev_h", "Wx", "Wh", "b"), kernels.rnn_step_forward
    forward = check_kernel(own_step, ours, otherwise=ours)
    assert "the cache is your own: your rnn_step_backward has to read it" in capsys.readouterr().out
    again = check_kernel(forward, ours, otherwise=ours)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size) for size in ((2, 3), (2, 4), (3, 4), (4, 4), (4,))]
    dnext_h = rng.normal(size=(2, 4))
    expected = kernels.rnn_step_backward(dnext_h, ours(*arrays)[1])
    for each in (forward, again):
        next_h, cache = each(**dict(zip(names, arrays, strict=True)))  # before the way back is told
        np.testing.assert_allclose(next_h, ours(*arrays)[0])
        for seed in range(2):
            its = kernels.rnn_step_backward
            backward = check_kernel(function, its, each, seed, its)
            assert "ok" in capsys.readouterr().out or function is not own_step_backward
            for came, right in zip(backward(dnext_h, cache), expected, strict=True):
                np.testing.assert_allclose(came, right)
        np.testing.assert_allclose(backward(dnext_h=dnext_h, cache=cache)[0], expected[0])


Pair = namedtuple("Pair", "cache number")


@pytest.mark.parametrize("name", [each for each in checkable() if each.endswith("_forward")])
@pytest.mark.parametrize(
    "keep",
    [
        lambda cache: (*cache, 0),
        lambda cache: [*cache, 0],
        lambda cache: dict(enumerate(cache)),
        lambda cache: Pair(cache, 0),
        lambda cache: SimpleNamespace(kept=cache),
        lambda cache: np.zeros(3),
        lambda cache: None,
    ],
)
def test_ours_stands_in_behind_a_cache_of_any_kind(name, keep):
    ours, its = getattr(kernels, name), getattr(kernels, name.replace("_forward", "_backward"))

    def forward(*arguments):
        *out, cache = ours(*arguments)
        return *out, keep(cache)

    mine = check_kernel(forward, ours, otherwise=ours)
    case = Case(name.replace("_forward", "_backward"))
    *_, cache = mine(*case.inputs.values())
    kept = keep(())
    assert cache == () if kept is None else isinstance(cache, type(kept))
    backward = check_kernel(lambda *_: ..., its, mine, otherwise=its)
    gradients = backward(*case.upstream.values(), cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for right, came in zip(case.expected.values(), gradients, strict=False):
        np.testing.assert_allclose(came, right, atol=1e-12)


def test_steps_may_lay_out_a_cache_of_the_gates_own():
    """`*cache` in a step's cache must find the arrays that the reader's gates kept."""
    names = ("lstm_gates_forward", "lstm_gates_backward", "lstm_step_forward", "lstm_step_backward")
    space = {"np": np, "sigmoid": student_kernels.sigmoid}
    code = OWN_GATES.replace(
        "dict(i=i, f=f, o=o, g=g, prev_c=prev_c, c=c)", "(i, f, o, g, prev_c, c)"
    )
    code = code.replace('(cache[key] for key in ("i", "f", "o", "g", "prev_c", "c"))', "cache")
    code = code.replace("[gates, x, prev_h, Wx, Wh]", "[x, prev_h, Wx, Wh, *gates]")
    exec(
        code.replace("gates, x, prev_h, Wx, Wh = cache", "x, prev_h, Wx, Wh, *gates = cache"), space
    )
    for name in names:
        forward = space[name.replace("_backward", "_forward")]
        ours = getattr(kernels, name)
        plain = space[name]
        space[name] = check_kernel(plain, forward=forward, otherwise=ours)
        assert inspect.unwrap(space[name]) is plain


def test_steps_whose_gates_have_a_cache_of_the_readers_own_are_right():
    """The gates' backward pass reads the cache of the gates' forward pass that stands beside it."""
    names = ("lstm_gates_forward", "lstm_gates_backward", "lstm_step_forward", "lstm_step_backward")
    space = {"np": np, "sigmoid": student_kernels.sigmoid}
    exec(OWN_GATES, space)
    for name in names:  # as notebooks do, where one that knows NumPy alone comes back wrapped
        forward = space[name.replace("_backward", "_forward")]
        ours = getattr(kernels, name)
        space[name] = check_kernel(space[name], forward=forward, otherwise=ours)
        assert space[name] is not ours
    space["lstm_gates_backward"] = lambda *given: student_kernels.lstm_gates_backward(*given)[::-1]
    assert judge("lstm_step_backward", space["lstm_step_backward"]).state != "right"


OWN_GATES = """
def lstm_gates_forward(a, prev_c):
    i, f, o, g = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    c = f * prev_c + i * g
    return o * np.tanh(c), c, dict(i=i, f=f, o=o, g=g, prev_c=prev_c, c=c)

def lstm_gates_backward(dh, dc, cache):
    i, f, o, g, prev_c, c = (cache[key] for key in ("i", "f", "o", "g", "prev_c", "c"))
    dc = dc + dh * o * (1 - np.tanh(c)**2)
    di, df, do, dg = dc * g, dc * prev_c, dh * np.tanh(c), dc * i
    da = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)
    return np.hstack(da), dc * f

def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    next_h, next_c, gates = lstm_gates_forward(x @ Wx + prev_h @ Wh + b, prev_c)
    return next_h, next_c, [gates, x, prev_h, Wx, Wh]

def lstm_step_backward(dnext_h, dnext_c, cache):
    gates, x, prev_h, Wx, Wh = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(0)
"""


def test_only_the_outputs_at_fault_are_listed():
    wrong, right = verdict(replaced(BACK, "x.T @ da", "-x.T @ da"), BACK).lines
    assert wrong.startswith("dWx: ") and right == "dx, dprev_h, dWh, db: right"


# what one set of numbers does not show: a kernel, a piece of its source, another one, what is said
HIDDEN = [
    (SEQ_BACK, "def rnn_backward(dh, cache):", "def rnn_backward(dh, cache, s=[]):\n    s += [0]\n"
     "    dh = dh * len(s)", "kept from one call to the next"),
    (STEP, "    next_h =", "    global KEPT\n    KEPT = next_h =", None),
    (SEQ_BACK, "dWx = dWx + dWx_t", "dWx = dWx + dWx_t * (dh.shape[1] > 1)", r"dWx: .*\(T = 1\)"),
    (BACK, "db = da.sum(axis=0)", "db = da.sum(axis=0)\n    dx = dx.squeeze()", r"dx: .*N = 1"),
    (BACK, "dx = da @ Wx.T", "dx = da @ Wx.T\n    Wx[:] = 0", "modified this argument"),
    (LOOK, "scores - scores.max(axis=1, keepdims=True)", "scores", "10,000 overflow"),
    (LOOK, "max(axis=1, keepdims=True)", "max()", "another's"),
    (LOSS, " - scores.max(axis=2, keepdims=True)", "", "10,000 overflow"),
    (LOSS, "scores.max(axis=2, keepdims=True)", "scores.max()", "rows .* far apart"),
    (LOSS, "target * log_probs", "target * np.log(probs)", "not the log of the softmax"),
    (LSTM, "Wh, b):", "Wh, b, c0=None):", "c0 is ignored"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "old", "new", "text"), HIDDEN)
def test_what_one_set_of_numbers_does_not_show_is_found(kernel, old, new, text):
    found = verdict(replaced(kernel, old, new), kernel)
    assert found.state == ("wrong" if text else "right")
    assert re.search(text or "", " ".join(found.lines)), found.lines


def test_a_backward_pass_that_reads_what_the_last_forward_pass_left_behind_is_found():
    last = {}

    def rnn_step_forward(x, prev_h, Wx, Wh, b):
        last["h"], cache = student_kernels.rnn_step_forward(x, prev_h, Wx, Wh, b)
        return last["h"], cache[:4]

    def rnn_step_backward(dnext_h, cache):
        return student_kernels.rnn_step_backward(dnext_h, (*cache, last["h"]))

    assert judge(STEP, rnn_step_forward).state == "right"
    found = judge(BACK, rnn_step_backward, rnn_step_forward)
    assert found.state == "wrong" and "kept from one call to the next" in found.lines[0]


def test_an_array_that_is_made_once_is_found():
    buffer = np.zeros((3, 5, 7))

    def rnn_forward(x, h0, Wx, Wh, b):
        buffer[:], cache = student_kernels.rnn_forward(x, h0, Wx, Wh, b)
        return buffer, cache

    assert "overwritten by the next" in judge(SEQ, rnn_forward).lines[0]


def other_styles():
    """List right kernels that do not look like ours: (name, kernel, its forward kernel)."""
    pairs = student_kernels

    def popped(dh, cache):
        steps = list(cache)
        cache.clear()
        return pairs.rnn_backward(dh, steps)

    def dict_forward(x, prev_h, Wx, Wh, b):
        next_h, cache = pairs.rnn_step_forward(x, prev_h, Wx, Wh, b)
        return [next_h, dict(zip("abcde", cache, strict=True))]

    class Kernel:
        def __call__(self, dnext_h, cache):
            return pairs.rnn_step_backward(dnext_h, cache)

    def with_more(dh, cache, clip=None, *, verbose=False):
        return pairs.rnn_backward(dh, cache)

    def of_tensors(dout, cache):
        x, W = (torch.as_tensor(each) for each in cache)
        dW = torch.zeros_like(W).index_add_(0, x.flatten(), torch.as_tensor(dout).flatten(0, 1))
        return (dW if isinstance(dout, torch.Tensor) else dW.numpy(),)

    return [
        (SEQ_BACK, popped, pairs.rnn_forward),
        (STEP, dict_forward, None),
        (BACK, lambda d, c: pairs.rnn_step_backward(d, tuple(c.values())), dict_forward),
        (BACK, Kernel(), None),
        (BACK, functools.partial(pairs.rnn_step_backward), None),
        (SEQ_BACK, with_more, pairs.rnn_forward),
        (EMBED_BACK, of_tensors, None),
        (LOSS, lambda *a: (np.array([pairs.temporal_softmax_loss(*a)[0]]),
                           pairs.temporal_softmax_loss(*a)[1]), None),
    ]  # fmt: skip


@pytest.mark.parametrize("k", range(len(other_styles())))
def test_a_right_kernel_in_another_style_passes(k):
    name, function, forward = other_styles()[k]
    found = judge(name, function, forward)
    assert found.state == "right", str(found)


@pytest.mark.parametrize(
    ("kernel", "old", "new", "message"),
    [
        (BACK, "return dx, dprev_h, dWx, dWh,", "return dx,", "dprev_h, dWx, dWh missing"),
        (STEP, "return next_h, (x, prev_h, Wx, Wh, next_h)", "return next_h", "the cache missing"),
        (LOSS, "return loss, dscores", "return loss", r"one value, \(\), .*: dscores missing"),
        (EMBED_BACK, "return dW", "return dW, x", "returned 2 values, expected dW: 1 too many"),
        (BACK, "x.T @ da", "x @ da", r"(?s)raised ValueError: .*in line \d+\n.*x is \(3, 4\)"),
        (
            STEP,
            "next_h, (x, prev_h, Wx, Wh, next_h)",
            "(x, prev_h, Wx, Wh, next_h), next_h",
            "order",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(kernel, old, new, message):
    with pytest.raises(AssertionError, match=message):
        check_kernel(replaced(kernel, old, new)[kernel])


def test_an_exception_shows_the_line_and_the_shapes():
    def rnn_step_backward(dnext_h, cache):
        return dnext_h @ dnext_h  # the shapes do not fit

    with pytest.raises(AssertionError) as caught:
        check_kernel(rnn_step_backward)
    _, error, line, shapes, hint = str(caught.value).splitlines()
    assert error.startswith("  raised ValueError: matmul")
    assert line.endswith(": return dnext_h @ dnext_h  # the shapes do not fit")
    assert shapes == "    where dnext_h is (3, 7)"
    assert "inner sizes" in hint


def recursive(x, prev_h, Wx, Wh, b):
    return recursive(x, prev_h, Wx, Wh, b)


def stopping(x, prev_h, Wx, Wh, b):
    raise SystemExit("stop")


def empty(x, prev_h, Wx, Wh, b): ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (empty, r"rnn_step_forward: not written yet: write it here, or go on with ours\n"),
        (stopping, r"(?s).*raised SystemExit: stop.*goes on with ours\)\n"),
        (recursive, r"(?s).*raised RecursionError.*"),
        (lambda: 0, r"(?s).*raised TypeError.*takes 0 positional arguments.*"),
        (lambda *a: "text", r"(?s).*returned one value, str, expected next_h, cache.*"),
        (lambda *a: ("text", None), r"(?s).*next_h: is a builtins.str.*"),
    ],
)
def test_a_notebook_goes_on_with_ours_whatever_a_kernel_does(function, said, capsys):
    ours = kernels.rnn_step_forward
    assert check_kernel(function, reference=ours, otherwise=ours) is ours
    assert re.fullmatch(said, capsys.readouterr().out)


def test_a_notebook_goes_on_with_the_readers_own(capsys):
    ours = kernels.rnn_step_forward
    mine = check_kernel(student_kernels.rnn_step_forward, otherwise=ours)
    assert mine is student_kernels.rnn_step_forward  # it takes tensors, too
    ours = kernels.dot_product_attention_forward
    numpy_alone = check_kernel(student_kernels.dot_product_attention_forward, otherwise=ours)
    prev_h, A = torch.randn(2, 4), torch.randn(2, 5, 4)
    attn, alpha, _ = numpy_alone(prev_h, A)
    torch.testing.assert_close((attn, alpha), ours(prev_h, A)[:2])
    assert "NumPy alone" in capsys.readouterr().out


def test_notes_tell_what_a_right_kernel_cannot_do():
    notes = " ".join(judge(SEQ, student_kernels.rnn_forward).notes)
    assert "float32 in, h out as float64" in notes and "NumPy alone" in notes
    notes = " ".join(judge(LOSS, student_kernels.temporal_softmax_loss).notes)
    assert "-inf under the mask" in notes

    def temporal_affine_forward(x, W, b):
        out = [
            [[sum(p * q for p, q in zip(v, w, strict=True)) for w in W.T] for v in rows]
            for rows in x
        ]
        return np.array(out) + b, None

    notes = " ".join(judge(AFFINE, temporal_affine_forward).notes)
    assert re.search("right, and slow: [0-9]+ times as long", notes)


def test_a_kernel_that_cannot_be_recognised_needs_its_reference(capsys):
    with pytest.raises(ValueError, match=r"which kernel is this\? .*rnn_step_forward"):
        check_kernel(lambda x: x)
    check_kernel(lambda x, W: (W[x], None), reference=kernels.word_embedding_forward)
    assert capsys.readouterr().out.startswith("word_embedding_forward ok: out ")


def test_all_kernels_can_be_checked():
    assert {*KERNELS} == {*checkable()}


def test_a_wrong_kernel_of_ours_is_found_too(monkeypatch):
    """What is compared with must not be the kernel itself, as a student's copy replaces ours."""
    module = replaced("rnn_step_forward", "prev_h @ Wh", "prev_h @ Wh.T")
    monkeypatch.setattr(kernels, "rnn_step_forward", module["rnn_step_forward"])
    with pytest.raises(AssertionError, match="Wh is transposed"):
        check_kernel(kernels.rnn_step_forward)


def test_the_command_checks_the_kernels_named(capsys, monkeypatch):
    assert main(["rnn_step_forward", "temporal_softmax_loss"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("rnn_step_forward ok: next_h ")
    assert second.startswith("temporal_softmax_loss ok: loss ")
    with pytest.raises(SystemExit) as caught:
        main(["rnn"])
    assert caught.value.code == 2
    assert (
        "no kernel is called 'rnn'; there are: 01, 02, 03, 04, rnn_step_forward, "
        in capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        main(["05"])
    assert "05 has no kernels to write" in capsys.readouterr().err
    monkeypatch.setattr(kernels, "rnn_step_forward", empty)
    assert main(["rnn_step_forward", "rnn_step_backward"]) == 1
    missing, waits = capsys.readouterr().out.splitlines()
    assert missing == "rnn_step_forward: not written yet"
    assert waits == "rnn_step_backward waits: rnn_step_forward: not written yet"


def test_the_command_checks_the_kernels_of_a_notebook_and_writes_json(capsys):
    assert main(["01", "--json", "--seed", "7"]) == 0
    verdicts = json.loads(capsys.readouterr().out)
    assert [(each["points"], each["of"]) for each in verdicts] == [(1, 1), (2, 2)]
    assert [each["name"] for each in verdicts] == [STEP, BACK]
    assert all(each["state"] == "right" and each["lines"] == [] for each in verdicts)
    assert verdicts[1]["errors"].keys() == {"dx", "dprev_h", "dWx", "dWh", "db"}


def test_every_kernel_belongs_to_one_notebook():
    for name in checkable():
        assert sum(name.startswith(starts) for starts in NOTEBOOKS.values()) == 1, name


def test_a_function_that_knows_numpy_alone_takes_its_arguments_by_name_too():
    from helpers.diagnosis.checking import on_tensors

    def difference(x, y):
        return np.subtract(x, y)

    x, y = torch.tensor([3.0, 2.0]), torch.tensor([1.0, 5.0])
    assert on_tensors(difference)(y=y, x=x).tolist() == [2.0, -3.0]
    assert on_tensors(difference)(y=y.numpy(), x=x.numpy()).tolist() == [2.0, -3.0]


def test_other_names_of_arguments_are_no_matter_in_a_notebook():
    def rnn_step_forward(x, state, W, U, bias):
        return student_kernels.rnn_step_forward(x, state, W, U, bias)

    ours = kernels.rnn_step_forward
    mine = check_kernel(rnn_step_forward, otherwise=ours)
    x, h, Wx, Wh, b = (torch.randn(shape) for shape in ((2, 3), (2, 4), (3, 4), (4, 4), (4,)))
    torch.testing.assert_close(mine(x, b=b, Wh=Wh, Wx=Wx, prev_h=h)[0], ours(x, h, Wx, Wh, b)[0])
