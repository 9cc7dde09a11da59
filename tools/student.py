"""`make student`: the course for students, who write the kernels themselves.

One source: the copy is made from the notebooks and from `helpers/`. Signatures and docstrings
stay, and the bodies of the kernels give way to an error that says where to write them.
"""

import argparse
import ast
import base64
import os
import re
import shutil
import sys
import tempfile
import zlib
from itertools import permutations
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor

from helpers.diagnosis import checkable
from helpers.diagnosis.__main__ import NOTEBOOKS
from helpers.files import DataError
from helpers.settings import ROOT
from tools import badges
from tools.handout.order import USUAL
from tools.submission import file_of

HANDOUT = ROOT / "tools" / "handout"
COPIED = ("pretrained", "data/photographs", "data/scenes", "data/README.md", "LICENSE")
OWN = ("fast",)  # the compiled engine holds the kernels once more
# What the checks compare with: solutions, which the copy holds packed, not to be read or found
PACKED = (
    "diagnosis/textbook.py", "diagnosis/tasks.py", "diagnosis/mistakes.py", "self_critical.py"
)  # fmt: skip
PACKED_FUNCTIONS = {  # near-solutions that `helpers` needs itself
    "checks.py": ("numerical_gradient", "_entry_errors"),
    "vocabulary.py": ("shift_captions",),
    "layers/bridges.py": ("_weight_gradients",),
}
PACKED_CELLS = {  # cells of notebooks that look like a kernel, or hold one
    "01": ("autograd",),
    "02": ("repeated", "projection", "one-sum", "repeated-backward"),
    "03": ("memory-path", "ways"),
    "04": ("parts", "prescribed"),
}
LEFT_OUT = {  # a kernel with two mistakes
    "01": ("mistakes-text", "mistakes", "mistakes-reading", "mistakes-training")
}
ENDINGS = ("_forward", "_backward")
# Files of helpers/kernels, and what is left out of each: what the kernels are made of.
STUBBED = {
    "rnn.py": ("previous_states",),
    "lstm.py": (),
    "temporal.py": ("weight_gradient",),
    "attention.py": ("scores_backward",),
}
TO_ANSWER = "Write your answer below each question."
OURS = "; left empty, they let the notebook run on with our version"
NOTE = """\
**Your copy.** Kernels are written in `helpers/kernels/`, in the file that a cell names, and other
functions in the notebook. Where a kernel is not written yet, a cell says so in one line, and those
that build on it wait. After a change, restart the notebook's kernel. Your answers to the questions
at the end go below each."""
VARIED = """

**This edition's order of gates.** In *your* kernels, the four column blocks of `Wx`, `Wh`,
`Wattn`, `b` and `a` are in the order **{0}, {1}, {2}, {3}**, not i, f, o, g. Everything else in
this notebook, text and cells alike, uses i, f, o, g; `helpers/kernels/order.py` rearranges the
columns whenever a notebook or a check calls your kernel."""
VARIED_README = (
    "- In this edition, the four column blocks of `Wx`, `Wh`, `Wattn`, `b` and `a` are in the "
    "order **{0}, {1}, {2}, {3}** in your kernels.\n"
)
VARIED_CELLS = ("gates-forward-turn", "gates-backward-turn")  # which say the order of a kernel's
REWORDED = {  # what holds in our notebooks alone
    OURS: "",
    " (or of ours: `prev_c, gates, tanh_c`)": "",
    "`kernels.lstm_gates_": "`lstm_gates_",  # as the kernels' own file calls it
    "Answer first, then unfold.": TO_ANSWER,
    "Think first, then open the answer.": TO_ANSWER,
}
PLACES = {"waiting.py": "helpers", "order.py": "helpers/kernels"}  # of files of HANDOUT
KERNEL = "temporal_softmax_loss"  # which does not end in one of ENDINGS
NOT_NEEDED = {"jupyter", "latex2mathml", "ninja", "pytest", "hypothesis", "nbval", "ruff", "mypy"}


def stub(source, file, left_out=()):
    """Replace the bodies of kernels by an error, and leave everything else as it is.

    Inputs:
        source: str, Python code
        file: where it stands, as the error shall name it
        left_out: names of functions to leave out, and of their imports
    Returns: str, Python code in which each kernel keeps its signature and docstring
    """
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):  # lines before it still hold
        if not isinstance(node, ast.FunctionDef):
            continue
        if node.name in left_out:
            lines[node.lineno - 1 : node.end_lineno] = []
        elif node.name.endswith(ENDINGS) or node.name == KERNEL:
            documented = ast.get_docstring(node) is not None
            start = node.body[0].end_lineno if documented else node.body[0].lineno - 1
            message = f"{node.name}: yours to write, in {file}"
            lines[start : node.end_lineno] = [f'    raise NotImplementedError("{message}")\n']
            if node.name.endswith("_backward"):  # a reader's own cache may hold other arrays
                for decorator in node.decorator_list:
                    lines[decorator.lineno - 1 : decorator.end_lineno] = []
    text = re.sub(r"\n{4,}", "\n\n\n", "".join(lines).rstrip() + "\n")
    gone = {name for names in STUBBED.values() for name in names}
    return re.sub(rf"    (?:{'|'.join(gone)}),\n", "", text).replace(
        "from helpers.kernels.rnn import previous_states\n", ""
    )


def packed(source):
    """Return Python code as text that nobody reads by accident, in lines."""
    text = base64.b85encode(zlib.compress(source.encode(), 9)).decode()
    return [text[k : k + 90] for k in range(0, len(text), 90)]


def pack(source):
    """Write Python code that does what a source does, and that nobody reads by accident.

    Inputs: source: str, Python code with a module docstring
    Returns: str, Python code
    """
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    return f'"""{docstring}"""\n\n{_unpacking(source)}'


def _unpacking(source):
    lines = "\n".join(f'    "{line}"' for line in packed(source))
    return (
        "import base64\nimport zlib\n\n"
        f"exec(compile(zlib.decompress(base64.b85decode(\n{lines}\n)), __file__, 'exec'))\n"
    )


def pack_functions(source, names):
    """Pack some functions of a module, and leave everything else as it is."""
    lines, taken = source.splitlines(keepends=True), []
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            taken = [*lines[node.lineno - 1 : node.end_lineno], "\n\n", *taken]
            lines[node.lineno - 1 : node.end_lineno] = []
    assert taken
    text = re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).rstrip()
    return f"{text}\n\n\n{_unpacking(''.join(taken))}"


def gate_order(variant):
    """Return the order of the gates in a variant, such as "figo"; 0 is the usual one."""
    orders = list(permutations(USUAL))
    if variant not in range(len(orders)):
        raise DataError(f"variant {variant}: there are 0 to {len(orders) - 1}")
    return "".join(orders[variant])


def write_student(folder, root=ROOT, variant=0):
    """Write the course with stubs for kernels, whole or not at all.

    Inputs:
        folder: where to; must not exist, since it may hold somebody's work
        root: folder of the course
        variant: a number that changes the order of the gates, and the inputs of the checks
    Raises: DataError when the folder exists, or there is no such variant
    """
    folder, root, order = Path(folder), Path(root), gate_order(variant)
    if folder.exists():
        raise DataError(f"{folder}: is there already, and may hold work; move it or delete it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".student.") as temporary:
        copy = Path(temporary) / folder.name
        ignored = shutil.ignore_patterns("__pycache__", *OWN)
        shutil.copytree(root / "helpers", copy / "helpers", ignore=ignored)
        for file, left_out in STUBBED.items():
            path = copy / "helpers" / "kernels" / file
            source = stub(path.read_text(encoding="utf-8"), f"helpers/kernels/{file}", left_out)
            if order != USUAL:
                source = source.replace(
                    "order i, f, o, g, as in CS231n", f"order {', '.join(order)}"
                )
            path.write_text(source, encoding="utf-8")
        for file in PACKED:
            path = copy / "helpers" / file
            path.write_text(pack(path.read_text(encoding="utf-8")), encoding="utf-8")
        for file, names in PACKED_FUNCTIONS.items():
            path = copy / "helpers" / file
            source = pack_functions(path.read_text(encoding="utf-8"), names)
            path.write_text(source, encoding="utf-8")
        (copy / "notebooks").mkdir()
        answers = ["# Answers to the questions, for those who mark\n"]
        for path in sorted((root / "notebooks").glob("*.ipynb")):
            answers += _write_notebook(path, copy / "notebooks" / path.name, order)
        for name in COPIED:
            (copy / name).parent.mkdir(exist_ok=True)
            if (root / name).is_dir():
                shutil.copytree(root / name, copy / name, ignore=ignored)
            else:
                shutil.copy(root / name, copy / name)
        (copy / "requirements.txt").write_text(_requirements(root), encoding="utf-8")
        text = _requirements_colab(root)
        (copy / "requirements-colab.txt").write_text(text, encoding="utf-8")
        for path in sorted(HANDOUT.iterdir()):
            if path.is_file():
                shutil.copy(path, copy / PLACES.get(path.name, "") / path.name)
        (copy / "tools").mkdir()
        shutil.copy(root / "tools" / "submission.py", copy / "tools")
        _vary(copy / "helpers", order, variant)
        text = (copy / "README.md").read_text(encoding="utf-8")
        (copy / "README.md").write_text(_readme(text, order), encoding="utf-8")
        os.replace(copy, folder)
    text = "\n".join(answers)
    folder.with_name(f"{folder.name}-answers.md").write_text(text, encoding="utf-8")


def _vary(helpers, order, variant):
    """Put the order of the gates, and the seed of the checks, into a copy of `helpers`."""
    path = helpers / "waiting.py"
    path.write_text(path.read_text().replace("SEED = 0", f"SEED = {variant}"), encoding="utf-8")
    path = helpers / "kernels" / "order.py"
    if order == USUAL:
        path.unlink()
        return
    text = path.read_text(encoding="utf-8").replace(f'ORDER = "{USUAL}"', f'ORDER = "{order}"')
    path.write_text(text, encoding="utf-8")
    with open(helpers / "kernels" / "__init__.py", "a", encoding="utf-8") as file:
        file.write("\nfrom helpers.kernels import order\n\nglobals().update(order.kernels)\n")


def _requirements(root):
    """Return what students need, at the versions that are tested: a short list."""
    wanted = [re.split(r"[^\w-]", line)[0] for line in _lines(root / "requirements.txt")]
    names = ["jupyterlab", "ipykernel", *(n for n in wanted if n not in NOT_NEEDED)]
    start = re.compile(rf"({'|'.join(names).replace('_', '[_-]')})==", re.IGNORECASE)
    return "".join(f"{x}\n" for x in _lines(root / "constraints.txt") if start.match(x))


def _requirements_colab(root):
    """Return what Colab may lack, as ranges: what it has stays as it is."""
    there = {line.partition("==")[0] for line in _lines(root / "constraints-colab.txt")}
    wanted = {re.split(r"[^\w-]", line)[0]: line for line in _lines(root / "requirements.txt")}
    return "".join(f"{x}\n" for name, x in wanted.items() if name not in there | NOT_NEEDED)


def _readme(text, order):
    """Fill in the points of each notebook's kernels, and the order of the gates if it is ours."""
    from tools.grade import points  # which imports this module

    for number, starts in NOTEBOOKS.items():
        names = [name for name in checkable() if name.startswith(starts)]
        text = text.replace(f"POINTS-{number}", str(sum(map(points, names))))
    return text.replace("VARIED\n", "" if order == USUAL else VARIED_README.format(*order))


def _lines(path):
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _write_notebook(path, target, order=USUAL):
    """Copy a notebook without outputs, solutions, answers and the way to the whole course.

    Returns: the answers, lines of Markdown
    """
    notebook, number = nbformat.read(path, as_version=4), path.name[:2]
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    answers = [f"\n## {title}\n"]
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            cells.pop()  # the sentence about it
            continue
        if cell.id in LEFT_OUT.get(number, ()):
            continue
        if cell.cell_type == "markdown":
            if cell.id in VARIED_CELLS:
                cell.source = cell.source.replace(", ".join(USUAL), ", ".join(order))
            answers += _without_answers(cell)
        elif cell.id in PACKED_CELLS.get(number, ()):
            lines = "\n".join(packed(cell.source))
            cell.source = f'waiting.run("""\n{lines}\n""")  # it would give a kernel away'
        elif "your-turn" in tags and "checks.check_kernel" in cell.source:
            name = re.search(r"^def (\w+)", cell.source, re.MULTILINE)[1]
            where = f"# yours to write, in helpers/kernels/{file_of(name)}"
            cell.source = f'{where}\n{name} = waiting.checked("{name}")'
        elif cell.id == "setup":
            cell.source += "\nfrom helpers import waiting  # says what is not written yet"
        cells.append(cell)
    note = NOTE if order == USUAL or number not in ("03", "04") else NOTE + VARIED.format(*order)
    notebook.cells = [cells[0], nbformat.v4.new_markdown_cell(note, id="your-copy"), *cells[1:]]
    badges.prepare(notebook, None, f"notebooks/{path.name}")
    notebook, _ = ClearOutputPreprocessor().preprocess(notebook, {})
    target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return answers


def _without_answers(cell):
    """Take the folded answers out of a cell. Returns: questions and answers, lines of Markdown"""
    for text, instead in REWORDED.items():
        cell.source = cell.source.replace(text, instead)
    parts = re.split(
        r"<details>\s*<summary>Answer</summary>(.*?)</details>", cell.source, flags=re.S
    )
    if len(parts) == 1:
        return []
    cell.source = "*Your answer:*".join(parts[::2])
    parts[0] = re.sub(r"^#.*\n", "", parts[0]).replace(TO_ANSWER, "")  # the notebook's heading
    pairs = zip(parts[::2], parts[1::2], strict=False)
    return [f"{q.strip()}\n\n> {a.strip()}\n" for q, a in pairs]


def main(arguments=None):
    """Write the students' copy. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.student", description=__doc__)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "build" / "student"))
    parser.add_argument("--variant", type=int, default=0, help="another order of gates, 1 to 23")
    options = parser.parse_args(arguments)
    folder = options.folder
    try:
        write_student(folder, variant=options.variant)
    except (DataError, OSError) as error:
        print(f"student: {error}", file=sys.stderr)
        return 2
    print(f"The students' copy: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
