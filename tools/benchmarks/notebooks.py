"""How long each notebook takes, from a fresh kernel to its last cell."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools.benchmarks.timing import rows

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def measure(folder=FOLDER):
    """Execute every notebook once. Yields: `Row`s."""
    for path in sorted(folder.glob("*.ipynb")):
        steps = {"top to bottom": lambda path=path: execute(path)}
        yield from rows("notebook", path.stem, steps, 1, "top to bottom", warm_up=0)


def execute(path):
    """Execute a notebook in memory; the file stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
