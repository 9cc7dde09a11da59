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


def test_tells_what_a_function_raises_and_what_else_is_wrong(capsys):
    check_function(named(lambda x, y: x.nothing, "relative_error"), otherwise=print)
    check_function(named(lambda x, y: 7.0, "relative_error"), otherwise=print)
    out = capsys.readouterr().out
    assert "raised AttributeError" in out and "expected 1.0, got 7.0" in out


def test_asks_for_a_name_that_it_knows():
    with pytest.raises(ValueError, match="relative_error"):
        check_function(named(print, "another"))
