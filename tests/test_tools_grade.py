"""`make grade`: points for a class of made-up students, some of whom are hostile."""

import csv
import hashlib
import importlib.util
import json
import shutil
import sys
import zipfile
from pathlib import Path

import hand_ins
import pytest

from helpers.diagnosis import checkable, judge
from helpers.files import DataError
from tools import grade, grade_process
from tools.submission import file_of, forbidden, read_submission

ROOT = Path(__file__).parents[1]
SOLUTIONS = sorted((ROOT / "tests" / "solutions").glob("*.py"))


def hashes():
    """Return a hash of each file of the course."""
    folders = ("helpers", "tools", "tests", "notebooks", "docs", "pretrained")
    paths = [path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]
    paths += [path for path in ROOT.iterdir() if path.is_file()]
    paths = [path for path in paths if "__pycache__" not in path.parts]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade the class: return results and expected points by name, and what was touched."""
    folder = tmp_path_factory.mktemp("class")
    secret = folder / "secret.txt"
    secret.write_text("nobody knows")
    expected = hand_ins.write(folder / "submissions", secret)
    before = hashes()
    table = grade.grade_all(folder / "submissions", folder / "grades", jobs=2, seeds=(1,))
    changed = [path for path, value in hashes().items() if before.get(path) != value]
    names = [path.parent.name for path in (folder / "grades").glob("*/results.json")]
    results = {n: json.loads((folder / "grades" / n / "results.json").read_text()) for n in names}
    return results, expected, table, changed, secret


def test_everybody_comes_back_with_the_right_points(graded):
    results, expected, table, *_ = graded
    assert len(expected) > 20
    assert {name: result["score"] for name, result in results.items()} == expected
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert {name: int(row["score"]) for name, row in rows.items()} == expected
    assert {row["of"] for row in rows.values()} == {str(hand_ins.WHOLE)}
    assert rows["cem_half"]["rnn_backward"] == "3" and rows["cem_half"]["lstm_forward"] == "0"


def test_nothing_is_touched(graded):
    *_, changed, secret = graded
    assert not changed and secret.read_text() == "nobody knows"
    assert not list(Path("/tmp").glob("uma*"))


def test_a_verdict_says_what_was_found(graded):
    def said(student, name="rnn_step_forward"):
        return next(t["output"] for t in graded[0][student]["tests"] if t["name"] == name)

    assert "ran longer than it may" in said("hal_endless")
    assert "ended the process" in said("max_exits")
    assert "not allowed\nline" in said("ray_asks_autograd") and "autograd" in said(
        "ray_asks_autograd"
    )
    assert "torch.nn" in said("sue_takes_torchs_lstm", "lstm_forward")
    assert "import of helpers.diagnosis" in said("tom_imports_the_solution")
    assert "the factor f is missing" in said("eve_forgets_nothing", "lstm_gates_forward")
    assert "nobody knows" not in json.dumps(graded[0]["vic_reads_the_others"])
    assert "leads out of the folder" in graded[0]["quo_leads_out_of_the_zip"]["output"]


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_nothing_in_a_right_solution_is_forbidden(path):
    assert forbidden(path.read_text(), ()) == []


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_right_solutions_by_different_hands_are_green_in_the_checks(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)  # for data classes
    spec.loader.exec_module(module)
    for name in checkable():
        forward = getattr(module, name.replace("_backward", "_forward"))
        verdict = judge(name, getattr(module, name), forward, seed=5)
        assert verdict.state == "right", str(verdict)
        assert not [note for note in verdict.notes if "tensors" in note]


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import torch.nn.functional as F",
        "from torch import func",
        "from helpers import checks",
        "from helpers.diagnosis import textbook",
        "import helpers.diagnosis.tasks",
        "torch.nn.LSTM(3, 4)",
        "loss.backward()",
        "x.requires_grad = True",
        "torch.lstm_cell(x, h, W, V)",
        "getattr(torch, 'n' + 'n')",
        "exec('1')",
        "x.__class__",
        "np.memmap('a')",
    ],
)
def test_what_has_no_place_in_a_kernel_is_found_with_its_line(line):
    found = forbidden(f"def rnn_forward(x):\n    y = 1\n    {line}\n", ["rnn_forward"])
    assert [(name, number) for name, number, _ in found][:1] == [("rnn_forward", 3)]


@pytest.mark.parametrize("line", ["import copy, time, warnings", "input, forget, output = x"])
def test_ordinary_modules_and_names_are_allowed(line):
    assert forbidden(f"def rnn_forward(x):\n    {line}\n", ["rnn_forward"]) == []


def test_a_zero_has_its_reason_beside_it(graded):
    with open(graded[2], newline="", encoding="utf-8-sig") as file:
        remarks = {row["submission"]: row["remarks"] for row in csv.DictReader(file)}
    assert "import of helpers.diagnosis" in remarks["tom_imports_the_solution"]
    assert "not written (17 kernels)" in remarks["cem_half"]


def test_a_link_in_a_folder_leads_nowhere(tmp_path):
    work = tmp_path / "mine" / "helpers" / "kernels"
    work.mkdir(parents=True)
    other = tmp_path / "other.py"
    other.write_text("somebody's work")
    (work / "rnn.py").symlink_to(other)
    (work / "lstm.py").write_text("own")
    files, remarks = read_submission(tmp_path / "mine")
    assert files == {"lstm.py": "own"} and "helpers/kernels/rnn.py is missing" in remarks


def test_a_file_that_unpacks_to_far_too_much_is_not_read(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("helpers/kernels/rnn.py", " " * 10**8)
    files, remarks = read_submission(path)
    assert files == {} and "more than 200000 bytes" in remarks[0]


def test_each_kernel_has_points_and_a_file():
    assert sum(grade.points(name) for name in checkable()) == hand_ins.WHOLE
    for name in checkable():
        text = (ROOT / "helpers" / "kernels" / file_of(name)).read_text()
        assert f"\ndef {name}(" in text


def test_a_folder_without_submissions_is_an_error(tmp_path, capsys):
    with pytest.raises(DataError, match="neither zip files nor folders"):
        grade.grade_all(tmp_path, tmp_path / "out", 1)
    assert grade.main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_without_unshare_the_limits_and_hooks_hold_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(grade_process, "isolation", lambda: ())
    secret = tmp_path / "secret.txt"
    secret.write_text("kept")
    hand_ins.write(tmp_path / "all", secret)
    for name in ("jon_deletes", "lou_edits_the_grader", "pat_forks", "vic_reads_the_others"):
        shutil.copy(tmp_path / "all" / f"{name}.zip", tmp_path)
        verdicts, _ = grade.grade(tmp_path / f"{name}.zip", seeds=(1,))
        state, text = verdicts["rnn_step_forward"]
        assert state == "wrong" and "kept" not in text
        assert verdicts["rnn_forward"][0] == "right"
    assert secret.read_text() == "kept"
