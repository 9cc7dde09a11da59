"""One look for all figures."""

import io
import sys

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito 2008, "Color universal design": told apart by colour-blind readers too.
COLORS = {
    "blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00",
    "purple": "#CC79A7", "sky": "#56B4E9", "yellow": "#F0E442", "black": "#222222",
}  # fmt: skip


def use_style():
    """Set matplotlib's defaults for this course: 100 dpi, white ground, a quiet grid."""
    plt.rcParams.update({
        "figure.dpi": 100,
        "savefig.dpi": 100,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "figure.constrained_layout.use": True,
        "axes.prop_cycle": plt.cycler(color=list(COLORS.values())),
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 10,
        "axes.titlesize": 11,
        "legend.frameon": False,
    })  # fmt: skip
    _set_up_notebook()


def _set_up_notebook():
    """Have a notebook store a figure with few colours, in a third of the bytes, and no size.

    IPython's text for a figure gives its size, which varies with the words under a picture.
    """
    if "IPython" not in sys.modules or (shell := sys.modules["IPython"].get_ipython()) is None:
        return
    if hasattr(shell, "kernel"):
        import matplotlib_inline.backend_inline  # noqa: F401  its own formatter comes first

        formatters = shell.display_formatter.formatters
        formatters["image/png"].for_type(Figure, _small_png)
        formatters["text/plain"].for_type(Figure, lambda _, printer, __: printer.text("<Figure>"))


def _small_png(figure):
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight")
    colours = getattr(figure, "colours", 64)  # photographs need more
    Image.open(drawn).convert("RGB").quantize(colours, kmeans=1).save(small, "PNG", optimize=True)
    return small.getvalue()
