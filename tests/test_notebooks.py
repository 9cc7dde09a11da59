"""The form of the notebooks; nbval runs what is in them."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What differs from machine to machine or from run to run.
UNSTABLE = re.compile(r"/home/|/tmp/|/usr/|/Users/|0x[0-9a-f]{6,}|\d+%\||it/s|Warning")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def texts(outputs):
    """Give every text in the outputs of a cell."""
    for output in outputs:
        yield output.get("text", "")
        yield from (value for key, value in output.get("data", {}).items() if "text" in key)


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_outputs_are_stored_from_one_run(path):
    nbformat.validate(nbformat.read(path, 4))
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    assert path.stat().st_size < 500_000


@every_notebook
def test_outputs_are_the_same_on_each_machine(path):
    for cell in cells(path, "code"):
        assert all(output.output_type != "error" for output in cell.outputs), cell.source
        assert all(output.get("name") != "stderr" for output in cell.outputs), cell.source
        for text in texts(cell.outputs):
            assert not UNSTABLE.search(text), text


@every_notebook
def test_code_comes_in_small_cells_after_a_sentence(path):
    before = None
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            assert before == "markdown", cell.source
            assert len(cell.source.splitlines()) <= 35, cell.source
        before = cell.cell_type


@every_notebook
def test_the_anatomy_is_the_same_in_all(path):
    prose = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert prose.startswith("# ")
    assert "**Goal:**" in prose
    for part in ("Summary", "Exercises", "References"):
        assert re.search(rf"^## ([\d.]+ )?{part}$", prose, re.MULTILINE), part
    assert prose.count("<details>") == prose.count("</details>") >= 4
    assert prose.count("$") % 2 == 0


@every_notebook
def test_a_symbol_has_one_backslash(path):
    # two are a new line, and the symbol's name is then printed as letters
    for cell in cells(path, "markdown"):
        assert not re.search(r"\\\\[A-Za-z]", cell.source), cell.source
