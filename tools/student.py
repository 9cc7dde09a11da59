"""`make student`: the course for students, who write the kernels themselves.

One source: the copy is made from the notebooks and from `helpers/`. Signatures and docstrings
stay, and the bodies of the kernels give way to an error that says where to write them.
"""

import argparse
import ast
import base64
import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor

from helpers.files import DataError
from helpers.settings import ROOT
from tools import badges

COPIED = ("pretrained", "requirements.txt", "constraints.txt", "LICENSE")
OWN = ("fast",)  # the compiled engine holds the kernels once more
# What the checks compare with: solutions, which the copy holds packed, not to be read or found
PACKED = ("textbook.py", "tasks.py", "mistakes.py")
ENDINGS = ("_forward", "_backward")
# Files of helpers/kernels, and what is stubbed in each besides what ends in one of ENDINGS.
STUBBED = {
    "rnn.py": (),
    "lstm.py": (),
    "temporal.py": ("temporal_softmax_loss",),
    "attention.py": (),
}

README = """\
# Image captioning from scratch: your copy

The kernels are yours to write. Each stands in `helpers/kernels/` with its signature and its
docstring, and raises `NotImplementedError` until you put your code there:

    rnn.py         for notebooks 01 and 02
    temporal.py    for notebook 02
    lstm.py        for notebook 03
    attention.py   for notebooks 04 and 05, which need temporal.py too

Set up once, then open the notebooks; after a change of a kernel, restart the notebook's own kernel.

    python3 -m venv .venv
    .venv/bin/python -m pip install -r requirements.txt -c constraints.txt
    .venv/bin/python -m jupyterlab notebooks

Check one kernel, those of a notebook, or all of them:

    .venv/bin/python -m helpers.diagnosis rnn_step_forward
    .venv/bin/python -m helpers.diagnosis 02
    .venv/bin/python -m helpers.diagnosis

The line `@shapes(...)` above a kernel checks its arguments: a letter is one size in all of them.
`array_namespace(x)` returns `xp`, NumPy or torch, so that one code runs on both. The comment in a
forward kernel shows the cache that the notebooks and their exercises expect; for training it has
to be a flat tuple of arrays. Write a forward kernel before its backward kernel, which is checked
with your cache, and a step before its sequence, which may call it. `scores_backward` in
`attention.py` serves the two kernels around it; write them without it if you like.
"""


def stub(source, file, extra=()):
    """Replace the bodies of kernels by an error, and leave everything else as it is.

    Inputs:
        source: str, Python code
        file: where it stands, as the error shall name it
        extra: names of functions to replace besides those that end in one of ENDINGS
    Returns: str, Python code in which each replaced function keeps its signature and docstring
    """
    lines = source.splitlines(keepends=True)
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for node in reversed(functions):  # from the end, so that line numbers before it still hold
        if not (node.name.endswith(ENDINGS) or node.name in extra):
            continue
        documented = ast.get_docstring(node) is not None
        start = node.body[0].end_lineno if documented else node.body[0].lineno - 1
        message = f"{node.name}: yours to write, in {file}"
        body = f'    raise NotImplementedError("{message}")\n'
        lines[start : node.end_lineno] = [*_cache_comment(node), body]
        if node.name.endswith("_backward"):  # a reader's own cache may hold other arrays
            for decorator in node.decorator_list:
                lines[decorator.lineno - 1 : decorator.end_lineno] = []
    return "".join(lines)


def pack(source):
    """Write Python code that does what a source does, and that nobody reads by accident.

    Inputs: source: str, Python code with a module docstring
    Returns: str, Python code
    """
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    text = base64.b85encode(zlib.compress(source.encode(), 9)).decode()
    lines = [f'    "{text[k : k + 90]}"' for k in range(0, len(text), 90)]
    return "\n".join(
        [
            f'"""{docstring}"""\n',
            "import base64",
            "import zlib\n",
            "PACKED = zlib.decompress(base64.b85decode(",
            *lines,
            ")).decode()",
            "exec(compile(PACKED, __file__, 'exec'))\n",
        ]
    )


def _cache_comment(node):
    """Show what a forward kernel caches, which is the last thing that it returns."""
    last = node.body[-1]
    if not node.name.endswith("_forward") or not isinstance(last, ast.Return):
        return []
    assert isinstance(last.value, ast.Tuple)
    return [f"    # cache: {ast.unparse(last.value.elts[-1])}\n"]


def write_student(folder, root=ROOT):
    """Write the course with stubs for kernels, whole or not at all.

    Inputs:
        folder: where to; must not exist, since it may hold somebody's work
        root: folder of the course
    Raises: DataError when the folder exists
    """
    folder, root = Path(folder), Path(root)
    if folder.exists():
        raise DataError(f"{folder}: is there already, and may hold work; move it or delete it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".student.") as temporary:
        copy = Path(temporary) / folder.name
        ignored = shutil.ignore_patterns("__pycache__", *OWN)
        shutil.copytree(root / "helpers", copy / "helpers", ignore=ignored)
        for file, extra in STUBBED.items():
            path = copy / "helpers" / "kernels" / file
            source = stub(path.read_text(encoding="utf-8"), f"helpers/kernels/{file}", extra)
            path.write_text(source, encoding="utf-8")
        for file in PACKED:
            path = copy / "helpers" / "diagnosis" / file
            path.write_text(pack(path.read_text(encoding="utf-8")), encoding="utf-8")
        (copy / "notebooks").mkdir()
        for path in sorted((root / "notebooks").glob("*.ipynb")):
            _write_notebook(path, copy / "notebooks" / path.name)
        for name in COPIED:
            copy_one = shutil.copytree if (root / name).is_dir() else shutil.copy
            copy_one(root / name, copy / name)
        (copy / "README.md").write_text(README, encoding="utf-8")
        os.replace(copy, folder)


def _write_notebook(path, target):
    """Copy a notebook without outputs, solutions and the way to the whole course in Colab."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [c for c in notebook.cells if "solution" not in c.metadata.get("tags", [])]
    badges.prepare(notebook, None, f"notebooks/{path.name}")
    notebook, _ = ClearOutputPreprocessor().preprocess(notebook, {})
    target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(arguments=None):
    """Write the students' copy. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.student", description=__doc__)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "build" / "student"))
    folder = parser.parse_args(arguments).folder
    try:
        write_student(folder)
    except (DataError, OSError) as error:
        print(f"student: {error}", file=sys.stderr)
        return 2
    print(f"The students' copy: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
