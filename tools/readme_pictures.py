"""The pictures of README.md: figures of the notebooks, as their stored outputs have them."""

import base64
import re

import nbformat

from helpers.files import atomic_write
from helpers.settings import ROOT

SOURCES = {  # file in docs/, less its ending -> notebook, id of the cell that draws it
    "gallery": ("05_pretrained_captioning", "gallery"),
    "failures": ("05_pretrained_captioning", "words"),
    "located": ("05_pretrained_captioning", "located"),
    "maps": ("04_attention", "maps"),
    "scenes": ("03_lstm", "gallery"),
}
_IMAGE = re.compile(r'src="data:image/(png|jpeg);base64,([^"]+)"')


def figure(notebook: str, cell_id: str) -> tuple[str, bytes]:
    """Read a cell's last picture.

    Returns: "png" or "jpeg", and the file's content
    Raises: LookupError where the cell has none.
    """
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    shown = [output.get("data", {}) for output in cells[cell_id].outputs]
    found = [("png", data["image/png"]) for data in shown if "image/png" in data]
    found += _IMAGE.findall("".join(data.get("text/html", "") for data in shown))
    if not found:
        raise LookupError(f"{path.name}: cell {cell_id} has no figure stored; run make outputs")
    kind, content = found[-1]
    return kind, base64.b64decode(content)


def main() -> None:
    """Write the pictures to docs/."""
    for name, source in SOURCES.items():
        kind, content = figure(*source)
        with atomic_write(ROOT / "docs" / f"{name}.{kind}") as temporary:
            temporary.write_bytes(content)


if __name__ == "__main__":
    main()
