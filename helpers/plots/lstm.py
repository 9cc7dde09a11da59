"""Figures of the LSTM: the cell as a diagram, its gates over time, and gradient flow."""

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, FancyBboxPatch

from helpers.plots.style import COLORS, use_style

MEMORY, HIDDEN, WIRE = COLORS["red"], COLORS["blue"], "#666666"


def lstm_cell():
    """Draw one timestep of an LSTM: pre-activations below, gates above them, memory on top.

    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(8, 4.7))
    axes.set(xlim=(0, 10.6), ylim=(0, 6.2), aspect="equal")
    axes.axis("off")
    _box(axes, 5.15, 3.3, 7.5, 4.9, "", face="#f6f6f6", edge="#bbbbbb")
    _draw_wires(axes)
    _box(axes, 4.4, 1.45, 5.4, 0.7, r"$a = x\,W_x + prev\_h\,W_h + b$   (N, 4H)", face="white")
    for x, name, function, role in (
        (2.3, "f", r"$\sigma$", "keep?"),
        (3.7, "i", r"$\sigma$", "write?"),
        (5.1, "g", "tanh", "what?"),
        (6.5, "o", r"$\sigma$", "show?"),
    ):
        face = "#d7ecdf" if function == "tanh" else "#d6e6f4"
        _box(axes, x, 2.55, 0.85, 0.55, function, face=face)
        axes.text(x + 0.1, 2.04, f"$a_{name}$", va="center", fontsize=10)
        axes.text(x - 0.1, 3.0, f"${name}$", ha="right", va="center", fontsize=12, weight="bold")
        axes.text(x + 0.1, 3.0, role, va="center", fontsize=9, color="#444444", style="italic")
    _box(axes, 7.9, 4.4, 0.85, 0.55, "tanh", face="#d7ecdf")
    for x, y, sign in ((2.3, 5.2, "×"), (4.4, 5.2, "+"), (4.4, 3.9, "×"), (7.9, 3.5, "×")):
        axes.add_patch(Circle((x, y), 0.24, facecolor="#fdebc8", edgecolor="#444444", zorder=3))
        axes.text(x, y - 0.015, sign, ha="center", va="center", fontsize=13, zorder=4)
    return figure


def _draw_wires(axes):
    """Draw the arrows of `lstm_cell`: the memory on top, the gates' wires, the hidden state."""
    _wire(axes, [(0.9, 5.2), (9.6, 5.2)], MEMORY, width=3.5)
    for x, y, label, color, side in (
        (0.8, 5.2, "$prev\\_c$", MEMORY, "right"),
        (9.7, 5.2, "$next\\_c$", MEMORY, "left"),
        (0.8, 1.45, "$prev\\_h$", HIDDEN, "right"),
        (9.7, 3.5, "$next\\_h$", HIDDEN, "left"),
    ):
        axes.text(x, y, label, ha=side, va="center", fontsize=12, color=color)
    axes.text(4.4, 0.08, "$x$", ha="center", va="center", fontsize=12)
    _wire(axes, [(0.9, 1.45), (1.68, 1.45)], HIDDEN, width=2)
    _wire(axes, [(4.4, 0.3), (4.4, 1.08)], "#222222", width=2)
    for x in (2.3, 3.7, 5.1, 6.5):
        _wire(axes, [(x, 1.8), (x, 2.26)])
    _wire(axes, [(2.3, 2.82), (2.3, 4.94)])
    _wire(axes, [(3.7, 2.82), (3.7, 3.9), (4.14, 3.9)])
    _wire(axes, [(5.1, 2.82), (5.1, 3.9), (4.66, 3.9)])
    _wire(axes, [(4.4, 4.14), (4.4, 4.94)])
    _wire(axes, [(6.5, 2.82), (6.5, 3.5), (7.64, 3.5)])
    _wire(axes, [(7.9, 5.2), (7.9, 4.7)], MEMORY, width=2)
    _wire(axes, [(7.9, 4.12), (7.9, 3.76)])
    _wire(axes, [(8.14, 3.5), (9.6, 3.5)], HIDDEN, width=2)


def _wire(axes, points, color=WIRE, width=1.4):
    """Draw a line through points with an arrow head at its end."""
    if len(points) > 2:
        axes.plot(*zip(*points[:-1], strict=True), color=color, lw=width, zorder=1)
    style = {"arrowstyle": "-|>", "color": color, "lw": width, "shrinkA": 0, "shrinkB": 0,
             "mutation_scale": 8 + 3 * width}  # fmt: skip
    axes.annotate("", points[-1], points[-2], arrowprops=style, zorder=1)


def _box(axes, x, y, width, height, text, face, edge="#444444"):
    """Draw a rounded box around (x, y) with a text in it."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=face, edgecolor=edge)
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=11, zorder=4)
