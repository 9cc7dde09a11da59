"""Figures of the LSTM: the cell as a diagram, its memory and gates over time, gradient flow."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from helpers.plots.cells import GREY, _box, _canvas
from helpers.plots.style import COLORS, use_style


def lstm_cell(gradients=False):
    """Draw one timestep of an LSTM: weights below, the four gates above them, memory on top.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
    Returns: matplotlib Figure
    """
    title = "The same timestep, backwards" if gradients else "One timestep of an LSTM"
    axes = _canvas(title, (8.4, 4.9), 12.4, 6.5)
    _box(axes, (6.25, 3.45), 8.3, 5.1, "", "#f3f3f3")
    _box(axes, (5.3, 1.5), 5.9, 0.75, "$a = x\\,W_x + h_{prev}\\,W_h + b$", COLORS["orange"])
    for x, function in ((3.0, "σ"), (4.5, "σ"), (6.0, "tanh"), (7.5, "σ")):
        color = COLORS["sky"] if function == "tanh" else COLORS["yellow"]
        _box(axes, (x, 2.75), 0.9, 0.55, function, color)
    _box(axes, (9.0, 4.55), 0.9, 0.55, "tanh", COLORS["sky"])
    for x, y, sign in ((3.0, 5.5, "×"), (5.25, 5.5, "+"), (5.25, 4.2, "×"), (9.0, 3.6, "×")):
        axes.add_patch(Circle((x, y), 0.26, facecolor="white", edgecolor=GREY, zorder=3))
        axes.text(x, y - 0.02, sign, ha="center", va="center", fontsize=14, zorder=4)
    for x, y, name, side in (
        (1.2, 5.5, "prev_c", "right"), (11.3, 5.5, "next_c", "left"),
        (1.2, 1.5, "prev_h", "right"), (11.3, 3.6, "next_h", "left"), (5.3, 0.1, "x", "center"),
    ):  # fmt: skip
        axes.text(x, y, name, ha=side, va="center", family="monospace", fontsize=12)
    for corners, width, place, forward, backward in _WIRES:
        color = COLORS["red"] if gradients else COLORS["blue" if width > 2 else "black"]
        _wire(axes, corners[::-1] if gradients else corners, width, color)
        axes.text(*place, backward if gradients else forward, va="center",
                  color=COLORS["red"] if gradients else GREY)  # fmt: skip
    return axes.figure


_WIRES = [
    # corners, line width, where the text stands, what flows forwards, what flows back
    (((1.35, 5.5), (2.74, 5.5)), 3.5, (1.3, 5.85), "", "$dc \\odot f$"),
    (((3.26, 5.5), (4.99, 5.5)), 3.5, (3.9, 5.75), "", "$dc$"),
    (((5.51, 5.5), (11.15, 5.5)), 3.5, (9.6, 5.8), "(N, H)", "$dc_{next}$"),
    (((1.35, 1.5), (2.35, 1.5)), 1.5, (1.3, 1.75), "(N, H)", "$da\\,W_h^T$"),
    (((5.3, 0.3), (5.3, 1.12)), 1.5, (5.45, 0.45), "(N, D)", "$da\\,W_x^T$"),
    (((3.0, 1.88), (3.0, 2.47)), 1.5, (3.08, 2.16), "$a_f$", "$da_f$"),
    (((4.5, 1.88), (4.5, 2.47)), 1.5, (4.58, 2.16), "$a_i$", "$da_i$"),
    (((6.0, 1.88), (6.0, 2.47)), 1.5, (6.08, 2.16), "$a_g$", "$da_g$"),
    (((7.5, 1.88), (7.5, 2.47)), 1.5, (7.58, 2.16), "$a_o$", "$da_o$"),
    (((3.0, 3.03), (3.0, 5.24)), 1.5, (3.08, 3.35), "$f$  keep?", "$df$"),
    (((4.5, 3.03), (4.5, 4.2), (4.99, 4.2)), 1.5, (4.58, 3.35), "$i$  write?", "$di$"),
    (((6.0, 3.03), (6.0, 4.2), (5.51, 4.2)), 1.5, (6.08, 3.35), "$g$  what?", "$dg$"),
    (((5.25, 4.46), (5.25, 5.24)), 1.5, (5.33, 4.85), "", "$dc$"),
    (((7.5, 3.03), (7.5, 3.6), (8.74, 3.6)), 1.5, (7.58, 3.35), "$o$  show?", "$do$"),
    (((9.0, 5.5), (9.0, 4.83)), 1.5, (5.75, 5.15), "",
     "$dh_{next} \\odot o \\odot (1 - \\tanh^2 c_{next})$"),
    (((9.0, 4.27), (9.0, 3.86)), 1.5, (9.15, 4.07), "", "$dh_{next} \\odot o$"),
    (((9.26, 3.6), (11.15, 3.6)), 1.5, (10.4, 3.85), "(N, H)", "$dh_{next}$"),
]  # fmt: skip


def memory_over_time(switches, c, h):
    """Draw which gates are open at each timestep, and below them one memory and what it shows.

    Inputs:
        switches: dict from a gate's name to T numbers, 0 for shut and 1 for open
        c, h: cell state and hidden state of one unit, (T,) each
    Returns: matplotlib Figure
    """
    use_style()
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(7.2, 3.8), sharex=True, height_ratios=(1, 1.4)
    )
    table = np.array(list(switches.values()))  # (gates, T)
    top.imshow(table, cmap=ListedColormap(["white", COLORS["yellow"]]), aspect="auto")
    for row, column in zip(*table.nonzero(), strict=True):
        top.text(column, row, "open", ha="center", va="center", fontsize=9)
    top.set(yticks=range(len(switches)), yticklabels=switches, title="Gates")
    top.grid(visible=False)
    bottom.plot(c, marker="o", label="c, the memory")
    bottom.plot(h, marker="s", linestyle="--", label="h, what is shown")
    bottom.set(title="State", xlabel="timestep t", ylabel="value", ylim=(-0.1, 1.3))
    bottom.legend(loc="upper right", ncols=2)
    return figure


def gradient_flow(curves, dashed=()):
    """Draw the norm of a gradient against the timesteps it has travelled, one line per network.

    Inputs:
        curves: dict from a network's name to norms (T,); entry k is the norm after k timesteps
        dashed: names whose lines are dashed
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(7.4, 4))
    for name, norms in curves.items():
        (line,) = axes.semilogy(norms, "--" if name in dashed else "-", label=name)
        axes.annotate(name, (len(norms) - 1, norms[-1]), (6, 0), textcoords="offset points",
                      va="center", color=line.get_color(), annotation_clip=False)  # fmt: skip
    axes.set(title="How far a gradient reaches", xlabel="distance (timesteps back)",
             ylabel="gradient norm (1 at distance 0)", xlim=(0, len(norms) - 1))  # fmt: skip
    return figure


def gates_over_time(panels, words):
    """Draw gates and states as heat maps: one row per unit, one column per word.

    Inputs:
        panels: dict from a title to values (T, units); in [0, 1], or in [-1, 1] where one is
            negative
        words: T texts, what the network reads at each timestep
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(0.62 * len(words) + 1.4, 1.55 * len(panels)), sharex=True
    )
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        signed = values.min() < 0
        image = axis.imshow(
            values.T, aspect="auto", interpolation="nearest", vmin=-1 if signed else 0, vmax=1,
            cmap="RdBu_r" if signed else "viridis",
        )  # fmt: skip
        axis.set(title=title, ylabel="unit", yticks=[])
        axis.grid(visible=False)
        figure.colorbar(image, ax=axis, ticks=[-1, 0, 1] if signed else [0, 0.5, 1])
    axes[-1].set_xticks(range(len(words)), words, rotation=40, ha="right", rotation_mode="anchor")
    axes[-1].set_xlabel("word that is read")
    return figure


def bleu_scores(scores):
    """Draw BLEU-1 to BLEU-4 of several models, side by side, with the numbers above the bars.

    Inputs: scores: dict from a model's name to a dict from "BLEU-1" ... "BLEU-4" to a score
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(7, 3.2))
    width = 0.8 / len(scores)
    for k, (name, model) in enumerate(scores.items()):
        places = np.arange(len(model)) + (k - (len(scores) - 1) / 2) * width
        bars = axes.bar(places, model.values(), 0.92 * width, label=name)
        axes.bar_label(bars, [f"{score:.2f}" for score in model.values()])
        axes.set_xticks(range(len(model)), model)
    axes.set(title="Captions of pictures kept aside", ylabel="score (0 to 1)", ylim=(0, 1))
    axes.grid(visible=False, axis="x")
    axes.legend()
    return figure


def picture_worth(curves):
    """Draw what the picture is worth to a captioner, word by word.

    Inputs: curves: dict from a model's name to nats, one number per word of the caption
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
    axes.set(title="What the picture is worth", xlabel="word of the caption", ylabel="nats",
             ylim=(0, None))  # fmt: skip
    axes.legend()
    return figure


def _wire(axes, corners, width, color):
    """Draw a line through corners with an arrow head at its end."""
    axes.plot(*zip(*corners[:-1], strict=True), color=color, linewidth=width, zorder=1)
    style = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0,
             "mutation_scale": 8 + 2 * width}  # fmt: skip
    axes.annotate("", corners[-1], corners[-2], arrowprops=style, zorder=1)
