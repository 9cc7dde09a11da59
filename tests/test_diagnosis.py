"""Each diagnosis, on a kernel that was right until one piece of its source was replaced."""

import re
from pathlib import Path

import numpy as np
import pytest
import student_kernels
import torch

from helpers import kernels
from helpers.checks import check_kernel
from helpers.diagnosis import Trial, checkable
from helpers.diagnosis.__main__ import main

SOURCE = Path(student_kernels.__file__).read_text(encoding="utf-8")


def replaced(changed, old, new):
    """Execute the student's module with one piece of one function replaced."""
    start = SOURCE.index(f"def {changed}(")
    body, gap, rest = SOURCE[start:].partition("\n\n\n")
    assert body.count(old) == 1, f"{old!r} stands {body.count(old)} times in {changed}"
    module = {}
    exec(SOURCE[:start] + body.replace(old, new) + gap + rest, module)
    return module


def diagnosis(module, name):
    """Return what check_kernel says about a student's kernel, by output."""
    forward = module[name.replace("_backward", "_forward")] if name.endswith("_backward") else None
    with pytest.raises(AssertionError) as caught:
        check_kernel(module[name], forward=forward)
    return dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])


@pytest.mark.parametrize("name", checkable())
@pytest.mark.parametrize("seed", range(2))
def test_ours_and_the_students_kernels_pass(name, seed, capsys):
    check_kernel(getattr(kernels, name), seed=seed)
    forward = getattr(student_kernels, name.replace("_backward", "_forward"))
    check_kernel(getattr(student_kernels, name), forward=forward, seed=seed)
    ours, theirs = capsys.readouterr().out.splitlines()
    assert ours == theirs
    assert ours.startswith(f"{name} ok: ") and ours.endswith(" (relative error < 1e-8)")


def test_the_line_of_success_names_the_outputs(capsys):
    check_kernel(student_kernels.rnn_step_backward)  # with the cache of our forward kernel
    expected = "rnn_step_backward ok: dx, dprev_h, dWx, dWh, db (relative error < 1e-8)\n"
    assert capsys.readouterr().out == expected


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
    (BACK, "x.T @ da", "0 * x.T @ da", "dWx", "it is zero everywhere"),
    (BACK, "x.T @ da", "da.T @ x", "dWx", r"expected \(4, 7\): it is transposed"),
    (BACK, "prev_h.T @ da", "da.T @ prev_h", "dWh", "it is transposed"),
    (BACK, "dWx, dWh, db", "dWh, dWx, db", "dWx", "this is dWh; the order is dx, dpre"),
    (BACK, "da.sum(axis=0)", "da.mean(axis=0)", "db", "it is averaged over the batch"),
    (BACK, "da.sum(axis=0)", "da", "db", r"\(7,\): the sum over the batch \(N\) is m"),
    (BACK, "da.sum(axis=0)", "da[0]", "db", "sum over the batch is missing: .* first one's"),
    (BACK, "da.sum(axis=0)", "da.sum(axis=0)[None]", "db", "an axis too many or too few"),
    (BACK, "x.T @ da", "None", "dWx", "is None: not computed yet"),
    (BACK, "x.T @ da", "x.T @ da * np.nan", "dWx", "28 of 28 entries are NaN or infinite"),
    (BACK, "x.T @ da", "(x.T @ da).astype('f4')", "dWx", "is float32, but the inputs are"),
    (BACK, "x.T @ da", "(x.T @ da).tolist()", "dWx", "is a builtins.list, but NumPy"),
    (BACK, "x.T @ da", "x.T @ da + 1", "dWx", r"no known .* 28 of 28 .* at \[\d, \d\]"),
    (BACK, "x.T @ da", "x.T @ da[:, :5]", "dWx", r"^has shape \(4, 5\), expected \(4, 7\)$"),
    (BACK, "da = dnext", "dnext_h *= 2; da = dnext", "dnext_h", "modified this argument"),
    (BACK, "da = dnext", "x *= 2; da = dnext", "cache", "modified this argument"),
    # the vanilla RNN
    (STEP, " + b)", ")", "next_h", "the bias b is left out"),
    (STEP, "np.tanh(", "(", "next_h", "tanh is missing"),
    (STEP, "np.tanh(", "sigmoid(", "next_h", "sigmoid stands where tanh belongs"),
    (STEP, "x @ Wx + ", "", "next_h", "the product of x with its weights is left out"),
    (STEP, " + prev_h @ Wh", "", "next_h", "product of the hidden state with Wh is left out"),
    (STEP, "prev_h @ Wh", "prev_h @ Wh.T", "next_h", "multiplied with Wh transposed"),
    (BACK, " * (1 - next_h**2)", "", "dx", "1 - next_h[*][*]2, is missing"),
    (BACK, "* (1 - next_h**2)", "/ (1 - next_h**2)", "dx", "divided by 1 - next_h"),
    (BACK, "next_h**2)", "next_h)", "dx", "not 1 - next_h"),
    (BACK, "1 - next_h**2", "1 + next_h**2", "dx", r"not 1 \+ next_h"),
    (BACK, "(1 - next_h**2)", "(1 - np.tanh(next_h)**2)", "dx", "tanh is applied once too often"),
    (BACK, "(1 - next_h**2)", "next_h * (1 - next_h)", "dx", "that of a sigmoid"),
    (BACK, "da @ Wh.T", "da @ Wh", "dprev_h", "needs Wh transposed: da Wh.T"),
    (BACK, "prev_h.T @ da", "next_h.T @ da", "dWh", "with the new hidden state"),
    (SEQ, "        prev_h = h[:, t]\n", "", "h", "every timestep starts from the first"),
    (SEQ, "return h,", "return h.swapaxes(0, 1),", "h", "its first two axes swapped"),
    (SEQ, "return h,", "return h[:, ::-1],", "h", "it runs backwards in time"),
    (SEQ_BACK, "dWx + dWx_t", "dWx_t", "dWx", "sum over time .* first timestep's"),
    (SEQ_BACK, "= dWx + dWx_t", "= dWx_t if t == 4 else dWx", "dWx", "last timestep's"),
    (SEQ_BACK, "dWx + dWx_t", "dWx + dWx_t / 5", "dWx", "averaged over time"),
    (SEQ_BACK, "dh[:, t] + dprev_h", "dh[:, t]", "db", "nothing is carried back"),
    (SEQ_BACK, "dh[:, t] +", "(t == 4) * dh[:, t] +", "db", "the last one's dh alone"),
    (SEQ_BACK, "reversed(range(dh.shape[1]))", "range(dh.shape[1])", "dx", "runs forwards"),
    # the LSTM
    (GATES, "i, f, o, g = np", "i, f, g, o = np", "next_c", "in the order i, f, g, o"),
    (GATES, "sigmoid(i)", "i", "next_c", "gate i lacks its sigmoid"),
    (GATES, "sigmoid(f)", "f", "next_c", "gate f lacks its sigmoid"),
    (GATES, "sigmoid(o)", "o", "next_h", "gate o lacks its sigmoid"),
    (GATES, "np.tanh(g)", "g", "next_c", "g lacks its tanh"),
    (GATES, "np.tanh(g)", "sigmoid(g)", "next_c", "g goes through sigmoid"),
    (GATES, "f * prev_c + ", "", "next_c", "cell state, times f, is left out"),
    (GATES, "f * prev_c", "prev_c", "next_c", "cell state is not multiplied by f"),
    (GATES, "np.tanh(next_c)", "next_c", "next_h", "the tanh of next_c is missing"),
    (LSTM, "h.append(prev_h)", "h.append(prev_h); prev_h = h0", "h", "starts from the first"),
    (GATES_BACK, "[di, df, do, dg]", "[di, df, dg, do]", "dx", "in the order i, f, g, o"),
    (GATES_BACK, " * i * (1 - i)", "", "dWx", r"^i \(1 - i\) is missing"),
    (GATES_BACK, " * f * (1 - f)", "", "dWx", r"^f \(1 - f\) is missing"),
    (GATES_BACK, " * o * (1 - o)", "", "dWx", r"^o \(1 - o\) is missing"),
    (GATES_BACK, " * (1 - g**2)", "", "dWx", "^1 - g[*][*]2 is missing"),
    (GATES_BACK, "dnext_c + ", "", "dprev_c", "from later, dnext_c, is left out"),
    (GATES_BACK, " * (1 - tanh_c**2)", "", "dprev_c", r"derivative of tanh\(next_c\).* is missing"),
    (GATES_BACK, " + dnext_h * o * (1 - tanh_c**2)", "", "dprev_c", "what next_h passes on to"),
    (GATES_BACK, "dc * f,", "dc,", "dprev_c", "lacks the factor f"),
    (LSTM_BACK, "dh[:, t] + dprev_h", "dh[:, t]", "dWx", "hidden state's gradient is not carried"),
    # attention
    (LOOK, " / np.sqrt(prev_h.shape[1])", "", "alpha", r"scores are not divided by sqrt\(H\)"),
    (LOOK, "np.sqrt(prev_h", "(prev_h", "alpha", r"divided by H instead of sqrt\(H\)"),
    (LOOK, "axis=1, keep", "axis=0, keep", "alpha", "goes over the batch"),
    (LOOK, "alpha, A)", "scores, A)", "attn", "the softmax is missing"),
    (LOOK_BACK, " / np.sqrt(A.shape[2])", "", "dprev_h", r"divide by sqrt\(H\)"),
    (LOOK_BACK, " / np.sqrt(A.shape[2])", "", "dA", r"gradient is not divided by sqrt\(H\)"),
    (LOOK_BACK, " - mean", "", "dprev_h", "lacks the subtracted sum"),
    (LOOK_BACK, "alpha * (dalpha - mean)", "dalpha", "dA", "derivative of the softmax is missing"),
    (LOOK_BACK, 'np.einsum("np,nh->nph", dscores, prev_h) + ', "", "dA", "through the scores"),
    (LOOK_BACK, ' + np.einsum("np,nh->nph", alpha, dattn)', "", "dA", "alpha dattn, is missing"),
    (ATTEND, "A.mean(axis=1)", "0 * A[:, 0]", "h", "states are zero instead"),
    (ATTEND, "A.mean", "A.sum", "h", "the sum of A instead of its mean"),
    (ATTEND, "prev_c = A.mean(axis=1)", "A.mean(axis=1); prev_c = 0 * prev_h", "h", "first cell"),
    (ATTEND_BACK, "dprev_h + dquery", "dprev_h", "dx", "the attention to prev_h is"),
    (ATTEND_BACK, "= dprev_h + dquery", "= dquery", "dx", "through Wh to prev_h"),
    (ATTEND_BACK, "dA + dA_t", "dA_t", "dA", "sum over time is missing"),
    (ATTEND_BACK, "dA + dA_t", "dA + 0 * dA_t", "dA", "the attention to A is missing"),
    (ATTEND_BACK, "dprev_h + dprev_c", "dprev_h", "dA", "through c0 = mean of A is"),
    (ATTEND_BACK, " / dA.shape[1]", "", "dA", "mean of A is not divided by P"),
    (ATTEND_BACK, " + dmean[:, None] / dA.shape[1]", " ", "dA", "h0 = c0 = mean of A is missing"),
    # words
    (EMBED_BACK, "np.add.at(dW, x, dout)", "dW[x] += dout", "dW", "np.add.at"),
    (AFFINE, " + b", "", "out", "the bias b is left out"),
    (AFFINE_BACK, "(axis=(0, 1))", "(axis=0)", "db", r"sum over time \(T\) is missing"),
    (AFFINE_BACK, ".sum(axis", ".mean(axis", "db", "averaged over batch and time"),
    (AFFINE_BACK, "dout.sum(axis=(0, 1))", "dout[:, -1].sum(0)", "db", "last one's"),
    (LOSS, "sum() / N", "sum()", "loss", "N times too large: divide by N"),
    (LOSS, "sum() / N", "sum() / mask.sum()", "loss", "averaged over the words in the mask"),
    (LOSS, "mask * np", "np", "loss", "the mask is ignored"),
    (LOSS, " * seen", "", "dscores", "the mask is ignored"),
    (LOSS, "probs - target", "probs", "dscores", "1 at the target word is not subtracted"),
    (LOSS, "target) * seen", "target * seen)", "dscores", "for the target words alone"),
    (LOSS, "(probs - target) * seen", "(probs * seen - target)", "dscores", "of masked targets"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "old", "new", "output", "text"), MISTAKES)
def test_a_mistake_is_named(kernel, old, new, output, text):
    assert re.search(text, diagnosis(replaced(kernel, old, new), kernel)[output])


@pytest.mark.parametrize(
    ("changed", "old", "new", "affected"),
    [
        (BACK, "* (1 - next_h**2)", "* (next_h**2 - 1)", [SEQ_BACK]),
        (BACK, "da @ Wh.T", "da @ Wh", [SEQ_BACK]),
        (GATES, "i, f, o, g = np", "i, f, g, o = np", [LSTM, ATTEND]),
        (GATES_BACK, " * (1 - g**2)", "", [LSTM_BACK, ATTEND_BACK]),
        (LOOK, " / np.sqrt(prev_h.shape[1])", "", [ATTEND]),
        (LOOK_BACK, " - mean", "", [ATTEND_BACK]),
    ],
)
def test_a_mistake_in_a_step_is_named_in_the_sequence_too(changed, old, new, affected):
    module = replaced(changed, old, new)
    for kernel in affected:
        problems = diagnosis(module, kernel).values()
        assert problems and all("no known mistake" not in problem for problem in problems)


def test_only_the_outputs_at_fault_are_listed():
    assert list(diagnosis(replaced(BACK, "x.T @ da", "-x.T @ da"), BACK)) == ["dWx"]


@pytest.mark.parametrize(
    ("kernel", "old", "new", "message"),
    [
        (
            BACK,
            "return dx, dprev_h, dWx, dWh,",
            "return dx,",
            "returned a tuple of 2, expected dx, d",
        ),
        (STEP, "return next_h, (x, prev_h, Wx, Wh, next_h)", "return next_h", "cache is missing"),
        (LOSS, "return loss, dscores", "return loss", r"one value, \(\), expected loss, dscores"),
        (EMBED_BACK, "return dW", "return dW, x", "returned a tuple of 2, expected dW"),
        (EMBED_BACK, "return dW", "return (dW,)", "returned a tuple of 1, expected dW"),
        (BACK, "x.T @ da", "x @ da", r"(?s)raised ValueError: .*in line \d+\n.*h \(3, 7\), cache"),
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
    first, line, shapes = str(caught.value).splitlines()
    assert first.startswith("rnn_step_backward raised ValueError: matmul")
    assert line.endswith(": return dnext_h @ dnext_h  # the shapes do not fit")
    assert shapes == "  called with dnext_h (3, 7), cache 5 values"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_torch_tensor_is_not_a_numpy_array():
    def temporal_affine_forward(x, W, b):
        return torch.tensor(x @ W + b), None

    with pytest.raises(AssertionError, match=r"out: is a torch.Tensor, but NumPy arrays went in"):
        check_kernel(temporal_affine_forward)


def test_a_kernel_under_another_name_needs_its_reference(capsys):
    with pytest.raises(ValueError, match=r"no kernel of ours .* '<lambda>'.*rnn_step_forward"):
        check_kernel(lambda x: x)
    check_kernel(lambda x, W: (W[x], None), reference=kernels.word_embedding_forward)
    assert capsys.readouterr().out.startswith("word_embedding_forward ok: out ")


def test_the_models_taken_apart_are_right_until_a_part_is_replaced():
    for model in ("rnn", "lstm", "attention_lstm"):
        trial = Trial(f"{model}_backward", seed=3)
        gradients = getattr(kernels, trial.name)(*trial.arguments(None).values())
        for key, gradient in zip(trial.expected, gradients, strict=True):
            np.testing.assert_allclose(gradient, trial.expected[key], rtol=1e-9, atol=1e-12)


def test_all_kernels_can_be_checked():
    assert {*kernels.__all__} == {*checkable()}


def test_a_kernel_that_is_not_written_is_named():
    def rnn_step_forward(x, prev_h, Wx, Wh, b):
        raise NotImplementedError

    with pytest.raises(AssertionError, match=r"^rnn_step_forward: not written yet$"):
        check_kernel(rnn_step_forward)

    def rnn_forward(x, h0, Wx, Wh, b):
        raise NotImplementedError("temporal_affine_forward: yours to write")

    both = r"^rnn_forward: temporal_affine_forward: yours to write$"
    with pytest.raises(AssertionError, match=both):
        check_kernel(rnn_forward)


def test_a_wrong_kernel_of_ours_is_found_too(monkeypatch):
    """What is compared with must not be the kernel itself, as a student's copy replaces ours."""
    module = replaced("rnn_step_forward", "prev_h @ Wh", "prev_h @ Wh.T")
    monkeypatch.setattr(kernels, "rnn_step_forward", module["rnn_step_forward"])
    with pytest.raises(AssertionError, match="multiplied with Wh transposed"):
        check_kernel(kernels.rnn_step_forward)


def test_the_command_checks_the_kernels_named(capsys):
    assert main(["rnn_step_forward", "temporal_softmax_loss"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "rnn_step_forward ok: next_h (relative error < 1e-8)"
    assert second.startswith("temporal_softmax_loss ok: loss, dscores ")
    with pytest.raises(SystemExit) as caught:
        main(["rnn"])
    assert caught.value.code == 2
    assert "no kernel is called 'rnn'; there are: rnn_step_forward, " in capsys.readouterr().err
