"""`check_kernel`: the verdict on a kernel, in words."""

import dis
import functools
import inspect
from dataclasses import dataclass, field

import numpy as np

from helpers import kernels
from helpers.diagnosis import textbook
from helpers.diagnosis.calling import ForwardWrong, NotWritten, Wrong
from helpers.diagnosis.cases import checkable
from helpers.diagnosis.hypotheses import BOUND
from helpers.diagnosis.trial import Trial

NUMPY_ALONE = "NumPy alone"


@dataclass
class Verdict:
    """What came of a trial.

    name: of the kernel
    state: "right", "wrong", "missing" (not written yet) or "waits" (for a kernel it builds on)
    lines: of text: what is wrong, or what it waits for
    errors: dict from output to its relative error, of a right kernel
    notes: what a right kernel cannot do yet
    bound: of the errors
    """

    name: str
    state: str
    lines: list = field(default_factory=list)
    errors: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    bound: float = BOUND

    def __str__(self):
        if self.state == "missing":
            text = self.lines[0] if self.lines else "not written yet"
            return text if ": " in text else f"{self.name}: {text}"
        if self.state == "waits":
            return f"{self.name} waits: {self.lines[0]}"
        if self.state == "wrong":
            lines = [line.replace("\n", "\n  ") for line in self.lines]
            return "\n  ".join([f"{self.name} is not right yet:", *lines])
        measured = ", ".join(f"{key} {error:.1e}" for key, error in self.errors.items())
        bound = f"{self.bound:g}".replace("e-0", "e-")
        first = f"{self.name} ok: {measured} (relative errors, below {bound})"
        return "\n  ".join([first, *self.notes])


def check_kernel(function, reference=None, forward=None, seed=0, otherwise=None):
    """Compare a kernel with its equations, and name what is wrong with it.

    Prints `rnn_step_forward ok: next_h 1.2e-16 (relative errors, below 1e-8)`, and what a right
    kernel cannot do yet, such as torch tensors. How its cache looks is the reader's own business.

    Inputs:
        function: a kernel with the arguments and the outputs of one in helpers.kernels
        reference: the kernel of ours that it should be; by default the one of its name
        forward: for a backward kernel, the reader's own forward kernel, which makes its cache;
            by default ours does
        seed: of the random inputs, in float64 NumPy
        otherwise: in a notebook, the kernel to go on with while the reader's is not right; what
            is wrong is printed then, and nothing raised
    Returns: the function if it is right, otherwise `otherwise`. A right function that works with
        NumPy alone comes back wrapped, so that tensors of any shape may go in.
    Raises: without `otherwise`, AssertionError with one line per output that is wrong;
        ValueError when it cannot be told which kernel it should be.
    """
    name = _name(reference) if reference is not None else _name(function)
    if name is None and otherwise is not None:
        name = _name(otherwise)
    if name is None:
        known = ", ".join(checkable())
        raise ValueError(f"which kernel is this? Tell with reference=; there are: {known}")
    return concluded(judge(name, function, forward, seed), function, otherwise)


def concluded(verdict, function, otherwise):
    """Print a verdict, and choose what to go on with.

    Inputs: verdict: Verdict on the function; function, otherwise: as for `check_kernel`
    Returns: as `check_kernel`
    Raises: AssertionError, without `otherwise`, for a function that is not right.
    """
    if verdict.state == "right":
        print(verdict)
        numpy_alone = any(note.startswith((NUMPY_ALONE, "torch")) for note in verdict.notes)
        return on_tensors(function) if numpy_alone and otherwise is not None else function
    if otherwise is None:
        raise AssertionError(str(verdict))
    if verdict.state == "missing":
        print(f"{verdict}: write it here, or go on with ours")
    else:
        print(f"{verdict}\n  (the notebook goes on with ours)")
    return otherwise


def judge(name, function, forward=None, seed=0, values=False):
    """Put a kernel on trial, after those that it builds on.

    Inputs: name: of the kernel that it should be; values: whether to look at one case alone;
        others as for `check_kernel`
    Returns: Verdict
    """
    needed = _uses(name, function)
    if name.endswith("_backward"):
        forward_name = name.replace("_backward", "_forward")
        forward = forward or _maker_of_cache(name, forward_name, function, seed)
        needed = {forward_name: forward} | needed
    for other, its in needed.items():
        if its is not function:
            before = judge(
                other, its, needed.get(other.replace("_backward", "_forward")), seed, True
            )
            if before.state == "waits":
                return Verdict(name, "waits", before.lines)
            if before.state == "missing":
                return Verdict(name, "waits", [str(before)])
            if before.state == "wrong":
                return Verdict(name, "waits", [f"{other} is not right yet: {before.lines[0]}"])
    trial = Trial(name, function, forward, seed)
    try:
        trial.run(values)
    except NotWritten as error:
        return Verdict(name, "missing", [str(error)] if str(error) else [])
    except ForwardWrong as wrong:
        return Verdict(name, "waits", [f"{name[:-9]}_forward is not right yet: {wrong}"])
    except Wrong as wrong:
        return Verdict(name, "wrong", wrong.lines)
    return Verdict(name, "right", [], trial.errors, trial.notes)


def _maker_of_cache(name, forward_name, function, seed):
    """Choose the forward kernel whose cache a backward kernel can read: ours, or one beside it."""
    ours = getattr(kernels, forward_name)
    beside = getattr(function, "__globals__", {}).get(forward_name, ours)
    for forward in (ours, beside):
        try:
            Trial(name, function, forward, seed).run(values=True)
            return forward
        except (NotWritten, Wrong):
            continue
    return ours


def _uses(name, function):
    """Return the kernels that a function calls by their names; another process tells its `uses`."""
    if hasattr(function, "uses"):
        return function.uses
    plain = inspect.unwrap(function)
    if not hasattr(plain, "__code__"):
        return {}
    names = {i.argval for i in dis.get_instructions(plain) if i.opname == "LOAD_GLOBAL"} - {name}
    found = {each: plain.__globals__.get(each) for each in checkable() if each in names}
    return {each: its for each, its in found.items() if callable(its)}


def _name(function):
    """Return the name of the kernel that a function should be, or None."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", "")
    known = checkable()
    if name in known:
        return name
    ends = [each for each in known if name.endswith(f"_{each}")]
    return max(ends, key=len) if ends else _by_trial(function)


def _by_trial(function):
    """Try which kernel a callable without a telling name is right as."""
    for name in checkable():
        forward = getattr(textbook, name.replace("_backward", "_forward"))
        ours = getattr(kernels, name.replace("_backward", "_forward"), forward)
        try:
            trial = Trial(name, function, ours, 0)
            trial.run(values=True)
        except Exception:
            continue
        return name
    return None


def on_tensors(function):
    """Let torch tensors into a function that works with NumPy alone, on their way in and out."""
    import torch

    @functools.wraps(function)
    def converted(*arguments, **named):
        if named:  # in the function's own order
            bound = inspect.signature(function).bind(*arguments, **named)
            arguments = bound.args
        tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
        if not tensors:
            return function(*arguments)
        like = next((each for each in tensors if each.is_floating_point()), tensors[0])
        given = [a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else a for a in arguments]
        result = function(*given)
        outputs = result if isinstance(result, (tuple, list)) else [result]
        back = [
            torch.as_tensor(o, dtype=like.dtype, device=like.device)
            if isinstance(o, (np.ndarray, np.generic, float)) else o
            for o in outputs
        ]  # fmt: skip
        return tuple(back) if isinstance(result, (tuple, list)) else back[0]

    return converted
