"""`check_kernel` and `check_function`: the verdict on what a reader wrote, in words."""

import contextlib
import functools
import inspect
from dataclasses import dataclass, field

import numpy as np
import torch

from helpers import kernels
from helpers.diagnosis.caches import reading_ours, with_ours
from helpers.diagnosis.calling import ForwardWrong, NotWritten, Wrong, parameters
from helpers.diagnosis.cases import checkable
from helpers.diagnosis.functions import CASES, compare
from helpers.diagnosis.notes import NUMPY_ALONE
from helpers.diagnosis.trial import Trial


@dataclass
class Verdict:
    """What came of a trial: "right", "wrong", "missing" (not written yet) or "waits" for another.

    lines: of text: what is wrong, or what it waits for
    errors: dict from output to its relative error, of what is right
    notes: what a right kernel cannot do yet
    """

    name: str
    state: str
    lines: list = field(default_factory=list)
    errors: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def __str__(self):
        if self.state == "missing":
            text = self.lines[0] if self.lines else "not written yet"
            return text if ": " in text else f"{self.name}: {text}"
        if self.state == "waits":
            return f"{self.name} waits: {self.lines[0]}"
        measured = ", ".join(f"{key} {error:.1e}" for key, error in self.errors.items())
        lines = [f"{self.name} ok: {measured} (relative errors, below 1e-8)", *self.notes]
        if self.state == "wrong":
            lines = [f"{self.name} is not right yet:", *self.lines]
        return "\n  ".join(line.replace("\n", "\n  ") for line in lines)


def check_kernel(function, reference=None, forward=None, seed=0, otherwise=None):
    """Compare a kernel with its equations, and name what is wrong with it.

    Prints `rnn_step_forward ok: next_h 1.2e-16 (relative errors, below 1e-8)`, and what a right
    kernel cannot do yet, such as torch tensors. How its cache looks is the reader's own business.

    Inputs:
        function: a kernel with the arguments and the outputs of one in helpers.kernels
        reference: the kernel of ours that it should be; by default the one of its name
        forward: for a backward kernel, the reader's own forward kernel, which makes its cache;
            by default ours does, or one that stands beside the backward kernel
        seed: of the random inputs, in float64 NumPy
        otherwise: in a notebook, the kernel to go on with while the reader's is not right; what
            is wrong is printed then, and nothing raised
    Returns: the function if it is right, otherwise `otherwise`. One that works with NumPy alone, or
        whose arguments have other names, is wrapped, for tensors of any shape and our names. In a
        notebook, a forward kernel whose cache our backward kernel cannot read makes ours too, for
        the backward kernel that is returned for this `forward`.
    Raises: without `otherwise`, AssertionError with one line per output that is wrong;
        ValueError when it cannot be told which kernel it should be.
    """
    name = next((n for n in map(_name, (reference, function, otherwise)) if n), None)
    name = name or _by_trial(function)
    if name is None:
        known = ", ".join(checkable())
        raise ValueError(f"which kernel is this? Tell with reference=; there are: {known}")
    verdict, ours = judge(name, function, forward, seed), getattr(kernels, name)
    limited = NUMPY_ALONE in " ".join(verdict.notes) or any(
        mine != its for mine, its in zip(parameters(function), parameters(ours), strict=False)
    )
    mine = on_tensors(function, ours) if limited else function
    if name.endswith("_backward") and hasattr(forward, "keeps_both"):
        otherwise = otherwise and reading_ours(otherwise)
    elif otherwise and name.endswith("_forward") and verdict.state == "right":
        backward = name.replace("_forward", "_backward")
        if not Trial(backward, getattr(kernels, backward), function, seed).is_right():
            mine = with_ours(mine, ours)
            verdict.notes.append(
                f"the cache is your own: your {backward} has to read it; where ours stands in, "
                "it reads one of ours"
            )
    return _outcome(verdict, mine, otherwise)


def check_function(function, otherwise=None):
    """Compare a function with its solution on small cases, and name what is wrong with it.

    Inputs: function: named as one of those that notebooks leave to the reader; otherwise: as for
        `check_kernel`
    Returns: the function if it is right, else `otherwise`
    Raises: AssertionError, without `otherwise`; ValueError for a name that is not known
    """
    name = function.__name__
    if name not in CASES:
        raise ValueError(f"which function is this? There are: {', '.join(CASES)}")
    try:
        verdict = Verdict(name, "right", errors=compare(name, function))
    except NotWritten:
        verdict = Verdict(name, "missing")
    except Wrong as wrong:
        verdict = Verdict(name, "wrong", wrong.lines)
    return _outcome(verdict, function, otherwise)


def _outcome(verdict, function, otherwise):
    """Print a verdict, and return what a notebook goes on with; raise it without `otherwise`."""
    if verdict.state != "right" and otherwise is None:
        raise AssertionError(str(verdict))
    ends = {"right": "", "missing": ": write it here, or go on with ours"}
    print(f"{verdict}" + ends.get(verdict.state, "\n  (the notebook goes on with ours)"))
    return function if verdict.state == "right" else otherwise


def judge(name, function, forward=None, seed=0):
    """Put a kernel on trial. One that is not right waits where a kernel that it builds on is not.

    Inputs: name: of the kernel that it should be; function, forward, seed: as for `check_kernel`
    Returns: Verdict
    """
    beside, called = _beside(function)
    forward_name = name.replace("_backward", "_forward")
    ours = getattr(kernels, forward_name)
    makers = [forward]
    if name.endswith("_backward") and forward is None:  # whose cache can it read?
        makers = [ours, beside.get(forward_name, ours)]
    trials = [Trial(name, function, maker, seed) for maker in makers]
    trial = next((each for each in trials if each.is_right()), trials[-1])
    try:
        if not trial.was_right:
            for other in [each for each in beside if each in called - {name}]:
                before = judge(other, beside[other], seed=seed)
                # raised: perhaps since its cache is one that another forward pass made
                if before.state != "right" and not str(before.lines[:1]).startswith("['raised"):
                    return _waits(name, other, before)
        trial.run()
    except NotWritten as error:
        return Verdict(name, "missing", [str(error)] if str(error) else [])
    except ForwardWrong as wrong:
        before = judge(forward_name, trial.forward, seed=seed)
        before.lines += wrong.lines  # where the forward pass returns no cache
        return _waits(name, forward_name, before)
    except Wrong as wrong:
        if forward and not trial.was_right and Trial(name, function, ours, seed).is_right():
            what = "does not hold what this pass reads; with a cache of ours it is right"
            return Verdict(name, "waits", [f"the cache of your {forward_name} {what}"])
        return Verdict(name, "wrong", wrong.lines)
    except Exception as error:  # the kernels after this one are checked all the same
        return Verdict(name, "wrong", [f"cannot be compared: {type(error).__name__}: {error}"])
    return Verdict(name, "right", [], trial.errors, trial.notes)


def _waits(name, other, before):
    told = str(before) if before.state == "missing" else before.lines[0]
    known = before.state in ("missing", "waits")
    return Verdict(name, "waits", [told if known else f"{other} is not right yet: {told}"])


def _plain(function):
    """Return the function within partials and wrappers."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


def _beside(function):
    """Return the kernels in a function's module or notebook, and the names that it uses.

    One that runs in another process tells what it `uses`.
    """
    uses, plain = getattr(function, "uses", {}), _plain(function)
    space = getattr(plain, "__globals__", uses)
    codes, found = [getattr(plain, "__code__", None)], {*uses}
    for code in codes:
        if inspect.iscode(code):
            found |= {*code.co_names}
            codes += code.co_consts  # functions within it
    return {name: space[name] for name in checkable() if callable(space.get(name))}, found


def _name(function):
    """Return the name of the kernel that a function should be, or None."""
    name = getattr(_plain(function), "__name__", "")
    ends = [each for each in checkable() if f"_{name}".endswith(f"_{each}")]
    return max(ends, key=len, default=None)


def _by_trial(function):
    """Try which kernel a callable without a telling name is right as."""
    for name in checkable():
        forward = getattr(kernels, name.replace("_backward", "_forward"))
        with contextlib.suppress(Exception):
            if Trial(name, function, forward, 0).is_right():
                return name
    return None


def on_tensors(function, like=None):
    """Let torch tensors into a function that works with NumPy alone, on their way in and out.

    Inputs: like: another function, whose names arguments may have; by default the function itself
    """

    @functools.wraps(function)
    def converted(*arguments, **named):
        if named:
            arguments = inspect.signature(like or function).bind(*arguments, **named).args
        tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
        given = [a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else a for a in arguments]
        result = function(*given)
        if not tensors:
            return result
        first = next((each for each in tensors if each.is_floating_point()), tensors[0])

        def back(out):
            numbers = isinstance(out, (np.ndarray, np.generic, float))
            return torch.as_tensor(out).to(first) if numbers else out

        return tuple(map(back, result)) if isinstance(result, (tuple, list)) else back(result)

    return converted
