"""What `check_function` says of right, wrong and empty functions."""

import pytest

from helpers.checks import check_function
from helpers.diagnosis.functions import CASES, make
from helpers.diagnosis.tasks import MISTAKES


def named(function, name):
    def called(*arguments, **options):
        return function(*arguments, **options)

    called.__name__ = name
    return called


@pytest.mark.parametrize("name", CASES)
def test_says_that_a_right_function_is_right(name, capsys):
    function = named(make(name), name)
    assert check_function(function, otherwise=print) is function
    assert f"{name} ok: " in capsys.readouterr().out


@pytest.mark.parametrize("name", CASES)
def test_goes_on_with_ours_while_a_function_is_empty(name, capsys):
    assert check_function(named(lambda *_, **__: ..., name), otherwise=print) is print
    assert capsys.readouterr().out == (
        f"{name}: not written yet: write it here, or go on with ours\n"
    )
    with pytest.raises(AssertionError, match="not written yet"):
        check_function(named(lambda *_, **__: None, name))


@pytest.mark.parametrize(
    ("name", "mistake", "pieces"),
    [(name, mistake, pieces) for name in CASES for mistake, *pieces in MISTAKES[name]],
)
def test_names_a_mistake(name, mistake, pieces, capsys):
    wrong = named(make(name, *pieces), name)
    assert check_function(wrong, otherwise=print) is print
    out = capsys.readouterr().out
    assert mistake in out and ": expected " in out


@pytest.mark.parametrize(
    "below", ["np.maximum(0.1, ", "np.maximum(2e-8, ", "np.maximum(1e-12, ", "(1e-8 + "]
)
def test_looks_at_the_floor_of_a_relative_error(below, capsys):
    check_function(make("relative_error", "np.maximum(1e-8, ", below), otherwise=print)
    assert "of tiny numbers: expected 0.3" in capsys.readouterr().out


@pytest.mark.parametrize(
    "mask",
    [
        "captions[:, :-1] != 2",
        "np.arange(captions[:, 1:].size).reshape(captions[:, 1:].shape) != captions.shape[1] - 2",
        "(captions[:, 1:] != 0).astype(int)",
        "(captions[:, 1:] != 0).astype(float)",
        "captions[:, 1:]",
    ],
)
def test_wants_every_null_masked_and_a_mask_that_selects(mask, capsys):
    function = make("shift_captions", "targets != NULL", mask)
    assert check_function(function, otherwise=print) is print
    assert "shift_captions is not right yet" in capsys.readouterr().out


def test_gradients_may_be_cleared_at_the_end_of_a_step(capsys):
    clear = "optimizer.zero_grad()"
    loop = make("training_loop", clear, "pass", "optimizer.step()", f"optimizer.step(); {clear}")
    assert check_function(loop, otherwise=print) is loop
    assert "training_loop ok: " in capsys.readouterr().out


CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)"
ABS_SUM = "np.maximum(1e-8, np.abs(x) + np.abs(y))"


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        *[
            ("relative_error", (ABS_SUM, f"np.where({size} > 1e-8, np.abs(x) + np.abs(y), 1e-8)"))
            for size in ("np.abs(x)", "np.abs(y)", "(x + np.abs(y))", "(np.abs(x) + y)",
                         "0.5 * (np.abs(x) + np.abs(y))")
        ],
        ("shift_captions", ("return inputs, targets,", "return inputs * 1.0, targets,")),
        ("shift_captions", ("return inputs, targets,", "return inputs, targets * 1.0,")),
        ("training_loop", ("model.parameters()", "[model.weight]")),
        ("training_loop", (CLIP, f"if loss > 50: {CLIP}")),
        ("training_loop", ("losses.append", "if loss < 1: break\n        losses.append")),
        ("training_loop", ("optimizer.step()", "optimizer.step() if loss > 1 else 0")),
        ("greedy_decode", ("state, A)", "state)")),
        ("greedy_decode", ("state, A)", "state, features)")),
        ("greedy_decode", ("model.step(words", "model.step(words.tolist()")),
        *[("beam_search", ("range(max_length)", f"range({n})")) for n in (3, 5, 30)],
        ("beam_search", ("return beams", "return candidates")),
        ("beam_search", ("return beams", "return [b for b in beams if b[0][-1] == END]")),
        ("cider_d", ("sigma**2", "6.0**2")),
        ("cider_d", ("if all(sizes)", "if sizes[0]")),
        ("cider_d", ("for g in v))", "for g in v if g in r))")),
        ("cider_d", ("score / 4", "score / min(4, len(candidate))")),
        ("policy_loss", ("/ (K - 1)", "/ images")),
    ],
)  # fmt: skip
def test_refuses_what_is_right_on_easier_inputs(name, pieces, capsys):
    assert check_function(make(name, *pieces), otherwise=print) is print
    assert f"{name} is not right yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("relative_error", ("float(errors.max())", "np.asarray(errors.max())")),
        ("training_loop", (".item()", ".detach()")),
        ("training_loop", (CLIP,
            "norm = sum((each.grad**2).sum() for each in model.parameters()) ** 0.5\n"
            "        [each.grad.mul_(5 / norm) for each in model.parameters() if norm > 5]")),
        ("greedy_decode", ("words.tolist()", "words")),
        ("greedy_decode", ("return captions", "return [[w for w in c if w] for c in captions]")),
        ("policy_loss", ("return loss,", "return np.asarray(loss),")),
    ],
)  # fmt: skip
def test_takes_other_styles(name, pieces, capsys):
    function = make(name, *pieces)
    assert check_function(function, otherwise=print) is function
    assert f"{name} ok: " in capsys.readouterr().out


def test_what_works_in_place_does_not_spoil_the_checks_after_it(capsys):
    in_place = make("relative_error", "errors = ", "x -= y; x += y; x *= 0; errors = ")
    easy = ("(above - below) * df", "0 * df")
    for wrong in (in_place, make("numerical_gradient", *easy), make("policy_loss", "-(", "(")):
        assert check_function(wrong, otherwise=print) is print
    assert check_function(make("policy_loss"))


@pytest.mark.parametrize(
    ("name", "pieces", "told"),
    [
        ("training_loop", (".item()", ""), "losses: expected [float], got [Tensor of torch"),
        ("training_loop", ("loss.item()", "loss.float().item()"), "; the relative error is "),
        ("policy_loss", ("rewards - others", "rewards; rewards -= others"),
         "loss, dlog_probs: expected arguments left as ours leaves them"),
        ("policy_loss", ("rewards - others", "rewards; rewards -= others",
                         "return loss,", "return np.asarray(loss),"),
         "expected arguments left as ours leaves them"),
        ("policy_loss", ("return loss, -", "return loss, "), "  dlog_probs: expected [["),
        ("shift_captions", ("targets != NULL", "targets != 8"), "  mask: expected [[True, True, "),
        ("shift_captions", ("return inputs, targets,", "return inputs, targets * 1.0,"),
         "targets: expected [[5, 6, 2, 0], [7, 4, 8, 2]], got [[5.0, "),
    ],
)  # fmt: skip
def test_says_what_is_wrong_of_the_result(name, pieces, told, capsys):
    assert check_function(make(name, *pieces), otherwise=print) is print
    assert told in capsys.readouterr().out


def test_tells_what_a_function_raises_and_what_else_is_wrong(capsys):
    check_function(named(lambda x, y: x.nothing, "relative_error"), otherwise=print)
    check_function(named(lambda x, y: 7.0, "relative_error"), otherwise=print)
    out = capsys.readouterr().out
    assert "raised AttributeError" in out and "expected 1.0, got 7.0" in out


def test_asks_for_a_name_that_it_knows():
    with pytest.raises(ValueError, match="relative_error"):
        check_function(named(print, "another"))
