"""`make student`: kernels left to write, which the same checks judge once they are written."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.diagnosis import checkable
from tools import badges, student

ROOT = Path(__file__).parents[1]
KERNELS = Path("helpers") / "kernels"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Give a student's copy, to be read only."""
    folder = tmp_path_factory.mktemp("build") / "student"
    student.write_student(folder)
    return folder


@pytest.fixture
def copy(course, tmp_path):
    """Give the part of a student's copy that the checks need, to be changed."""
    shutil.copytree(course / "helpers", tmp_path / "helpers")
    return tmp_path


def diagnose(folder, *names):
    """Check kernels where a student would: return the exit code, and what is said."""
    command = [sys.executable, "-m", "helpers.diagnosis", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout


def functions(path):
    source = path.read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {node.name: (node, ast.get_source_segment(source, node)) for node in nodes}


def files(folder):
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in paths if "__pycache__" not in path.parts}


def test_each_kernel_not_written_yet_is_named_with_its_file(copy):
    code, said = diagnose(copy)
    lines = dict(zip(checkable(), said.splitlines(), strict=True))
    assert code == 1
    for name, line in lines.items():
        forward = name.replace("_backward", "_forward")
        waits = "" if name == forward else f"{name} waits: "
        file, wanted = line.rpartition("/")[2], f"{forward}: yours to write, in helpers/kernels/"
        assert line == f"{waits}{wanted}{file}"
        assert f"def {name}(" in (copy / KERNELS / file).read_text()


def test_kernels_written_right_pass_and_kernels_written_wrong_are_diagnosed(copy):
    _, stub = functions(copy / KERNELS / "rnn.py")["rnn_step_backward"]
    for file in ("rnn.py", "temporal.py"):
        shutil.copy(ROOT / KERNELS / file, copy / KERNELS / file)
    _, solution = functions(copy / KERNELS / "rnn.py")["rnn_step_backward"]
    text = (copy / KERNELS / "rnn.py").read_text()
    (copy / KERNELS / "rnn.py").write_text(text.replace(solution, stub))
    text = (ROOT / KERNELS / "lstm.py").read_text()
    assert text.count("return da, dc * f") == 1
    (copy / KERNELS / "lstm.py").write_text(text.replace("return da, dc * f", "return da, dc"))
    code, said = diagnose(copy)
    assert code == 1
    assert "rnn_step_backward: yours to write, in helpers/kernels/rnn.py\n" in said
    for name in ("rnn_step_forward", "rnn_backward", "temporal_softmax_loss", "lstm_forward"):
        assert f"{name} ok: " in said
    wrong = "dprev_c: the factor f is missing"
    assert f"lstm_gates_backward is not right yet:\n  {wrong}" in said
    assert "\ndot_product_attention_forward: yours to write" in said


def test_a_whole_solution_passes_with_exit_code_0(copy):
    for file in student.STUBBED:
        shutil.copy(ROOT / KERNELS / file, copy / KERNELS / file)
    code, said = diagnose(copy)
    assert code == 0
    named = [line.split(" ok: ")[0] for line in said.splitlines() if " ok: " in line]
    assert named == checkable()


@pytest.mark.parametrize("file", student.STUBBED)
def test_signatures_docstrings_and_everything_but_kernels_stay(course, file):
    before, after = functions(ROOT / KERNELS / file), functions(course / KERNELS / file)
    assert list(before) == list(after)
    changed = set()
    for name, (node, source) in before.items():
        stub, stub_source = after[name]
        assert ast.dump(stub.args) == ast.dump(node.args)
        assert ast.get_docstring(stub, clean=False) == ast.get_docstring(node, clean=False)
        if stub_source != source:
            changed.add(name)
            assert [type(line) for line in stub.body] == [ast.Expr, ast.Raise]
    rest, stubbed_rest = (
        (folder / KERNELS / file).read_text().split("\ndef ")[0] for folder in (ROOT, course)
    )
    assert rest == stubbed_rest  # module docstring, imports and constants
    wanted = {name for name in before if name.endswith(("_forward", "_backward"))}
    assert changed == wanted | set(student.STUBBED[file])


def test_a_stub_shows_the_cache_that_the_notebooks_expect(course):
    _, source = functions(course / KERNELS / "rnn.py")["rnn_step_forward"]
    comment, error = source.splitlines()[-2:]
    assert comment == "    # cache: (x, prev_h, Wx, Wh, next_h)"
    assert error.startswith("    raise NotImplementedError(")


def test_a_stub_prescribes_the_shapes_of_its_arguments_and_not_of_its_cache(course):
    source = (course / KERNELS / "lstm.py").read_text(encoding="utf-8")
    assert '@shapes(a="N 4H", prev_c="N H")\ndef lstm_gates_forward(' in source
    assert "cache=" in (ROOT / KERNELS / "lstm.py").read_text(encoding="utf-8")
    assert "cache=" not in source and "\n\ndef lstm_backward(" in source


def test_nothing_else_of_helpers_changes(course):
    tracked = {path for path in files(ROOT / "helpers") if path.parts[0] not in student.OWN}
    assert files(course / "helpers") == tracked
    stubbed = {Path("kernels") / file for file in student.STUBBED}
    stubbed |= {Path("diagnosis") / file for file in student.PACKED}
    for path in tracked - stubbed:
        assert (course / "helpers" / path).read_bytes() == (ROOT / "helpers" / path).read_bytes()
    for path in files(ROOT / "pretrained"):
        assert (course / "pretrained" / path).exists()


def test_no_line_of_a_solution_is_found_in_the_copy(course):
    lines, said = set(), ""
    for name in student.STUBBED:
        for node, source in functions(ROOT / KERNELS / name).values():
            said += ast.get_docstring(node)  # the equations, which are told
            body = source.splitlines()[node.body[0].end_lineno - node.lineno + 1 :]
            lines |= {line.split("  #")[0].strip() for line in body}
    lines |= set((ROOT / "helpers" / "diagnosis" / "textbook.py").read_text().split("\n    "))
    lines = {line for line in lines if len(line) > 25 and line not in said}
    lines = {line for line in lines if not line.startswith(("return", "xp ="))}
    assert len(lines) > 100
    for path in (course / "helpers").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = [line for line in lines if line in text]
        assert not found, f"{path}: {found}"


def test_the_notebooks_are_the_same_without_outputs(course):
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert len(paths) == len(list((course / "notebooks").iterdir())) == 5
    for path in paths:
        before, after = (nbformat.read(p, 4) for p in (path, course / "notebooks" / path.name))
        nbformat.validate(after)
        shown = [c for c in before.cells if "solution" not in c.metadata.get("tags", [])]
        for cell, bare in zip(shown, after.cells, strict=True):
            assert (bare.id, bare.cell_type) == (cell.id, cell.cell_type)
            assert bare.source == cell.source or badges.read_address(ROOT)
            if bare.cell_type == "code":
                assert bare.outputs == [] and bare.execution_count is None


def test_a_notebook_does_not_lead_to_the_solutions(tmp_path):
    """The Colab badge and the set-up cell of the course would open and fetch our kernels."""
    path, target = ROOT / "notebooks" / "01_vanilla_rnn.ipynb", tmp_path / "01_vanilla_rnn.ipynb"
    notebook = nbformat.read(path, 4)
    badges.prepare(notebook, "https://github.com/ada/course", "notebooks/01_vanilla_rnn.ipynb")
    nbformat.write(notebook, target)
    assert "ada/course" in target.read_text()
    student._write_notebook(target, target)
    assert "ada/course" not in target.read_text()


def test_a_folder_that_may_hold_work_is_left_alone(tmp_path, capsys):
    work = tmp_path / "student" / "rnn.py"
    work.parent.mkdir()
    work.write_text("mine")
    assert student.main([str(work.parent)]) == 2
    error = capsys.readouterr().err
    assert error == f"student: {work.parent}: is there already, and may hold work; " + (
        "move it or delete it\n"
    )
    assert files(tmp_path) == {Path("student/rnn.py")} and work.read_text() == "mine"


def test_a_copy_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "course").mkdir()
    shutil.copytree(ROOT / "helpers" / "kernels", tmp_path / "course" / "helpers" / "kernels")
    with pytest.raises(FileNotFoundError):
        student.write_student(tmp_path / "build" / "student", root=tmp_path / "course")
    assert list((tmp_path / "build").iterdir()) == []


def test_the_command_says_where_the_copy_is(tmp_path, capsys):
    assert student.main([str(tmp_path / "copy")]) == 0
    assert capsys.readouterr().out == f"The students' copy: {tmp_path / 'copy'}\n"
    assert "python -m helpers.diagnosis" in (tmp_path / "copy" / "README.md").read_text()
