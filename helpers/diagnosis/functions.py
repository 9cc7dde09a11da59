"""`check_function`: the verdict on a short function that is no kernel, in words.

A function runs on small cases beside its solution. Where its results differ, wrong versions are
tried, and a mistake is named only if it reproduces the reader's numbers.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BOUND = 1e-8


@dataclass
class Task:
    """How a function is tried.

    solution: a right function
    results: function of a function that calls it on cases and returns a dict from what is
        compared to numbers, an array or nested lists
    mistakes: dict from a mistake's name to a function that makes it
    """

    solution: Callable
    results: Callable
    mistakes: dict


class NotWritten(Exception):
    """A function that returns nothing yet."""


def check_function(function, otherwise=None):
    """Compare a function with its solution on small cases, and name what is wrong with it.

    Inputs:
        function: named as one of those that notebooks leave to the reader
        otherwise: the function to go on with while the reader's is not right; what is wrong is
            then printed and nothing raised
    Returns: the function if it is right, else `otherwise`
    Raises: AssertionError, without `otherwise`; ValueError for a name that is not known
    """
    from helpers.diagnosis.cases_of_functions import TASKS

    name = function.__name__
    if name not in TASKS:
        raise ValueError(f"which function is this? There are: {', '.join(TASKS)}")
    try:
        problem, errors = _judge(TASKS[name], function)
    except NotWritten:
        problem, text = "missing", f"{name}: not written yet"
    else:
        text = f"{name} is not right yet:\n  {problem}"
    if problem is None:
        measured = ", ".join(f"{key} {error:.1e}" for key, error in errors.items())
        print(f"{name} ok: {measured} (relative errors, below 1e-8)")
        return function
    if otherwise is None:
        raise AssertionError(text)
    last = ": write it here, or go on with ours"
    print(text + (last if problem == "missing" else "\n  (the notebook goes on with ours)"))
    return otherwise


def _judge(task, function):
    """Return what is wrong, or None, and the relative error of each result."""
    right = task.results(task.solution)
    try:
        got = _quietly(task.results, function)
    except (NotWritten, KeyboardInterrupt):
        raise
    except NotImplementedError:
        raise NotWritten from None
    except BaseException as error:
        return f"it fails with {type(error).__name__}: {error}", {}
    errors = {key: _error(got[key], value) for key, value in right.items()}
    wrong = [key for key, error in errors.items() if not error < BOUND]
    if not wrong:
        return None, errors
    for mistake, version in task.mistakes.items():
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            its = _quietly(task.results, version)
            if all(_error(got[key], value) < BOUND for key, value in its.items()):
                return mistake, errors
    key = wrong[0]
    return f"{key}: expected {_short(right[key])}, got {_short(got[key])}", errors


def _quietly(results, function):
    """Call the cases with what the function prints thrown away."""

    def called(*arguments, **options):
        result = function(*arguments, **options)
        if result is None or result is Ellipsis:
            raise NotWritten
        return result

    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        return results(called)


def _error(x, y):
    """Return the largest relative error, infinite where the shapes differ."""
    try:
        x, y = (np.asarray(value, dtype=np.float64) for value in (x, y))
    except (TypeError, ValueError):
        return 0.0 if _plain(x) == _plain(y) else np.inf
    if x.shape != y.shape:
        return np.inf
    both_nan = np.isnan(x) & np.isnan(y)
    with np.errstate(all="ignore"):
        errors = np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))
    return float(np.where(both_nan, 0.0, np.where(x == y, 0.0, errors)).max(initial=0.0))


def _plain(value):
    """Make lists of tuples and arrays, so that they compare."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


def _short(value):
    value = np.round(value, 4).tolist() if isinstance(value, np.ndarray) else value
    text = str(value)
    return text if len(text) < 100 else f"{text[:97]}..."
