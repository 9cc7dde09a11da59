"""Figures of attention: the cell as a diagram, maps over pictures, how they score and spread."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from helpers.plots.cells import GREY, _arrow, _box, _canvas
from helpers.plots.style import COLORS, use_style

# From clear to strong: what has no weight leaves the picture as it is.
MAP_COLORS = LinearSegmentedColormap.from_list(
    "attention", [(1, 0.9, 0.3, 0), (1, 0.62, 0, 0.6), (0.84, 0.15, 0, 0.9), (0.45, 0, 0.25, 0.97)]
)


def attention_lstm_cell(gradients=False):
    """Draw one timestep of the attention LSTM; thick lines are the ways of the hidden state.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
    Returns: matplotlib Figure
    """
    title = "The same timestep, backwards" if gradients else "One timestep of the attention LSTM"
    axes = _canvas(title, (8.4, 4.5), 12.6, 6.4)
    _box(axes, (6.2, 3.3), 8.2, 5.3, "", "#f3f3f3")
    _box(axes, (3.5, 4.6), 2.1, 0.95, "softmax of\nquery · keys / $\\sqrt{H}$",
         COLORS["yellow"], 10)  # fmt: skip
    _box(axes, (6.4, 4.6), 1.5, 0.95, "weighted\nmean", COLORS["yellow"], 10)
    _box(axes, (6.4, 3.45), 0.9, 0.56, "$W_{attn}$", COLORS["orange"], 11)
    _box(axes, (4.1, 1.75), 0.9, 0.56, "$W_h$", COLORS["orange"], 11)
    _box(axes, (6.4, 0.98), 0.9, 0.46, "$W_x$", COLORS["orange"], 11)
    _box(axes, (6.4, 1.75), 0.5, 0.46, "+")
    _box(axes, (8.8, 1.75), 1.9, 1.1, "gates of the\nLSTM", COLORS["sky"], 11)
    for x, y, name, side in (
        (1.25, 1.75, "prev_h", "right"), (1.25, 2.75, "prev_c", "right"),
        (11.3, 1.75, "next_h", "left"), (11.3, 2.75, "next_c", "left"),
        (6.4, 0.02, "x", "center"), (5.0, 6.28, "A", "center"),
    ):  # fmt: skip
        axes.text(x, y, name, ha=side, va="center", family="monospace", fontsize=12)
    for points, thick, place, forward, backward in _WIRES:
        color = COLORS["red"] if gradients else COLORS["blue" if thick else "black"]
        corners = points[::-1] if gradients else points
        axes.plot(*zip(*corners[:-1], strict=True), color=color, linewidth=1.4, zorder=1)
        _arrow(axes, corners[-2], corners[-1], color)
        axes.text(*place, backward if gradients else forward, va="center", fontsize=9.5,
                  color=COLORS["red"] if gradients else GREY)  # fmt: skip
    return axes.figure


_WIRES = [
    # corners, part of a way of prev_h, where the text stands, what flows forwards, what back
    (((1.35, 1.75), (3.65, 1.75)), True, (2.35, 1.45), "(N, H)", "$da\\,W_h^T$"),
    (((2.2, 1.75), (2.2, 4.6), (2.45, 4.6)), True, (2.3, 3.4), "query", "through the query"),
    (((4.55, 1.75), (6.15, 1.75)), True, (5.2, 2.0), "", "$da$"),
    (((5.0, 6.1), (5.0, 5.55), (3.5, 5.55), (3.5, 5.08)), False, (3.6, 5.3), "keys", "as keys"),
    (((5.0, 5.55), (6.4, 5.55), (6.4, 5.08)), False, (6.5, 5.3), "values", "as values"),
    (((4.55, 4.6), (5.65, 4.6)), False, (4.62, 4.85), "$\\alpha$ (N, P)", "$d\\alpha$"),
    (((6.4, 4.12), (6.4, 3.73)), False, (6.5, 3.93), "attn (N, H)", "$d\\mathrm{attn}$"),
    (((6.4, 3.17), (6.4, 1.98)), False, (6.5, 2.35), "", "$da$"),
    (((6.4, 0.22), (6.4, 0.75)), False, (6.55, 0.32), "(N, D)", "$dx$"),
    (((6.4, 1.21), (6.4, 1.52)), False, (6.5, 1.36), "", "$da$"),
    (((6.65, 1.75), (7.85, 1.75)), False, (6.75, 2.0), "$a$ (N, 4H)", "$da$"),
    (((1.35, 2.75), (8.5, 2.75), (8.5, 2.3)), False, (2.9, 2.97), "memory", "$dc \\odot f$"),
    (((9.75, 1.75), (11.2, 1.75)), True, (10.45, 2.0), "(N, H)", "$dh_{next}$"),
    (((9.1, 2.3), (9.1, 2.75), (11.2, 2.75)), False, (10.45, 3.0), "(N, H)", "$dc_{next}$"),
]


def attention_maps(pictures, captions, labels=None, boxes=None, columns=7):
    """Show where a model looked: one panel per word over the picture, on one shared scale.

    A map is as coarse as its grid; it is drawn smoothly, by bicubic interpolation.

    Inputs:
        pictures: for each caption its picture, an array (S, S, 3) or a square PIL image; the
            same one several times for a beam's alternatives
        captions: list of `decoding.Caption` with maps
        labels: one text per caption, to stand over its picture
        boxes: for each caption a dict from a step to the (x, y, width, height) of what its word
            names, drawn in blue with a dot at the most attended cell's centre
        columns: panels per line; the picture is the first of them, a long caption takes several
    Returns: matplotlib Figure
    """
    use_style()
    panels = columns - 1  # beside the picture, or below it
    lines = [max(1, -(-len(caption.words) // panels)) for caption in captions]
    figure, grid = plt.subplots(
        sum(lines), columns, figsize=(1.06 * columns + 0.7, 1.24 * sum(lines) + 0.1), squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    # one scale for all of them; the map of <END> counts only where there is no other
    top = max(caption.alpha[: len(caption.words) or 1].max() for caption in captions)
    scale = ScalarMappable(Normalize(0, top), MAP_COLORS)
    first = 0
    for k, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        block = grid[first : first + lines[k]]
        first += lines[k]
        block[0, 0].imshow(picture)
        block[0, 0].set_title(labels[k] if labels else "", fontsize=9)
        for t, word in enumerate(caption.words):
            axes = block[t // panels, 1 + t % panels]
            _draw_map(axes, picture, caption.alpha[t], scale)
            axes.set_title(word, fontsize=9)
            for box in (boxes[k] if boxes else {}).get(t, ()):
                axes.add_patch(Rectangle(box[:2], *box[2:], fill=False, edgecolor=COLORS["blue"]))
            if boxes and t in boxes[k]:
                axes.plot(*_peak(caption.alpha[t], len(np.asarray(picture))), "o", color="white",
                          markeredgecolor=COLORS["blue"], markersize=5)  # fmt: skip
    bar = figure.colorbar(scale, ax=grid[:, -1], fraction=0.12, aspect=14)
    bar.set_label("attention weight", fontsize=9)
    return figure


def _draw_map(axes, picture, alpha, scale):
    """Lay a map (P,) over a grey copy of its picture."""
    grey = np.asarray(picture, dtype=float)[..., :3].mean(-1)  # (S, S)
    size, side = len(grey), round(len(alpha) ** 0.5)
    axes.imshow(grey, cmap="gray", vmin=-120, vmax=265)  # pale, so that the map stands out
    axes.imshow(
        alpha.reshape(side, side), norm=scale.norm, cmap=scale.cmap, interpolation="bicubic",
        extent=(0, size, size, 0),
    )  # fmt: skip


def _peak(alpha, size):
    """Return x and y of the most attended cell's centre, in pixels."""
    side = round(len(alpha) ** 0.5)
    row, column = divmod(int(alpha.argmax()), side)
    return (column + 0.5) * size / side, (row + 0.5) * size / side


def largest_weight(sizes, curves):
    """Draw the largest attention weight against the size of query and keys.

    Inputs:
        sizes: sizes H, in rising order
        curves: dict from a curve's name to the mean largest weight at each size
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(6, 3.1))
    for (name, values), style in zip(curves.items(), ("--", "-"), strict=False):
        axes.semilogx(sizes, values, style, marker=".", base=2, label=name)
    axes.set(title="Attention to random positions", xlabel="size of query and keys, H",
             ylabel="largest weight (0 to 1)", ylim=(0, 1.03))  # fmt: skip
    axes.legend(loc="center right")
    return figure


def attention_entropy(means, counts, positions):
    """Draw how spread the maps are at each step, as a mean over captions.

    Inputs:
        means: entropy in nats, (T,)
        counts: how many captions each mean is made of, (T,); fewer than ten are left out
        positions: P, for the entropy of an even map
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(6, 3))
    steps = np.arange(1, len(means) + 1)[counts >= 10]
    axes.plot(steps, means[counts >= 10], marker="o", label="mean over captions")
    axes.axhline(np.log(positions), color=GREY, linestyle="--", label=f"even map, log {positions}")
    axes.set(title="How spread the maps are", xlabel="word of the caption",
             ylabel="entropy (nats)", ylim=(0, 1.1 * np.log(positions)))  # fmt: skip
    axes.locator_params("x", integer=True)
    axes.legend(loc="lower right")
    return figure


def pointing_accuracy(scores, by_category):
    """Draw the share of words whose map points at what they name, beside the baselines.

    Inputs:
        scores: dict from a bar's name to a share in [0, 1]
        by_category: dict from a category to the shares of words hit, by attention and by chance
    Returns: matplotlib Figure
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4.2), width_ratios=(1, 1.5))
    names = [textwrap.fill(name, 12) for name in scores]
    colors = (COLORS["blue"], "#999999", "#cccccc")
    bars = left.bar(range(len(scores)), scores.values(), color=colors)
    left.bar_label(bars, [f"{share:.2f}" for share in scores.values()])
    left.set_xticks(range(len(scores)), names)
    left.set(title="All words", ylabel="share of words hit", ylim=(0, 1.05))
    left.grid(visible=False, axis="x")
    order = sorted(by_category, key=lambda name: by_category[name][0])
    right.barh(order, [by_category[name][0] for name in order], color=COLORS["blue"],
               label="map of the word")  # fmt: skip
    right.plot([by_category[name][1] for name in order], order, "|", color=COLORS["black"],
               markersize=11, markeredgewidth=2, label="chance")  # fmt: skip
    right.set(title="By what the word names", xlabel="share of words hit", xlim=(0, 1.05))
    right.tick_params(axis="y", labelsize=8.5)
    right.grid(visible=False, axis="y")
    right.legend(loc="lower right")
    return figure


def pointing_by_offset(offsets, shares, chance):
    """Draw how often the map of an earlier or later word points at what a word names.

    Inputs:
        offsets: steps from the word to the map, in rising order; 0 is the word's own map
        shares: share of hits at each offset, in [0, 1]
        chance: share of hits of a cell drawn at random
    Returns: matplotlib Figure
    """
    use_style()
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(offsets, shares, marker="o", label="most attended cell")
    axes.axhline(chance, color=GREY, linestyle="--", label="chance")
    axes.set_xticks(offsets, [f"{o:+d}" if o else "the word's own" for o in offsets])
    axes.set(title="Maps before and after a word", xlabel="whose map (words from the word)",
             ylabel="share of words hit", ylim=(0, 1.03))  # fmt: skip
    axes.legend(loc="upper left")
    return figure


def cell_scores(scores, metrics=("BLEU-4", "CIDEr-D")):
    """Draw scores of several models side by side, one panel per metric, one group per model.

    Inputs:
        scores: dict from a model's name to a dict from a way of decoding to a dict of scores
        metrics: keys of the latter
    Returns: matplotlib Figure
    """
    use_style()
    figure, row = plt.subplots(1, len(metrics), figsize=(8.4, 3.2))
    decodings = list(next(iter(scores.values())))
    width = 0.8 / len(decodings)
    for axes, metric in zip(row, metrics, strict=True):
        for k, (decoding, color) in enumerate(zip(decodings, ("sky", "blue"), strict=False)):
            heights = [model[decoding][metric] for model in scores.values()]
            places = np.arange(len(scores)) + (k - (len(decodings) - 1) / 2) * width
            bars = axes.bar(places, heights, 0.92 * width, color=COLORS[color], label=decoding)
            axes.bar_label(bars, [f"{height:.2f}" for height in heights], fontsize=8.5)
        axes.set_xticks(range(len(scores)), scores)
        axes.set(title=metric, ylabel=f"{metric} ({'0 to 10' if 'CIDEr' in metric else '0 to 1'})")
        axes.margins(y=0.3)  # room for the legend
        axes.grid(visible=False, axis="x")
    row[0].legend(loc="upper left", ncols=2)
    return figure
