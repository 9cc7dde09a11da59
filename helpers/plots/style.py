"""One look for all figures."""

import base64
import html
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.image import AxesImage

from helpers.files import atomic_write

# Okabe and Ito 2008, "Color universal design": told apart by colour-blind readers too.
COLORS = {
    "blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00",
    "purple": "#CC79A7", "sky": "#56B4E9", "yellow": "#F0E442", "black": "#222222",
}  # fmt: skip

GREY = "#555555"
BACK = "#C1121F"  # gradients: redder than the palette's vermilion, beside orange boxes

# JupyterLab's dark theme: lines and diagrams follow, pictures stay as they are.
_DARK = """<style>[data-jp-theme-light=false] img.drawing
{filter: invert(0.93) hue-rotate(180deg)}</style>"""
_LARGE = {"svg": 300_000, "png": 100_000}  # bytes


def subplots(*grid, **options):
    """Return a new figure in the course's style, and its axes; see matplotlib's `subplots`."""
    plt.rcParams.update({
        "figure.dpi": 100, "figure.facecolor": "white", "savefig.facecolor": "white",
        "figure.constrained_layout.use": True, "axes.grid": True, "axes.axisbelow": True,
        "axes.prop_cycle": plt.cycler(color=list(COLORS.values())), "grid.color": "#dddddd",
        "axes.spines.top": False, "axes.spines.right": False, "font.size": 10,
        "axes.titlesize": 11, "legend.frameon": False,
        "svg.hashsalt": "",  # names inside an SVG do not vary
    })  # fmt: skip
    return plt.subplots(*grid, **options)


def show(figure, alt):
    """Show a figure, and `alt`, what is to be seen, for those who do not see it; then close it.

    Lines and diagrams become SVG, which is sharp at any size; a figure that holds pictures
    becomes a PNG, or a JPEG where that is large, with two pixels for each of the page's.
    """
    kind, data = _encode(figure)
    inches = figure.get_tightbbox().width + 2 * plt.rcParams["savefig.pad_inches"]
    image = (
        f'<img class="{"drawing" if kind == "svg+xml" else "picture"}" alt="{html.escape(alt)}" '
        f'width="{round(100 * inches)}" style="max-width: 100%; height: auto" '
        f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
    )
    plt.close(figure)
    display({"text/html": _DARK + image, "text/plain": f"Figure: {alt}"}, raw=True)


def write_figure(figure, path):
    """Write a figure to a file, whole or not at all, and close it; a path without a dot is a PNG.

    Raises: OSError where the file cannot be written.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format=Path(path).suffix[1:] or "png")
    plt.close(figure)
    with atomic_write(path) as temporary:
        temporary.write_bytes(drawn.getvalue())


def _encode(figure):
    """Return (kind, bytes) of a figure: "svg+xml", "png" or "jpeg"."""
    if not figure.findobj(AxesImage):
        drawn = _save(figure, "svg", metadata={"Date": None})
        if len(drawn) < _LARGE["svg"]:
            return "svg+xml", drawn
    drawn = _save(figure, "png", dpi=200, pil_kwargs={"optimize": True})
    if len(drawn) < _LARGE["png"]:
        return "png", drawn
    smaller = _save(figure, "jpeg", dpi=200, pil_kwargs={"quality": 80, "progressive": True})
    return min(("jpeg", smaller), ("png", drawn), key=lambda encoded: len(encoded[1]))


def _save(figure, kind, **options):
    file = io.BytesIO()
    figure.savefig(file, format=kind, bbox_inches="tight", **options)
    if kind == "svg":  # a hundredth of a point is enough
        return re.sub(rb"(\b[1-9]\d*\.\d\d)\d+", rb"\1", file.getvalue())
    return file.getvalue()
