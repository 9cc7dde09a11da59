"""The pictures of README.md: figures of the notebooks, as their stored outputs have them."""

import base64

import nbformat

from helpers.files import atomic_write
from helpers.settings import ROOT

SOURCES = {  # file in docs/ -> notebook, id of the cell that draws it
    "gallery.png": ("05_pretrained_captioning", "guided-captions"),
    "maps.png": ("04_attention", "maps"),
    "scenes.png": ("03_lstm", "gallery"),
}


def figure(notebook: str, cell_id: str) -> bytes:
    """Return the PNG of a cell's last figure. Raises: LookupError where there is none."""
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    found = [
        output.data["image/png"]
        for output in cells[cell_id].outputs
        if "image/png" in output.get("data", {})
    ]
    if not found:
        raise LookupError(f"{path.name}: cell {cell_id} has no figure stored; run make outputs")
    return base64.b64decode(found[-1])


def main() -> None:
    """Write the pictures to docs/."""
    for name, source in SOURCES.items():
        with atomic_write(ROOT / "docs" / name) as temporary:
            temporary.write_bytes(figure(*source))


if __name__ == "__main__":
    main()
