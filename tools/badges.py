"""`make badges REPO=owner/name`: let Colab open the notebooks from the project's repository.

The address stands in pyproject.toml. From there it is copied to where it has to be since nothing
else is at hand: to the first code cell of each notebook, which fetches the course when the
notebook was opened alone, and to the badges, which are links. `make badges` alone copies anew.
"""

import re
import sys

import nbformat

from helpers import __version__
from helpers.files import DataError, atomic_write
from helpers.settings import ROOT

TAG = f"v{__version__}"  # what a notebook fetches is the version that it belongs to
_BADGE = re.compile(r" ?\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")

_FIND = """\
sys.path.insert(0, os.path.abspath(".."))  # the folder that holds helpers/
if not find_spec("helpers"):  # the notebook was opened alone"""
_WITHOUT_ADDRESS = f"""\
import os
import sys
from importlib.util import find_spec

{_FIND}
    raise ModuleNotFoundError("helpers: open the notebook in the folder of the whole course")
"""
_WITH_ADDRESS = f"""\
import os
import subprocess
import sys
from importlib.util import find_spec

{_FIND}, as in Colab: fetch the rest
    address, version = "ADDRESS", "TAG"
    if not os.path.isdir("course"):
        clone = ["git", "-c", "advice.detachedHead=false", "clone", "-qb", version, "--depth=1"]
        subprocess.check_call([*clone, address, "course"])
    subprocess.check_call([sys.executable, "course/tools/bootstrap.py"])
    sys.path.insert(0, os.path.abspath("course"))
"""


def bootstrap(address, tag=TAG):
    """Give the code with which a notebook finds `helpers`, or fetches it.

    Inputs:
        address: of the repository, for `git clone`; None for none, then it can only find
        tag: the version to fetch
    Returns: str, lines of Python
    """
    if address is None:
        return _WITHOUT_ADDRESS
    return _WITH_ADDRESS.replace("ADDRESS", address).replace("TAG", tag)


def badge(address, path, tag=TAG):
    """Give the Markdown of the badge that opens a notebook in Colab; "" without an address."""
    if address is None:
        return ""
    repository = address.removeprefix("https://github.com/")
    target = f"https://colab.research.google.com/github/{repository}/blob/{tag}/{path}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})"


def read_address(root=ROOT):
    """Give the address of the repository, or None where none is set."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(.*)"$', text, re.MULTILINE)
    return found and found[1]


def write_address(address, root=ROOT):
    """Set the address of the repository in pyproject.toml."""
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    line = f'Repository = "{address}"'
    if read_address(root):
        text = re.sub(r'^Repository = ".*"$', line, text, flags=re.MULTILINE)
    else:
        text = text.replace("\n[tool.", f"\n[project.urls]\n{line}\n\n[tool.", 1)
    _write(path, text)


def apply(root=ROOT):
    """Bring every notebook and README.md in line with the address in pyproject.toml.

    Raises: DataError naming a notebook that has no place for it
    """
    address = read_address(root)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        prepare(notebook, address, f"notebooks/{path.name}")
        _write(path, nbformat.writes(notebook) + "\n")
    path = root / "README.md"
    text = _BADGE.sub("", path.read_text(encoding="utf-8"))
    link = re.compile(r"\]\((notebooks/[^)]*\.ipynb)\)")
    text = link.sub(lambda found: f"{found[0]} {badge(address, found[1])}".rstrip(), text)
    _write(path, text)


def prepare(notebook, address, path):
    """Put the badge below a notebook's title, and the bootstrap into its set-up cell.

    Inputs:
        notebook: nbformat's, changed in place
        address: of the repository, or None
        path: of the notebook in the repository, for the badge and for an error
    Raises: DataError for a notebook without a set-up cell
    """
    cells = notebook.cells
    title, _, rest = _BADGE.sub("", cells[0].source).partition("\n")
    parts = (title, badge(address, path), rest.strip("\n"))
    cells[0].source = "\n\n".join(filter(None, parts))
    setup = next((c for c in cells if c.cell_type == "code" and _PATH.search(c.source)), None)
    if setup is None:
        raise DataError(f"{path}: no code cell with sys.path.insert(0, ...); add it to the first")
    before = _PATH.split(setup.source, maxsplit=1)[0]
    _, _, imports = setup.source.removeprefix(before).partition("\n\n")
    setup.source = f"{bootstrap(address)}\n{imports}".strip("\n")


_PATH = re.compile(r"^sys\.path\.insert\(0, ", re.MULTILINE)


def _write(path, text):
    if text != path.read_text(encoding="utf-8"):
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def main(arguments):
    """Set the repository, where one is named, and apply it. Returns: the exit code."""
    if arguments:
        if not re.fullmatch(r"[\w-]+/[\w.-]+", arguments[0]):
            print(f"badges: {arguments[0]!r} is not of the form owner/name", file=sys.stderr)
            return 2
        write_address(f"https://github.com/{arguments[0]}")
    try:
        apply()
    except DataError as error:
        print(f"badges: {error}", file=sys.stderr)
        return 2
    if read_address() is None:
        print("no repository is set: make badges REPO=owner/name")
    else:
        print(f"notebooks and README.md refer to {read_address()} at {TAG}: commit, and tag it so")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
