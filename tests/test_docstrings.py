"""What every public function and class says of itself."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from oracles import KERNELS

from helpers import kernels

HELPERS = Path(__file__).parents[1] / "helpers"
SCENES = HELPERS.parent / "data" / "scenes"
FILES = sorted([*HELPERS.rglob("*.py"), *SCENES.glob("*.py")])
# these kernels are documented in helpers/kernels; here mistakes are planted into their lines
FILES.remove(HELPERS / "diagnosis" / "textbook.py")
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
SHAPE = re.compile(r"\([A-Z]\w?(, \w+)*,?\)")  # as in (N,) or (N, 4H)
# as in (I, ...), (8, height, width), "of one shape", "of any shape"
SHAPE_IN_WORDS = re.compile(r"\([\w.][\w. +*]*,[\w. +*,]*\)|\bshapes?\b")
ARRAY_IN_WORDS = re.compile(r"\b(arrays?|tensors?)\b(?! namespace)")
# How the course calls arrays. In drawings x, y and W are something else.
ARRAYS = "x y h h0 c0 prev_h prev_c next_h Wx Wh Wattn W b A a mask scores alpha features dout"
ARRAYS = {*ARRAYS.split(), "actual", "expected", "got", "right", "array", "tensor", "pixels"}
DRAWINGS = {"plots", "scenes"}
# What papers or courses are behind, and that has to be said.
METHODS = [
    "encoder/backbones", "captioner", "decoding", "grounding", "kernels/attention",
    "kernels/lstm", "training/finetuning", "kernels/rnn", "kernels/temporal", "metrics",
    "pretrained/resnet_lstm", "self_critical", "settings",
]  # fmt: skip
CITATION = re.compile(r"[A-Z][\w-]+(?: et al\.)?,? (?:19|20)\d\d\b")


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def public(node, prefix=""):
    """Yield (name, node) of the module, its public functions and classes, and their methods."""
    yield prefix or "the module", node
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}".lstrip(".")
            yield from public(child, name) if isinstance(child, ast.ClassDef) else [(name, child)]


def functions(module):
    """Yield (name, node, docstring) of public functions and methods; __init__ has its class's."""
    for name, node in public(module):
        if isinstance(node, ast.FunctionDef):
            yield name, node, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                    said = [ast.get_docstring(each) or "" for each in (node, child)]
                    yield f"{name}.__init__", child, "\n".join(said)


@every_file
def test_everything_public_has_a_docstring(path):
    missing = [name for name, node in public(parse(path)) if not ast.get_docstring(node)]
    assert missing == []


def entries(docstring):
    """List what a docstring says of each argument and of what is returned."""
    _, *sections = re.split(r"^(?=Inputs|Returns)", docstring, flags=re.MULTILINE)
    text = "".join(sections).partition("\nRaises")[0]
    starts = r"\n(?=Inputs|Returns| {4}\w[\w, ]*:)"
    return [" ".join(entry.split()) for entry in re.split(starts, text)]


def with_references(docstring, said):
    """Add what docstrings of the same file say to which this one refers, as for `this`."""
    others = re.findall(r"as for `(\w+)`", docstring)
    return "\n".join([docstring, *(said.get(other, "") for other in others)])


def shapeless(module):
    """List the arrays of which a module's public functions do not say the shape."""
    said = {name: docstring for name, _, docstring in functions(module)}
    for name, node, docstring in functions(module):
        for entry in entries(docstring):
            if re.search(
                r"\b(arrays?|tensors?)\b(?! namespace)", entry
            ) and not SHAPE_IN_WORDS.search(entry):
                yield f"{name}: {entry}"
        arguments = {argument.arg for argument in node.args.args}
        text = with_references(docstring, said)
        if arguments & ARRAYS and not SHAPE_IN_WORDS.search(text):
            yield f"{name}: {', '.join(sorted(arguments & ARRAYS))}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if not DRAWINGS & set(p.parts)], ids=lambda path: path.stem
)
def test_arrays_have_shapes(path):
    assert list(shapeless(parse(path))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('def f(x):\n    """Double x."""', ["f: x"]),
        ('def f(x):\n    """Double x, (N, T)."""', []),
        ('def f(n):\n    """Draw.\n\n    Returns: array\n    """', ["f: Returns: array"]),
        ('def f(n):\n    """Draw.\n\n    Returns: array of one\n        row, (N,)\n    """', []),
    ],
)
def test_missing_shapes_are_found(source, found):
    assert list(shapeless(ast.parse(source))) == found


def raised(node):
    """Name the errors that a function raises itself, but those that it catches too."""
    names = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc:
            error = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            names.add(ast.unparse(error))
    caught = {
        part.id
        for each in ast.walk(node)
        if isinstance(each, ast.ExceptHandler) and each.type
        for part in ast.walk(each.type)
        if isinstance(part, ast.Name)
    }
    return {name for name in names - caught if re.fullmatch("[A-Z][A-Za-z]+", name)}


def called(node):
    """Name the functions of its own file that a function calls."""
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    own = [each for each in calls if isinstance(each, ast.Attribute) and is_self(each.value)]
    return {each.id for each in calls if isinstance(each, ast.Name)} | {each.attr for each in own}


def is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def unsaid(module):
    """List the errors that public functions, or private ones for them, raise but do not name."""
    private = {
        each.name: each
        for each in ast.walk(module)
        if isinstance(each, ast.FunctionDef) and each.name.startswith("_")
    }
    said = {name: docstring for name, _, docstring in functions(module)}
    for name, node, docstring in functions(module):
        helpers = [private[each] for each in called(node) if each in private]
        errors = raised(node).union(*map(raised, helpers))
        _, _, promised = with_references(docstring, said).partition("aises:")
        yield from (f"{name}: {error}" for error in sorted(errors) if error not in promised)


@pytest.mark.parametrize(
    "path", [p for p in FILES if not {"__main__", "commands"} & {p.stem, p.parent.name}],
    ids=lambda path: path.stem,
)  # fmt: skip  # a command turns errors into exit codes
def test_errors_are_named(path):
    assert [*unsaid(parse(path))] == []


CHECKED = 'def _g(n):\n    raise ValueError("n")\n\n\ndef f(n):\n    """Count{}."""\n    _g(n)\n'


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (CHECKED.format(""), ["f: ValueError"]),
        (CHECKED.format(". Raises: ValueError"), []),
        (CHECKED.format(". Raises: TypeError"), ["f: ValueError"]),
        (CHECKED.replace("_g(n)\n", "try:\n        _g(n)\n    except OSError:\n        pass"),
         ["f: ValueError"]),
    ],
)  # fmt: skip
def test_errors_that_nobody_names_are_found(source, found):
    assert list(unsaid(ast.parse(source))) == found


@pytest.mark.parametrize("name", METHODS)
def test_a_method_names_its_source(name):
    module = parse(HELPERS / f"{name}.py")
    said = [docstring for _, _, docstring in functions(module)]
    said += [ast.get_docstring(node) or "" for _, node in public(module)]
    assert CITATION.search("\n".join(said))


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_names_every_input_and_the_shapes_of_what_it_returns(name):
    kernel = getattr(kernels, name)
    _, inputs, returned = re.split(
        r"^(?:Inputs|Returns)\b[^:]*:", inspect.getdoc(kernel), flags=re.MULTILINE
    )
    for parameter in inspect.signature(kernel).parameters:
        assert re.search(rf"\b{parameter}\b", inputs), f"{parameter} is not among the inputs"
    assert SHAPE.search(returned) or "loss" in returned
