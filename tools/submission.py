"""What a student handed in: the kernels' source, and what has no place in it."""

import ast
import contextlib
import functools
import zipfile
from pathlib import Path

FILES = ("rnn.py", "temporal.py", "lstm.py", "attention.py")
LONGEST_FILE = 200_000  # bytes
MODULES = {
    "__future__", "abc", "array_api_compat", "collections", "contextlib", "copy", "dataclasses",
    "enum", "functools", "itertools", "math", "numpy", "operator", "time", "torch", "typing",
    "warnings",
}  # fmt: skip
NOT_OF_TORCH = {
    "nn", "autograd", "func", "jit", "ops", "hub", "utils", "library", "classes", "compile", "_C",
    "_VF", "load", "save", "lstm", "lstm_cell", "gru", "gru_cell", "rnn_tanh", "rnn_tanh_cell",
    "rnn_relu", "enable_grad", "set_grad_enabled", "vmap", "from_file",
}  # fmt: skip
NOT_OF_ARRAYS = {
    "backward", "requires_grad", "requires_grad_", "grad", "grad_fn", "register_hook", "memmap",
    "fromfile", "tofile", "loadtxt", "savetxt", "genfromtxt", "DataSource", "ctypes",
}  # fmt: skip
NOT_CALLED = {
    "eval", "exec", "compile", "open", "globals", "locals", "vars", "breakpoint",
    "__import__", "__builtins__", "__loader__", "__spec__", "setattr", "delattr",
}  # fmt: skip


def file_of(name):
    """Return the file that a kernel is to be written in."""
    if name.startswith(("rnn", "lstm")):
        return f"{name[: name.index('_')]}.py"
    return "temporal.py" if name.startswith(("word", "temporal")) else "attention.py"


def read_submission(path, variant=0):
    """Return the text of each of FILES that a zip file or a folder has, by name, and remarks.

    Inputs: variant: of the hand-out that it is graded as
    """
    path, found, remarks = Path(path), {}, []
    with contextlib.ExitStack() as stack:
        try:
            if path.is_dir():
                # a link could lead to somebody else's work
                paths = [*path.rglob("kernels/*.py"), *path.rglob("variant.txt")]
                paths = [p for p in paths if p.resolve() == p.absolute()]
                names = {str(p.relative_to(path)): functools.partial(open, p, "rb") for p in paths}
            else:
                archive = stack.enter_context(zipfile.ZipFile(path))
                infos = archive.infolist()
                names = {info.filename: functools.partial(archive.open, info) for info in infos}
            outside = [n for n in names if n.startswith(("/", "\\")) or ".." in Path(n).parts]
            for name in FILES:
                ends = [n for n in names if f"/{n}".endswith(f"/helpers/kernels/{name}")]
                ends = sorted((n for n in ends if n not in outside), key=len)
                if ends:
                    with names[ends[0]]() as file:
                        data = file.read(LONGEST_FILE + 1)
                    if len(data) <= LONGEST_FILE:
                        found[name] = data.decode()
                    else:
                        remarks.append(f"{name}: more than {LONGEST_FILE} bytes, not read")
            for name in [n for n in names if n not in outside and f"/{n}".endswith("/variant.txt")]:
                with names[name]() as file:
                    theirs = file.read(9).decode().strip()
                if theirs != str(variant):
                    remarks.append(f"from the copy of variant {theirs!r}, graded as {variant}")
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as e:
            return found, [f"cannot be read: {e}"[:200]]
    remarks += [f"leads out of the folder, not read: {name!r}"[:100] for name in outside[:3]]
    remarks += [f"helpers/kernels/{name} is missing" for name in FILES if name not in found]
    return found, remarks


def forbidden(source, kernels):
    """List what has no place in a kernel: (one of the names `kernels` or None, line, text) each."""
    tree = ast.parse(source)
    spans = {
        node.name: (node.lineno, node.end_lineno)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in kernels
    }
    found = []
    for node in ast.walk(tree):
        for text in _forbidden_in(node):
            inside = [n for n, (first, last) in spans.items() if first <= node.lineno <= last]
            found.append((inside[0] if inside else None, node.lineno, text))
    return found


def _forbidden_in(node):
    """Yield what is wrong with one node of a syntax tree."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        if isinstance(node, ast.ImportFrom) and node.level:
            start = "helpers.kernels."
        for name in (start + alias.name for alias in node.names):
            parts = name.split(".")
            if parts[0] == "torch" and set(parts) & NOT_OF_TORCH:
                yield f"{name} has no place in a kernel"
            elif parts[0] not in MODULES and not name.startswith("helpers.kernels"):
                yield f"import of {name}"
    elif isinstance(node, ast.Attribute):
        of_torch = isinstance(node.value, ast.Name) and node.value.id in ("torch", "xp", "np")
        if (of_torch and node.attr in NOT_OF_TORCH) or node.attr in NOT_OF_ARRAYS:
            yield f"{ast.unparse(node)[-60:]} has no place in a kernel"
        elif node.attr.startswith("__") and node.attr not in ("__name__", "__doc__"):
            yield f"{node.attr} has no place in a kernel"
    elif isinstance(node, ast.Name) and node.id in NOT_CALLED:
        yield f"{node.id} has no place in a kernel"
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and node.args[1:]:
        name = node.args[1].value if isinstance(node.args[1], ast.Constant) else "__"
        if name in NOT_OF_TORCH | NOT_OF_ARRAYS or "__" in str(name):
            yield f"{ast.unparse(node)[:60]} has no place in a kernel"
