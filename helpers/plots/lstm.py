"""Figures of the LSTM: its cell, memory and gates, how gradients shrink in it, its captions."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from helpers.plots.cells import BACK, GREY, _box, _canvas
from helpers.plots.style import COLORS, subplots


def lstm_cell(gradients=False):
    """Draw one timestep of an LSTM: weights below, the four gates above them, memory on top.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
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
        color = BACK if gradients else COLORS["blue" if width > 2 else "black"]
        _wire(axes, corners[::-1] if gradients else corners, width, color)
        axes.text(*place, backward if gradients else forward, va="center",
                  color=BACK if gradients else GREY)  # fmt: skip
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

    Inputs: switches: dict from a gate's name to T numbers, 0 for shut and 1 for open; c, h: cell
        state and hidden state of one unit, (T,) each
    """
    figure, (top, bottom) = subplots(2, 1, figsize=(7.2, 3.8), sharex=True, height_ratios=(1, 1.4))
    table = np.array(list(switches.values()))  # (gates, T)
    top.pcolormesh(table, cmap=ListedColormap(["white", COLORS["yellow"]]))
    top.invert_yaxis()
    for row, column in zip(*table.nonzero(), strict=True):
        top.text(column + 0.5, row + 0.5, "open", ha="center", va="center", fontsize=9)
    top.set(yticks=np.arange(len(switches)) + 0.5, yticklabels=switches, title="Gates")
    top.grid(visible=False)
    times = np.arange(len(c)) + 0.5  # the middle of each timestep's column
    bottom.plot(times, c, marker="o", label="c, the memory")
    bottom.plot(times, h, marker="s", linestyle="--", label="h, what is shown")
    bottom.set_xticks(times, range(len(c)))
    bottom.set(title="State", xlabel="timestep t", ylabel="value", ylim=(-0.1, 1.3))
    bottom.legend(loc="upper right", ncols=2)
    return figure


def memory_kept(curves):
    """Draw what a memory keeps of a 1 that was written into it, one line per forget bias.

    Inputs: curves: dict from a forget bias to the memory after 0, 1, 2, ... timesteps
    """
    figure, axes = subplots(figsize=(7.4, 3.4))
    styles = zip(curves.items(), ("-", "--", "-.", ":"), strict=False)
    for (bias, memory), style in styles:
        label = f"$b_f$ = {bias:g},  f = {memory[1]:.3f}"
        axes.plot(memory, style, linewidth=1.8, label=label)
    axes.axhline(0.5, color=GREY, linewidth=0.8)
    axes.annotate("half", (len(memory) - 1, 0.5), (0, 4), textcoords="offset points",
                  ha="right", color=GREY)  # fmt: skip
    axes.set(title="How long a memory lasts", xlabel="timesteps after writing", ylabel="memory c",
             xlim=(0, len(memory) - 1), ylim=(0, 1.03))  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def gradient_ways(panels, lowest=1e-24):
    """Draw how a gradient shrinks on its different ways back, one panel per network.

    Inputs:
        panels: dict from a panel's title to a dict from the name of a way to norms (T,); entry k
            is the norm after k timesteps
        lowest: end of the logarithmic axis
    """
    figure, row = subplots(1, len(panels), figsize=(9.4, 3.8), sharey=True, squeeze=False)
    for axes, (title, ways) in zip(row[0], panels.items(), strict=True):
        for (name, norms), style in zip(ways.items(), ("-", "--", "-.", ":"), strict=False):
            some = range(0, len(norms), max(1, len(norms) // 40))  # the file stays small
            axes.semilogy(some, norms[:: some.step], style, linewidth=1.8, label=name)
        axes.set(title=title, xlabel="distance (timesteps back)", xlim=(0, len(norms) - 1),
                 ylim=(lowest, 1e2))  # fmt: skip
    row[0][0].set_ylabel("norm of dc (1 at distance 0)")
    figure.legend(*row[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def eigenvalues(spectra):
    """Draw the eigenvalues of one timestep's Jacobian in the complex plane, one panel per network.

    Inputs: spectra: dict from a panel's title to complex numbers
    """
    figure, row = subplots(1, len(spectra), figsize=(9.4, 2.9), sharey=True, squeeze=False)
    circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    for axes, (title, values) in zip(row[0], spectra.items(), strict=True):
        axes.plot(circle.real, circle.imag, color=GREY, linewidth=0.9)
        axes.plot(values.real, values.imag, ".", color=COLORS["blue"], markersize=5)
        axes.set(title=title, xlabel="real part", aspect="equal", xlim=(-1.15, 1.15),
                 ylim=(-1.15, 1.15), xticks=(-1, 0, 1), yticks=(-1, 0, 1))  # fmt: skip
    row[0][0].set_ylabel("imaginary part")
    return figure


def gates_over_time(panels, words):
    """Draw gates and states as heat maps: one row per unit, one column per word.

    Inputs: panels: dict from a title to values (T, units), in [0, 1], or in [-1, 1] where one is
        negative; words: T texts, what the network reads at each timestep
    """
    figure, axes = subplots(
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


def bleu_scores(runs):
    """Draw BLEU-1 to BLEU-4 of several models: bars for the mean over seeds, a dot for each seed.

    Inputs: runs: dict from a model's name to a list of one dict per seed, from "BLEU-1" ...
        "BLEU-4" to a score
    """
    figure, axes = subplots(figsize=(7.6, 3.4))
    width = 0.8 / len(runs)
    for k, (name, seeds) in enumerate(runs.items()):
        names = [f"BLEU-{n}" for n in (1, 2, 3, 4)]
        scores = np.array([[scores[name] for name in names] for scores in seeds])  # (seeds, 4)
        places = np.arange(4) + (k - (len(runs) - 1) / 2) * width
        bars = axes.bar(places, scores.mean(0), 0.92 * width, label=name, alpha=0.75)
        axes.bar_label(bars, [f"{mean:.2f}" for mean in scores.mean(0)], label_type="center")
        for row in scores:
            axes.plot(places, row, "o", color=COLORS["black"], markersize=3)
    axes.set_xticks(range(4), names)
    axes.set(title="Captions of held-out scenes", ylabel="score (0 to 1)", ylim=(0, 1))
    axes.grid(visible=False, axis="x")
    axes.legend()
    return figure


def picture_worth(runs, lead):
    """Draw what the picture is worth to two captioners, word by word, and the lead of the second.

    Inputs: runs: dict from a model's name to nats (seeds, words); lead: title of the right panel,
        the second model's nats minus the first one's
    """
    figure, (left, right) = subplots(1, 2, figsize=(9.4, 3.5))
    first, second = (np.asarray(nats) for nats in runs.values())
    words = np.arange(1, first.shape[1] + 1)
    panels = [(left, name, nats) for name, nats in runs.items()] + [(right, None, second - first)]
    for (axes, name, nats), color in zip(panels, ("blue", "orange", "black"), strict=True):
        axes.plot(words, np.transpose(nats), color=COLORS[color], linewidth=0.7, alpha=0.6)
        marker = "s" if color == "orange" else "o"
        axes.plot(words, np.mean(nats, 0), marker + "-", color=COLORS[color], label=name)
    left.set(title="What the picture is worth", xlabel="word of the caption", ylabel="nats",
             ylim=(0, None))  # fmt: skip
    left.legend(title="thick: mean over seeds")
    right.axhline(0, color=GREY, linewidth=0.9)
    right.set(title=lead, xlabel="word of the caption", ylabel="difference in nats")
    return figure


def _wire(axes, corners, width, color):
    """Draw a line through corners with an arrow head at its end."""
    axes.plot(*zip(*corners[:-1], strict=True), color=color, linewidth=width, zorder=1)
    style = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0,
             "mutation_scale": 8 + 2 * width}  # fmt: skip
    axes.annotate("", corners[-1], corners[-2], arrowprops=style, zorder=1)
