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


def test_tells_what_a_function_raises_and_what_else_is_wrong(capsys):
    check_function(named(lambda x, y: x.nothing, "relative_error"), otherwise=print)
    check_function(named(lambda x, y: 7.0, "relative_error"), otherwise=print)
    out = capsys.readouterr().out
    assert "raised AttributeError" in out and "expected 1.0, got 7.0" in out


def test_asks_for_a_name_that_it_knows():
    with pytest.raises(ValueError, match="relative_error"):
        check_function(named(print, "another"))
