"""`make grade SUBMISSIONS=folder`: points for what students handed in, whatever it does.

A submission is a zip file that `make submission` wrote, or a folder; of it the kernels are read
and nothing else. They run in a process of their own, cut down by `tools.grade_worker`, which gets
arrays and returns arrays: what is right is known to this process alone, and so is the verdict.
"""

import argparse
import ast
import contextlib
import csv
import ctypes
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import torch

from helpers.diagnosis import cases, checkable, judge
from helpers.diagnosis.cases import points
from helpers.files import DataError
from helpers.settings import ROOT
from tools.grade_process import ALL_SECONDS, Child, Remote, isolation
from tools.handout.order import COLUMNS, USUAL, Reordered
from tools.student import gate_order
from tools.submission import file_of, forbidden, read_submission

SEEDS = (1, 2, 3)
HIDDEN = ("helpers", "notebooks", "tests", "tools", "build", "docs")
LAZY = """\
import importlib

def __getattr__(name):
    for file in ("rnn", "temporal", "lstm", "attention"):
        module = importlib.import_module(f"helpers.kernels.{file}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)
"""


def grade(path, hidden=(), seeds=SEEDS, variant=0):
    """Judge one submission.

    Inputs:
        path: of a zip file or a folder
        hidden: folders that its process shall not see
        seeds: of the inputs
        variant: of this class's hand-out
    Returns: dict from kernel to (state, text), and remarks
    """
    files, remarks = read_submission(path, variant)
    with tempfile.TemporaryDirectory(prefix="grade-") as temporary:
        folder = Path(temporary).resolve()
        kernels = folder / "helpers" / "kernels"
        kernels.mkdir(parents=True)
        (kernels.parent / "__init__.py").touch()
        (kernels / "__init__.py").write_text(LAZY)
        shutil.copy(ROOT / "helpers" / "kernels" / "arguments.py", kernels)
        for name, text in files.items():
            (kernels / name).write_text(text, encoding="utf-8")
        child = Child(folder, hidden)

        def give_up(*_):
            child.ends = 0
            child.stop()
            raise TimeoutError("judging took too long")

        signal.signal(signal.SIGALRM, give_up)  # the checks may hang, too, on what comes back
        signal.setitimer(signal.ITIMER_REAL, 1.5 * ALL_SECONDS, 5)
        try:
            return _verdicts(child, files, seeds, gate_order(variant)), remarks
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            child.stop()


def _verdicts(child, files, seeds, order):
    nodes, found, verdicts = {}, {}, {}
    for name, text in files.items():
        try:
            found[name] = forbidden(text, checkable())
            tree = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found[name] = [(None, getattr(error, "lineno", 0), f"does not compile: {error}")]
            continue
        nodes |= {node.name: node for node in tree if isinstance(node, ast.FunctionDef)}
    remotes = {name: Remote(child, name, nodes.get(name)) for name in checkable()}
    for name, remote in remotes.items():
        body = ast.walk(nodes[name]) if name in nodes else ()
        used = {node.id for node in body if isinstance(node, ast.Name)} - {name}
        used |= {each.replace("_backward", "_forward") for each in used}  # which makes its cache
        remote.uses = {each: remotes[each] for each in checkable() if each in used - {name}}
    kernels: dict = {}
    for name, remote in remotes.items():
        varied = order != USUAL and name in COLUMNS
        kernels[name] = Reordered(name, remote, order, kernels) if varied else remote
        if not varied:
            remote.uses = {each: kernels.get(each, remotes[each]) for each in remote.uses}
    for name in kernels:
        file = file_of(name)
        told = [f"line {line} of {file}: {t}" for of, line, t in found.get(file, ())
                if of in (None, name)]  # fmt: skip
        if file not in files:
            verdicts[name] = "missing", f"{file} was not handed in"
        elif told:
            verdicts[name] = "not allowed", "\n".join(told[:3])
        else:
            verdicts[name] = _judged(name, kernels, seeds)
    return verdicts


def _judged(name, kernels, seeds):
    forward = kernels.get(name.replace("_backward", "_forward"))
    for seed in seeds:
        try:
            verdict = judge(name, kernels[name], forward, seed)
        except Exception as error:  # what came back was too odd for the checks
            return "wrong", f"cannot be judged: {type(error).__name__}: {error}"[:300]
        if verdict.state != "right":
            return verdict.state, str(verdict)[:1500]
    return "right", str(verdict)[:1500]


def results(verdicts, remarks):
    """Return what Gradescope reads as results.json."""
    tests = [
        {
            "name": name,
            "score": points(name) if state == "right" else 0,
            "max_score": points(name),
            "status": "passed" if state == "right" else "failed",
            "output": f"{state}\n{text}",
        }
        for name, (state, text) in verdicts.items()
    ]
    reasons = Counter(
        f"not allowed: {text.splitlines()[0]}" if state == "not allowed" else "not written"
        for state, text in verdicts.values()
        if state in ("not allowed", "missing")
    )
    remarks = [*remarks, *(f"{reason} ({count} kernels)" for reason, count in reasons.items())]
    return {
        "score": sum(test["score"] for test in tests),
        "output": "\n".join(remarks),
        "visibility": "visible",
        "tests": tests,
    }


def _grade_one(path, hidden, seeds, variant):
    with contextlib.redirect_stdout(io.StringIO()):
        if sys.platform == "linux":  # no other process of this user reads our memory
            ctypes.CDLL(None).prctl(4, 0)
        torch.set_num_threads(1)
        values = [cases.SIZES[letter] for letter in "DHPM"]
        random.Random(variant).shuffle(values)
        cases.SIZES.update(zip("DHPM", values, strict=True))
        try:
            return results(*grade(path, hidden, seeds, variant))
        except Exception as error:
            remark = f"could not be graded: {type(error).__name__}: {error}"
            return results(dict.fromkeys(checkable(), ("wrong", remark)), [remark])


def grade_all(submissions, out, jobs, seeds=SEEDS, variant=0):
    """Grade a folder of submissions; write a results.json for each, and grades.csv for all."""
    submissions, out = Path(submissions).resolve(), Path(out).resolve()
    seeds = [seed + 100 * variant for seed in seeds]
    if not submissions.is_dir():
        raise DataError(f"{submissions}: no such folder")
    paths = sorted(p for p in submissions.iterdir() if p.is_dir() or p.suffix == ".zip")
    if not paths:
        raise DataError(f"{submissions}: neither zip files nor folders in it")
    out.mkdir(parents=True, exist_ok=True)
    hidden = [submissions, out, *(ROOT / name for name in HIDDEN)]
    temporary = Path(tempfile.gettempdir()).resolve()
    hidden = [f for f in hidden if f.is_dir() and f not in (temporary, *temporary.parents)]
    rows, context = [], multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        graded = pool.map(_grade_one, paths, repeat(hidden), repeat(seeds), repeat(variant))
        for number, (path, result) in enumerate(zip(paths, graded, strict=True), 1):
            name = re.sub(r"[^\w-]+", "_", path.stem).strip("_-") or f"submission_{number}"
            name = f"{name}_{number}" if any(row["submission"] == name for row in rows) else name
            (out / name).mkdir(exist_ok=True)
            text = json.dumps(result, indent=1)
            (out / name / "results.json").write_text(text + "\n", encoding="utf-8")
            scores = {test["name"]: test["score"] for test in result["tests"]}
            row = {"submission": name, "score": result["score"], "of": sum(map(points, scores))}
            rows.append(row | scores | {"remarks": result["output"].replace("\n", "; ")})
            print(f"{name}: {row['score']} of {row['of']}", flush=True)
    with open(out / "grades.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out / "grades.csv"


def main(arguments=None):
    """Grade submissions. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.grade", description=__doc__)
    parser.add_argument("submissions", help="a folder of zip files or folders")
    parser.add_argument("--out", default=str(ROOT / "build" / "grades"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument(
        "--variant", type=int, default=0, choices=range(24), metavar="0..23",
        help="of the hand-out (default: 0)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    print(f"Variant {options.variant}: gates {', '.join(gate_order(options.variant))}.")
    if isolation():
        print("Each submission: no network, its own processes, the disk read-only.")
    else:
        print(
            "This system keeps `unshare` to itself: limits and audit hooks alone hold submissions. "
            "Grade in a container."
        )
    try:
        table = grade_all(options.submissions, options.out, options.jobs, variant=options.variant)
        print(f"Grades: {table}")
    except (DataError, OSError) as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
