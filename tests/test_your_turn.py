"""What readers may write in a notebook: each right answer is taken, each mistake is named.

The answers stand in tests/your_turn/, a file for each notebook: `# %% CELL: right`, or
`# %% CELL: what the check has to say of the mistake`. `fill` writes them into a copy:

    python -m tests.test_your_turn notebooks/01_vanilla_rnn.ipynb filled.ipynb right
"""

import re
import sys
from pathlib import Path

import matplotlib
import nbformat
import pytest
import torch

ROOT = Path(__file__).parents[1]
ANSWERS = sorted((ROOT / "tests" / "your_turn").glob("*.py"))


def answers(stem):
    """Return (cell, verdict, source) of each answer to a notebook, in their order."""
    text = (ROOT / "tests" / "your_turn" / f"{stem}.py").read_text(encoding="utf-8")
    parts = re.split(r"^# %% ([\w-]+): (.*)$", text, flags=re.MULTILINE)[1:]
    return list(zip(*(parts[k::3] for k in range(3)), strict=True))


def filled(source, answer):
    """Return the code of a turn with an answer in place of its empty function."""
    return answer.strip() + "\n\n\n" + re.search(r"^\w+ = checks\.(.|\n)*", source, re.M)[0]


def fill(notebook, target, right):
    """Write a copy of a notebook in which every turn has a right answer, or else a wrong one."""
    copy = nbformat.read(notebook, 4)
    chosen = {cell: a for cell, verdict, a in answers(Path(notebook).stem)
              if (verdict == "right") == right}  # fmt: skip
    for cell in copy.cells:
        if "your-turn" in cell.metadata.get("tags", []):
            cell.source = filled(cell.source, chosen[cell.id])
            cell.metadata["tags"].append("nbval-ignore-output")
    nbformat.write(copy, target)


@pytest.mark.parametrize("stem", [path.stem for path in ANSWERS])
def test_right_answers_are_taken_and_mistakes_named(stem, capsys, monkeypatch):
    matplotlib.use("agg")
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    cells = {cell.id: cell for cell in nbformat.read(f"{stem}.ipynb", 4).cells}
    names: dict = {}
    exec(cells["setup"].source, names)
    for cell, verdict, answer in answers(stem):
        right = verdict == "right"
        scope = names if right else dict(names)
        capsys.readouterr()
        exec(filled(cells[cell].source, answer), scope)
        out = capsys.readouterr().out
        assert ("not right yet" in out, "not written" in out) == (not right, False), (cell, out)
        assert right or verdict in out, (cell, out)
    turns = {k for k, cell in cells.items() if "your-turn" in cell.metadata.get("tags", [])}
    given = [(cell, verdict == "right") for cell, verdict, _ in answers(stem)]
    assert turns == {cell for cell, right in given if right}
    assert turns == {cell for cell, right in given if not right}


if __name__ == "__main__":
    fill(sys.argv[1], sys.argv[2], sys.argv[3] == "right")
