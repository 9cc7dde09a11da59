"""Figures of attention: the cell as a diagram, maps over pictures, weights, scores of models."""

import textwrap

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.patches import Rectangle

from helpers.plots.cells import BACK, GREY, _arrow, _box, _canvas
from helpers.plots.style import COLORS, subplots

# From clear to strong: what has no weight leaves the picture as it is.
MAP_COLORS = LinearSegmentedColormap.from_list(
    "attention", [(1, 0.9, 0.3, 0), (1, 0.62, 0, 0.6), (0.84, 0.15, 0, 0.9), (0.45, 0, 0.25, 0.97)]
)


def attention_lstm_cell(gradients=False):
    """Draw one timestep of the attention LSTM, with its three ways in from the past, numbered.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
    """
    title = "The same timestep, backwards" if gradients else "One timestep of the attention LSTM"
    axes = _canvas(title, (8.4, 4.6), 12.8, 6.6)
    _box(axes, (6.4, 3.4), 8.4, 5.4, "", "#f3f3f3")
    _box(axes, (3.95, 4.7), 2.1, 0.95, "softmax of\nquery · keys / $\\sqrt{H}$",
         COLORS["yellow"], 10)  # fmt: skip
    _box(axes, (6.7, 4.7), 1.5, 0.95, "weighted\nmean", COLORS["yellow"], 10)
    _box(axes, (6.7, 3.55), 0.9, 0.56, "$W_{attn}$", COLORS["orange"], 11)
    _box(axes, (4.1, 1.75), 0.9, 0.56, "$W_h$", COLORS["orange"], 11)
    _box(axes, (6.7, 0.98), 0.9, 0.46, "$W_x$", COLORS["orange"], 11)
    _box(axes, (6.7, 1.75), 0.5, 0.46, "+")
    _box(axes, (9.1, 1.75), 1.9, 1.1, "gates of the\nLSTM", COLORS["sky"], 11)
    for x, y, name, side in (
        (1.35, 1.75, "prev_h", "right"), (1.35, 4.7, "prev_h", "right"),
        (1.35, 2.75, "prev_c", "right"), (11.5, 1.75, "next_h", "left"),
        (11.5, 2.75, "next_c", "left"), (6.7, 0.02, "x", "center"), (5.3, 6.42, "A", "center"),
    ):  # fmt: skip
        axes.text(x, y, name, ha=side, va="center", family="monospace", fontsize=12)
    for points, way, place, forward, backward in _WIRES:
        color = BACK if gradients else COLORS["blue" if way else "black"]
        corners = points[::-1] if gradients else points
        axes.plot(*zip(*corners[:-1], strict=True), color=color, linewidth=1.4, zorder=1)
        _arrow(axes, corners[-2], corners[-1], color)
        axes.text(*place, backward if gradients else forward, va="center", fontsize=9.5,
                  color=BACK if gradients else GREY)  # fmt: skip
        if way:
            axes.text(1.9, points[0][1], way, color="white", ha="center", va="center",
                      fontsize=9.5, weight="bold", bbox={"boxstyle": "circle,pad=0.18",
                      "facecolor": color, "edgecolor": color})  # fmt: skip
    return axes.figure


_WIRES = [
    # corners, number of the way to the past, where the text stands, what flows forwards, what back
    (((1.45, 1.75), (3.65, 1.75)), "1", (2.3, 1.47), "(N, H)", "$da\\,W_h^T$"),
    (((1.45, 4.7), (2.9, 4.7)), "2", (2.24, 4.98), "query", ""),
    (((1.45, 2.75), (8.8, 2.75), (8.8, 2.3)), "3", (2.3, 3.0), "memory", "$dc \\odot f$"),
    (((4.55, 1.75), (6.45, 1.75)), "", (5.4, 2.0), "", "$da$"),
    (((5.3, 6.2), (5.3, 5.65), (3.95, 5.65), (3.95, 5.18)), "", (4.05, 5.4), "keys", "as keys"),
    (((5.3, 5.65), (6.7, 5.65), (6.7, 5.18)), "", (6.8, 5.4), "values", "as values"),
    (((5.0, 4.7), (5.95, 4.7)), "", (5.06, 4.97), "$\\alpha$ (N, P)", "$d\\alpha$"),
    (((6.7, 4.22), (6.7, 3.83)), "", (6.8, 4.03), "attn (N, H)", "$d\\mathrm{attn}$"),
    (((6.7, 3.27), (6.7, 1.98)), "", (6.8, 2.35), "", "$da$"),
    (((6.7, 0.22), (6.7, 0.75)), "", (6.85, 0.32), "(N, D)", "$dx$"),
    (((6.7, 1.21), (6.7, 1.52)), "", (6.8, 1.36), "", "$da$"),
    (((6.95, 1.75), (8.15, 1.75)), "", (7.05, 2.0), "$a$ (N, 4H)", "$da$"),
    (((10.05, 1.75), (11.4, 1.75)), "", (10.72, 2.0), "(N, H)", "$dh_{next}$"),
    (((9.4, 2.3), (9.4, 2.75), (11.4, 2.75)), "", (10.72, 3.0), "(N, H)", "$dc_{next}$"),
]


def attention_maps(pictures, captions, labels=None, boxes=None, columns=5, shown="attention"):
    """Show where a model looked: one panel per word over the picture, on one shared scale.

    Inputs:
        pictures: for each caption its picture, an array (S, S, 3) or a square PIL image; the
            same one several times for a beam's alternatives
        captions: list of `decoding.Caption` with maps
        labels: one text per caption, to stand over its picture
        boxes: for each caption a dict from a step to the (x, y, width, height) of what its word
            names, drawn in blue with a dot at the most attended cell's centre
        shown: what the weights are, for the bar's label
        columns: panels per line; the picture is the first of them, a long caption takes several
    """
    lines = [-(-(len(caption.words) + 1) // columns) for caption in captions]
    figure, grid = subplots(
        sum(lines), columns, figsize=(1.35 * columns + 0.8, 1.58 * sum(lines)), squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    # one scale for all of them; the map of <END> counts only where there is no other
    top = max(caption.alpha[: len(caption.words) or 1].max() for caption in captions)
    scale = ScalarMappable(PowerNorm(0.6, 0, top), MAP_COLORS)  # small weights show, too
    first = 0
    for k, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        panels = grid[first : first + lines[k]].flat
        first += lines[k]
        panels[0].imshow(picture)
        panels[0].set_title(labels[k] if labels else "the picture", fontsize=11)
        for t, word in enumerate(caption.words):
            axes = panels[t + 1]
            _draw_map(axes, picture, caption.alpha[t], scale)
            axes.set_title(word, fontsize=11)
            for box in (boxes[k] if boxes else {}).get(t, ()):
                axes.add_patch(Rectangle(box[:2], *box[2:], fill=False, edgecolor=COLORS["blue"],
                                         linewidth=1.8))  # fmt: skip
            if boxes and t in boxes[k]:
                axes.plot(*_peak(caption.alpha[t], len(np.asarray(picture))), "o", color="white",
                          markeredgecolor=COLORS["blue"], markersize=7)  # fmt: skip
    bar = figure.colorbar(scale, ax=grid[:, -1], fraction=0.08, aspect=22)
    bar.set_label(f"{shown} weight of a position")
    return figure


def _draw_map(axes, picture, alpha, scale):
    """Lay a map (P,) over a grey copy of its picture, a square for each position."""
    grey = np.asarray(picture, dtype=float)[..., :3].mean(-1)  # (S, S)
    size, side = len(grey), round(len(alpha) ** 0.5)
    axes.imshow(grey, cmap="gray", vmin=-120, vmax=265)  # pale, so that the map stands out
    axes.imshow(
        alpha.reshape(side, side), norm=scale.norm, cmap=scale.cmap, interpolation="nearest",
        extent=(0, size, size, 0),
    )  # fmt: skip


def _peak(alpha, size):
    """Return x and y of the most attended cell's centre, in pixels."""
    side = round(len(alpha) ** 0.5)
    row, column = divmod(int(alpha.argmax()), side)
    return (column + 0.5) * size / side, (row + 0.5) * size / side


def largest_weight(sizes, curves):
    """Draw the largest attention weight against the size of query and keys.

    Inputs: sizes: H, in rising order; curves: dict from a name to the mean largest weight at each
    """
    figure, axes = subplots(figsize=(6, 3.1))
    for (name, values), style in zip(curves.items(), ("--", "-"), strict=False):
        axes.semilogx(sizes, values, style, marker=".", base=2, label=name)
    axes.set(title="Attention to random positions", xlabel="size of query and keys, H",
             ylabel="largest weight (0 to 1)", ylim=(0, 1.03))  # fmt: skip
    axes.legend(loc="center right")
    return figure


def query_length(lengths, weights, shown):
    """Draw attention weights against the length of the query, and as bars at one length.

    Inputs: lengths: (L,), in rising order; weights: of each position at each of them, (L, P);
        shown: which of the lengths the bars show, an index
    """
    figure, (left, right) = subplots(1, 2, figsize=(8.6, 3.1), width_ratios=(1.6, 1))
    colors = colormaps["viridis"](np.linspace(0, 0.9, weights.shape[1]))
    for position, color in enumerate(colors):
        left.plot(lengths, weights[:, position], color=color)
    left.axvline(lengths[shown], color=GREY, linestyle="--")
    left.set(title="Eight positions, one direction of the query", xlabel="length of the query",
             ylabel="attention weight", ylim=(0, 1.03), xlim=(lengths[0], lengths[-1]))  # fmt: skip
    places = np.arange(1, weights.shape[1] + 1)
    right.bar(places, weights[shown], color=colors)
    right.set(title=f"At length {lengths[shown]:g}", xlabel="position", ylim=(0, 1.03))
    right.set_xticks(places)
    right.grid(visible=False, axis="x")
    return figure


def seed_scores(results, metrics=("BLEU-4", "CIDEr-D")):
    """Draw what several models reach, one panel per metric, one dot per seed.

    Inputs: results: dict from a model's name to a list with, for each seed, a dict from a way of
        decoding to a dict of scores; metrics: keys of the latter
    """
    figure, grid = subplots(1, len(metrics), figsize=(8.6, 3.4), squeeze=False)
    for axes, metric in zip(grid[0], metrics, strict=True):
        for place, seeds in enumerate(results.values()):
            for k, (name, marker) in enumerate(zip(seeds[0], "os", strict=False)):
                values = [seed[name][metric] for seed in seeds]
                x = place + 0.3 * k - 0.15
                color = COLORS["sky" if k == 0 else "blue"]
                axes.plot([x] * len(values), values, marker, color=color, markersize=6,
                          label=None if place else name)  # fmt: skip
                axes.hlines(np.mean(values), x - 0.12, x + 0.12, color=COLORS["black"])
        axes.set_xticks(range(len(results)), [textwrap.fill(name, 14) for name in results])
        unit = "0 to 10" if "CIDEr" in metric else "0 to 1"
        axes.set(title=f"{metric}, held-out scenes", ylabel=f"{metric} ({unit})",
                 xlim=(-0.5, len(results) - 0.5))  # fmt: skip
        axes.margins(y=0.15)
        axes.grid(visible=False, axis="x")
    grid[0, 0].legend(loc="upper left", fontsize=9)
    return figure
