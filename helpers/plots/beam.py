"""Beam search as a tree of numbers."""

import heapq

from helpers.plots.cells import GREY, _box, _canvas
from helpers.plots.style import COLORS


def beam_tree(tree, width):
    """Draw what a beam keeps at each step: every beginning of a caption with its probability.

    Inputs: tree: dict from a beginning, such as "a boat", to a dict from the next word to its
        probability; "" is the beginning of all, and a beginning that is no key has ended;
        width: how many beginnings are kept at each step
    """
    levels, kept = [{"": 1.0}], [[""]]
    while any(beginning in tree for beginning in levels[-1]):
        levels.append({
            f"{beginning} {word}".strip(): levels[-1][beginning] * probability
            for beginning in levels[-1] if beginning in tree
            for word, probability in tree[beginning].items()
        })  # fmt: skip
        candidates = [x for x in levels[-1] if x.rpartition(" ")[0] in kept[-1]]
        kept.append(heapq.nlargest(width, candidates, levels[-1].__getitem__))
    height = 1.15 * len(levels[-1])
    title = f"Beam search, width {width}: blue is kept, grey is dropped"
    axes = _canvas(title, (7.6, 0.55 * height), 4.2 * len(levels) - 2, height)
    places = {}
    for depth, (level, alive) in enumerate(zip(levels, kept, strict=True)):
        for row, (beginning, total) in enumerate(level.items()):
            gap = height / len(level)
            place = places[beginning] = (1.1 + 4.2 * depth, height - gap * (row + 0.5))
            color = "sky" if beginning in alive else ""
            text = f"{beginning or '<START>'}\n{total:.2f}"
            _box(axes, place, 1.9, 0.85, text, COLORS.get(color, "#e4e4e4"), 11)
            if beginning:
                before, _, word = beginning.rpartition(" ")
                start = places[before]
                ends = (start[0] + 0.95, place[0] - 0.95), (start[1], place[1])
                axes.plot(*ends, color=COLORS["blue"] if color else "#aaaaaa", zorder=1,
                          linewidth=2 if color else 1.2)  # fmt: skip
                axes.text(place[0] - 1.6, place[1] + 0.28 * (start[1] - place[1]),
                          f"{tree[before][word]:g}", ha="center", va="center", color=GREY,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    return axes.figure
