"""The house can be seen at a glance: what `helpers` holds, and which way imports point."""

import ast
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
HELPERS = ROOT / "helpers"
# Neither imported by a notebook nor typed: the engine, formats of data, and files.
EXCEPTIONS = {"fast", "formats", "files"}
TYPED = {
    "__main__",
    "commands",
    "diagnosis",
}  # python -m helpers COMMAND, python -m helpers.diagnosis


def entries():
    """Name the first level of `helpers`."""
    names = {path.name.removesuffix(".py") for path in HELPERS.iterdir()}
    return {name for name in names if not name.startswith(("__pycache__", "."))} - {"__init__"}


def imports(source):
    """Name the modules that some code imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def of_helpers(source):
    """Name the entries of `helpers` that some code imports."""
    parts = (name.split(".") for name in imports(source))
    return {part[1] for part in parts if part[0] == "helpers" and len(part) > 1} & entries()


def lines(paths):
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def in_notebooks():
    """Name the entries of `helpers` that notebooks import."""
    found = set()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, 4).cells
        for cell in cells:
            if cell.cell_type == "code":
                found |= of_helpers(cell.source)
    return found


def test_every_name_on_the_first_level_is_imported_by_a_notebook_or_typed():
    assert len(entries()) + 1 <= 28  # with __init__
    assert entries() - in_notebooks() - TYPED <= EXCEPTIONS


def test_what_notebooks_import_is_small():
    modules = in_notebooks()
    files = [HELPERS / f"{name}.py" for name in modules if (HELPERS / f"{name}.py").exists()]
    files += [HELPERS / name / "__init__.py" for name in modules if (HELPERS / name).is_dir()]
    assert len(files) == len(modules) and lines(files) <= 3500


def test_imports_point_one_way():
    graph = {name: set() for name in entries()}
    for path in HELPERS.rglob("*.py"):
        name = path.relative_to(HELPERS).parts[0].removesuffix(".py")
        if name != "__init__":
            graph[name] |= of_helpers(path.read_text(encoding="utf-8")) - {name}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError naming a cycle
    assert order[-1] == "__main__"
    assert graph["kernels"] == set()


def test_the_kernels_import_mathematics_alone():
    allowed = re.compile(r"math|functools|inspect|array_api_compat|helpers\.kernels")
    for path in (HELPERS / "kernels").glob("*.py"):
        for name in imports(path.read_text(encoding="utf-8")):
            assert allowed.match(name), f"{path.name}: {name}"


def test_layers_alone_know_the_engine():
    for path in HELPERS.rglob("*.py"):
        if path.relative_to(HELPERS).parts[0] not in ("fast", "layers"):
            assert "helpers.fast" not in path.read_text(encoding="utf-8"), path


TOOLS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "tools").rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)


@pytest.mark.parametrize("module", TOOLS)
def test_every_tool_can_be_imported(module):
    importlib.import_module(module)
