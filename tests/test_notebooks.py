"""The form of the notebooks; nbval runs what is in them."""

import ast
import html
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup  # nbconvert's

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What differs from machine to machine or from run to run.
UNSTABLE = re.compile(r"/home/|/tmp/|/usr/|/Users/|0x[0-9a-f]{6,}|\d+%\||it/s|Warning")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def pages(cell):
    """Return what a cell shows as HTML, parsed."""
    shown = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    return BeautifulSoup("".join(shown), "html.parser")


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
    stored = cells(path, "code")
    assert [cell.execution_count for cell in stored] == [*range(1, len(stored) + 1)]
    assert not any(cell.outputs for cell in stored if tagged(cell, "slider"))
    assert set(nbformat.read(path, 4).metadata) == {"kernelspec", "language_info"}
    assert path.stat().st_size < 1_500_000


@every_notebook
def test_outputs_are_the_same_on_each_machine(path):
    for cell in cells(path, "code"):
        assert all(output.output_type != "error" for output in cell.outputs), cell.source
        assert all(output.get("name") != "stderr" for output in cell.outputs), cell.source
        for text in texts(cell.outputs):
            text = re.sub('data:image/[^"]*', "", text)
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
def test_answers_are_folded_and_formulas_closed(path):
    prose = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert prose.count("<details>") == prose.count("</details>") >= 4
    assert prose.count("$") % 2 == 0


@every_notebook
def test_a_symbol_has_one_backslash(path):
    # two are a new line, and the symbol's name is then printed as letters
    for cell in cells(path, "markdown"):
        assert not re.search(r"\\\\[A-Za-z]", cell.source), cell.source


@every_notebook
def test_the_frame_is_the_same_in_all(path):
    number = int(path.stem[:2])
    sources = [cell.source for cell in cells(path, "markdown")]
    assert sources[0].startswith(f"# {number:02d} ")
    opening = "\n".join(sources[:6])
    parts = ["**Goal:**", "**Before you start**", "**What you will build**", "**Notation"]
    places = [opening.find(part) for part in parts]
    assert -1 not in places and places == sorted(places), parts
    assert re.search(r"\d+ (minutes|hours)", opening), "study time"
    build = opening.partition(parts[2])[2].partition(parts[3])[0]
    assert 3 <= build.count("\n- ") <= 5
    headings = [h for s in sources for h in re.findall("^## (.*)$", s, re.MULTILINE)]
    numbered = [heading for heading in headings if heading != "Glossary"]
    for k, heading in enumerate(numbered, 1):
        assert heading.startswith(f"{number}.{k} "), heading
    titles = [heading.partition(" ")[2] for heading in numbered[-3:]]
    assert titles == ["Summary", "Quiz and exercises", "References"]
    quiz = "\n".join(sources).partition("Quiz and exercises\n")[2]
    assert len(re.findall(r"^\*\*Question \d", quiz, re.MULTILINE)) == 3
    assert re.search(r"^## [\d.]+ References\n(.|\n)*\]\(https?://", quiz, re.MULTILINE)


@every_notebook
def test_a_turn_comes_before_its_solution(path):
    notebook = nbformat.read(path, 4)
    turns = [k for k, cell in enumerate(notebook.cells) if tagged(cell, "your-turn")]
    assert turns
    for k in turns:
        invitation, turn = notebook.cells[k - 1], notebook.cells[k]
        name = re.search(r"^def (\w+)\(", turn.source, re.MULTILINE)[1]
        assert f"### Your turn: {name}" in invitation.source.replace("`", "")
        assert re.search(r"^\*(Easy|Medium|Hard), \d+ minutes\.\*", invitation.source, re.MULTILINE)
        function = next(n for n in ast.parse(turn.source).body if isinstance(n, ast.FunctionDef))
        assert ast.get_docstring(function)
        assert ast.unparse(function.body[1:]) == "..."
        assert "not written yet" in "".join(texts(turn.outputs))
        solution = next(cell for cell in notebook.cells[k + 1 :] if cell.cell_type == "code")
        assert tagged(solution, "solution") and "show_source(" in solution.source
        assert name in pages(solution).summary.text


@every_notebook
def test_code_that_is_shown_has_at_most_twelve_lines(path):
    for cell in cells(path, "code"):
        for shown in pages(cell).select("pre.source"):
            (function,) = ast.parse(shown.text).body
            if isinstance(function, ast.FunctionDef):
                body = shown.text.splitlines()[function.body[0].lineno - 1 :]
                assert sum(bool(line.strip()) for line in body) <= 12, shown.text


@every_notebook
def test_every_figure_says_what_is_to_be_seen(path):
    for cell in cells(path, "code"):
        assert "plt.show()" not in cell.source, cell.source
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert not any(kind.startswith("image/") for kind in kinds), cell.source
        for image in pages(cell).select("img"):
            assert len(image.get("alt", "").split()) >= 6, cell.source


@every_notebook
def test_sliders_are_left_to_the_reader(path):
    assert "widgets" not in nbformat.read(path, 4).metadata
    sliders = [cell for cell in cells(path, "code") if "slider(" in cell.source]
    assert sliders
    for cell in sliders:
        assert tagged(cell, "slider") and tagged(cell, "nbval-ignore-output")
        assert cell.outputs == []


@every_notebook
def test_a_slider_moves_after_the_last_cell_too(path):
    code = cells(path, "code")
    statements = [(k, node) for k, c in enumerate(code) for node in ast.parse(c.source).body]
    functions = {node.name: node for _, node in statements if isinstance(node, ast.FunctionDef)}
    for k in (k for k, cell in enumerate(code) if tagged(cell, "slider")):
        needed, waiting = set(), names([node for at, node in statements if at == k], ast.Load)
        while waiting:
            needed.add(name := waiting.pop())
            if name in functions:
                waiting |= outer_names(functions[name]) - needed
        later = names([node for at, node in statements if at > k], ast.Store) - set(functions)
        assert not needed & later, f"a later cell gives {needed & later} another value"


def names(statements, context):
    """Return the names that statements outside functions read (ast.Load) or set (ast.Store)."""
    return {
        node.id
        for statement in statements if not isinstance(statement, ast.FunctionDef)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }  # fmt: skip


def outer_names(function):
    """Return the names that a function reads and does not set."""
    local = names(function.body, ast.Store) | {each.arg for each in function.args.args}
    return names(function.body, ast.Load) - local


@every_notebook
def test_cells_are_short(path):
    lengths = [len(cell.source.splitlines()) for cell in cells(path, "code")]
    assert sorted(lengths)[len(lengths) // 2] <= 12
    prose = [c for c in cells(path, "markdown") if not re.match(r"## [\d.]+ References", c.source)]
    for cell in prose:
        assert words(cell.source) <= 125, f"{words(cell.source)} words: {cell.source}"


def words(markdown):
    """Count the words that are read in a row: no formulas, tables, headings or answers."""
    text = re.sub(r"<details>.*?</details>|\$\$.*?\$\$", "", markdown, flags=re.DOTALL)
    text = re.sub(r"^(\||#).*$|\]\([^)]*\)", "", text, flags=re.MULTILINE)
    return len(re.sub(r"\$[^$]*\$|`[^`]*`", "x", html.unescape(text)).split())
