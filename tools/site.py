"""`make site`: the notebooks, with their stored outputs, as linked web pages.

nbconvert turns each into a page with the template in tools/site_template/. The first page is
the part of README.md that introduces the course.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat

from helpers.files import atomic_write
from helpers.settings import ROOT
from tools.offline import OfflineHTMLExporter

_LINK = re.compile(r'(href="|\]\()(?:notebooks/)?(\d\d_\w+)\.ipynb')


def introduction(readme):
    """Make a notebook of README.md's beginning and of its list of notebooks.

    Inputs: readme: str, Markdown
    Returns: nbformat's notebook, of one cell
    """
    before, *sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    listed = [section for section in sections if section.startswith("## The notebooks")]
    cell = nbformat.v4.new_markdown_cell("\n".join([before, *listed]))
    return nbformat.v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python"}})


def build(folder, root=ROOT):
    """Write the site.

    Inputs:
        folder: where to, made if need be; files of the same names are overwritten
        root: of the project
    Returns: list of Path, the pages in their order, index.html first
    """
    folder = Path(folder)
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    notebooks = {"index": introduction((root / "README.md").read_text(encoding="utf-8"))}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebooks[path.stem] = nbformat.read(path, as_version=4)
    pages = [{"file": f"{name}.html", "title": _title(n)} for name, n in notebooks.items()]
    exporter = OfflineHTMLExporter()
    for number, notebook in enumerate(notebooks.values()):
        notebook.metadata["title"] = pages[number]["title"]
        html, _ = exporter.from_notebook_node(notebook, {"links": _links(pages, number)})
        with atomic_write(folder / pages[number]["file"]) as temporary:
            temporary.write_text(_LINK.sub(r"\1\2.html", html), encoding="utf-8")
    for picture in (root / "docs").iterdir():
        shutil.copy(picture, folder / "docs")
    return [folder / page["file"] for page in pages]


def _title(notebook):
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# ")


def _links(pages, number):
    """Give (relation, page) of the pages that a page leads to: back, start and on."""
    found = [("prev", pages[number - 1])] if number > 1 else []
    found += [("home", pages[0])] if number else []
    return found + ([("next", pages[number + 1])] if number + 1 < len(pages) else [])


if __name__ == "__main__":
    print("The site begins at", build(sys.argv[1] if len(sys.argv) > 1 else "build/site")[0])
