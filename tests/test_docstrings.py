"""What every public function and class says of itself."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from helpers import kernels

HELPERS = Path(__file__).parents[1] / "helpers"
SHAPE = re.compile(r"\([A-Z]\w?(, \w+)*,?\)")  # as in (N,) or (N, 4H)


def public(node, prefix=""):
    """Yield (name, node) of the module, its public functions and classes, and their methods."""
    yield prefix or "the module", node
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}".lstrip(".")
            yield from public(child, name) if isinstance(child, ast.ClassDef) else [(name, child)]


@pytest.mark.parametrize("path", sorted(HELPERS.rglob("*.py")), ids=lambda path: path.stem)
def test_everything_public_has_a_docstring(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for name, node in public(module) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", kernels.__all__)
def test_a_kernel_names_every_input_and_the_shapes_of_what_it_returns(name):
    kernel = getattr(kernels, name)
    _, inputs, returned = re.split(
        r"^(?:Inputs|Returns)\b[^:]*:", inspect.getdoc(kernel), flags=re.MULTILINE
    )
    for parameter in inspect.signature(kernel).parameters:
        assert re.search(rf"\b{parameter}\b", inputs), f"{parameter} is not among the inputs"
    assert SHAPE.search(returned) or "loss" in returned
