"""Diagrams: recurrent cells forwards and backwards, the captioner, the tree of a beam."""

import heapq

from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from helpers.plots.style import BACK, COLORS, GREY, subplots

ORANGE, SKY, YELLOW = COLORS["orange"], COLORS["sky"], COLORS["yellow"]
BACKWARDS = "The same timestep, backwards"


def rnn_cell(gradients=False):
    """Draw one timestep of a vanilla RNN, with the shape of what flows along each arrow.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
    """
    axes = _canvas(BACKWARDS if gradients else "One timestep of a vanilla RNN", 8.2, 3.6, 12.4, 5.0)
    _box(axes, (6.3, 2.75), 6.3, 4.1, "", "#f3f3f3")
    _box(axes, (4.3, 3.0), 0.9, 0.8, "$W_h$", ORANGE)
    _box(axes, (5.9, 1.5), 0.9, 0.8, "$W_x$", ORANGE)
    _box(axes, (5.9, 4.3), 0.7, 0.6, "$b$", ORANGE)
    _box(axes, (5.9, 3.0), 0.6, 0.6, "+")
    _box(axes, (8.5, 3.0), 1.2, 0.8, "tanh", SKY)
    _names(axes, (1.35, 3.0, "prev_h"), (11.05, 3.0, "next_h"), (5.9, 0.02, "x"))
    _wires(axes, gradients, [
        ([(1.5, 3.0), (3.85, 3.0)], 1.4, (1.45, 3.3), "(N, H)", "$dh_{prev} = da\\,W_h^T$"),
        ([(4.75, 3.0), (5.6, 3.0)], 1.4, (5.0, 3.25), "", "$da$"),
        ([(5.9, 0.25), (5.9, 1.1)], 1.4, (6.1, 0.35), "(N, D)", "$dx = da\\,W_x^T$"),
        ([(5.9, 1.9), (5.9, 2.7)], 1.4, (6.0, 2.3), "", "$da$"),
        ([(5.9, 4.0), (5.9, 3.3)], 1.4, (6.0, 3.65), "", "$da$"),
        ([(6.2, 3.0), (7.9, 3.0)], 1.4, (6.5, 3.25), "$a$  (N, H)", "$da$"),
        ([(9.1, 3.0), (10.9, 3.0)], 1.4, (9.8, 3.25), "(N, H)", "$dh_{next}$"),
        ([], 0, (3.4, 2.3), "(H, H)", "$dW_h = h_{prev}^T\\,da$"),
        ([], 0, (6.5, 1.5), "(D, H)", "$dW_x = x^T da$"),
        ([], 0, (6.4, 4.3), "(H,)", "$db$ = sum of $da$ over N"),
    ])  # fmt: skip
    return axes.figure


def lstm_cell(gradients=False):
    """Draw one timestep of an LSTM: weights below, the four gates above them, memory on top.

    Inputs: gradients: as for `rnn_cell`
    """
    axes = _canvas(BACKWARDS if gradients else "One timestep of an LSTM", 8.4, 4.9, 12.4, 6.5)
    _box(axes, (6.25, 3.45), 8.3, 5.1, "", "#f3f3f3")
    _box(axes, (5.3, 1.5), 5.9, 0.75, "$a = x\\,W_x + h_{prev}\\,W_h + b$", ORANGE)
    for x, y, text in ((3, 2.75, "σ"), (4.5, 2.75, "σ"), (6, 2.75, "tanh"), (7.5, 2.75, "σ"),
                       (9, 4.55, "tanh")):  # fmt: skip
        _box(axes, (x, y), 0.9, 0.55, text, SKY if text == "tanh" else YELLOW)
    for x, y, sign in ((3, 5.5, "×"), (5.25, 5.5, "+"), (5.25, 4.2, "×"), (9, 3.6, "×")):
        axes.add_patch(Circle((x, y), 0.26, facecolor="white", edgecolor=GREY, zorder=3))
        axes.text(x, y - 0.02, sign, ha="center", va="center", fontsize=14, zorder=4)
    _names(axes, (1.2, 5.5, "prev_c"), (11.3, 5.5, "next_c"), (1.2, 1.5, "prev_h"),
           (11.3, 3.6, "next_h"), (5.3, 0.1, "x"))  # fmt: skip
    _wires(axes, gradients, [
        ([(1.35, 5.5), (2.74, 5.5)], 3.5, (1.3, 5.85), "", "$dc \\odot f$"),
        ([(3.26, 5.5), (4.99, 5.5)], 3.5, (3.9, 5.75), "", "$dc$"),
        ([(5.51, 5.5), (11.15, 5.5)], 3.5, (9.6, 5.8), "(N, H)", "$dc_{next}$"),
        ([(1.35, 1.5), (2.35, 1.5)], 1.5, (1.3, 1.75), "(N, H)", "$da\\,W_h^T$"),
        ([(5.3, 0.3), (5.3, 1.12)], 1.5, (5.45, 0.45), "(N, D)", "$da\\,W_x^T$"),
        ([(3, 1.88), (3, 2.47)], 1.5, (3.08, 2.16), "$a_f$", "$da_f$"),
        ([(4.5, 1.88), (4.5, 2.47)], 1.5, (4.58, 2.16), "$a_i$", "$da_i$"),
        ([(6, 1.88), (6, 2.47)], 1.5, (6.08, 2.16), "$a_g$", "$da_g$"),
        ([(7.5, 1.88), (7.5, 2.47)], 1.5, (7.58, 2.16), "$a_o$", "$da_o$"),
        ([(3, 3.03), (3, 5.24)], 1.5, (3.08, 3.35), "$f$  keep?", "$df$"),
        ([(4.5, 3.03), (4.5, 4.2), (4.99, 4.2)], 1.5, (4.58, 3.35), "$i$  write?", "$di$"),
        ([(6, 3.03), (6, 4.2), (5.51, 4.2)], 1.5, (6.08, 3.35), "$g$  what?", "$dg$"),
        ([(5.25, 4.46), (5.25, 5.24)], 1.5, (5.33, 4.85), "", "$dc$"),
        ([(7.5, 3.03), (7.5, 3.6), (8.74, 3.6)], 1.5, (7.58, 3.35), "$o$  show?", "$do$"),
        ([(9, 5.5), (9, 4.83)], 1.5, (5.75, 5.15), "",
         "$dh_{next} \\odot o \\odot (1 - \\tanh^2 c_{next})$"),
        ([(9, 4.27), (9, 3.86)], 1.5, (9.15, 4.07), "", "$dh_{next} \\odot o$"),
        ([(9.26, 3.6), (11.15, 3.6)], 1.5, (10.4, 3.85), "(N, H)", "$dh_{next}$"),
    ])  # fmt: skip
    return axes.figure


def attention_lstm_cell(gradients=False):
    """Draw one timestep of the attention LSTM, with its three ways in from the past, numbered.

    Inputs: gradients: as for `rnn_cell`
    """
    title = BACKWARDS if gradients else "One timestep of the attention LSTM"
    axes = _canvas(title, 8.4, 4.6, 12.8, 6.6)
    _box(axes, (6.4, 3.4), 8.4, 5.4, "", "#f3f3f3")
    _box(axes, (3.95, 4.7), 2.1, 0.95, "softmax of\nquery · keys / $\\sqrt{H}$", YELLOW, 10)
    _box(axes, (6.7, 4.7), 1.5, 0.95, "weighted\nmean", YELLOW, 10)
    _box(axes, (6.7, 3.55), 0.9, 0.56, "$W_{attn}$", ORANGE, 11)
    _box(axes, (4.1, 1.75), 0.9, 0.56, "$W_h$", ORANGE, 11)
    _box(axes, (6.7, 0.98), 0.9, 0.46, "$W_x$", ORANGE, 11)
    _box(axes, (6.7, 1.75), 0.5, 0.46, "+")
    _box(axes, (9.1, 1.75), 1.9, 1.1, "gates of the\nLSTM", SKY, 11)
    _names(axes, (1.35, 1.75, "prev_h"), (1.35, 4.7, "prev_h"), (1.35, 2.75, "prev_c"),
           (11.5, 1.75, "next_h"), (11.5, 2.75, "next_c"), (6.7, 0.02, "x"),
           (5.3, 6.42, "A"))  # fmt: skip
    _wires(axes, gradients, [
        ([(1.45, 1.75), (3.65, 1.75)], 2, (2.3, 1.47), "(N, H)", "$da\\,W_h^T$"),
        ([(1.45, 4.7), (2.9, 4.7)], 2, (2.24, 4.98), "query", ""),
        ([(1.45, 2.75), (8.8, 2.75), (8.8, 2.3)], 2, (2.3, 3.0), "memory", "$dc \\odot f$"),
        ([(4.55, 1.75), (6.45, 1.75)], 1.4, (5.4, 2.0), "", "$da$"),
        ([(5.3, 6.2), (5.3, 5.65), (3.95, 5.65), (3.95, 5.18)], 1.4, (4.05, 5.4),
         "keys", "as keys"),
        ([(5.3, 5.65), (6.7, 5.65), (6.7, 5.18)], 1.4, (6.8, 5.4), "values", "as values"),
        ([(5.0, 4.7), (5.95, 4.7)], 1.4, (5.06, 4.97), "$\\alpha$ (N, P)", "$d\\alpha$"),
        ([(6.7, 4.22), (6.7, 3.83)], 1.4, (6.8, 4.03), "attn (N, H)", "$d\\mathrm{attn}$"),
        ([(6.7, 3.27), (6.7, 1.98)], 1.4, (6.8, 2.35), "", "$da$"),
        ([(6.7, 0.22), (6.7, 0.75)], 1.4, (6.85, 0.32), "(N, D)", "$dx$"),
        ([(6.7, 1.21), (6.7, 1.52)], 1.4, (6.8, 1.36), "", "$da$"),
        ([(6.95, 1.75), (8.15, 1.75)], 1.4, (7.05, 2.0), "$a$ (N, 4H)", "$da$"),
        ([(10.05, 1.75), (11.4, 1.75)], 1.4, (10.72, 2.0), "(N, H)", "$dh_{next}$"),
        ([(9.4, 2.3), (9.4, 2.75), (11.4, 2.75)], 1.4, (10.72, 3.0), "(N, H)", "$dc_{next}$"),
    ])  # fmt: skip
    color = BACK if gradients else COLORS["blue"]
    for number, y in (("1", 1.75), ("2", 4.7), ("3", 2.75)):
        axes.text(1.9, y, number, color="white", ha="center", va="center", weight="bold",
                  bbox={"boxstyle": "circle,pad=0.18", "color": color})  # fmt: skip
    return axes.figure


def unrolled_rnn(steps=4, gradients=False):
    """Draw an RNN over a sequence: one cell per timestep, all with the same weights.

    Inputs: steps: how many, T; gradients: draw the way back too, two paths into each hidden state
    """
    title = "One cell, the same weights at every timestep"
    if gradients:
        title = "Backpropagation through time: two paths into each hidden state"
    axes = _canvas(title, 8.4, 3.6, 2.7 * steps + 1.2, 4.7)
    axes.text(0.3, 2.4, "$h_0$", ha="center", va="center", fontsize=13)
    for t in range(1, steps + 1):
        x = 2.7 * t - 0.3
        before = x - (1.75 if t == 1 else 2.1)  # where the arrow from the state before it starts
        _arrow(axes, (before, 2.4), (x - 0.6, 2.4))
        _box(axes, (x - 1.25, 2.4), 0.6, 0.5, "$W_h$", ORANGE, 10)
        _arrow(axes, (x, 0.5), (x, 1.9))
        _box(axes, (x, 1.15), 0.6, 0.5, "$W_x$", ORANGE, 10)
        _box(axes, (x, 2.4), 1.2, 1.0, "tanh", SKY)
        _arrow(axes, (x, 2.9), (x, 3.9))
        axes.text(x, 0.2, f"$x_{t}$", ha="center", va="center", fontsize=13)
        axes.text(x - 0.15, 3.4, f"$h_{t}$", ha="right", va="center", fontsize=13)
        if t < steps:
            axes.text(x + 0.87, 2.6, f"$h_{t}$", ha="center", fontsize=13)
        axes.text(x, 4.1, f"loss at {t}" if gradients else f"output {t}", ha="center", color=GREY)
        if gradients:
            _arrow(axes, (x + 0.2, 3.9), (x + 0.2, 2.95), BACK)
            axes.text(x + 0.32, 3.4, f"$dh_{t}$", color=BACK, va="center")
            _arrow(axes, (x - 0.65, 2.03), (before + 0.05, 2.03), BACK)
            axes.text(x - 1.2, 1.6, f"$da_{t}\\,W_h^T$", color=BACK, ha="center")
    return axes.figure


def captioner(words=("three", "blue", "houses")):
    """Draw a captioner over a few words: the picture is the first state, words go in and out."""
    axes = _canvas("A captioner: the picture is the first memory", 9.6, 3.6, 18.2, 5.0)
    houses = [(0.25 + 0.45 * k, 2.1, 0.32, 0.4, COLORS["blue"]) for k in range(3)]
    for x, y, width, height, color in (
        (0.1, 1.7, 1.5, 1.4, "#bfe3f7"), (0.1, 1.7, 1.5, 0.55, "#7fbf7f"), *houses,
    ):  # fmt: skip
        axes.add_patch(Rectangle((x, y), width, height, facecolor=color))
    chain = ((3.3, 1.9, "encoder\n(frozen)", "#e8e8e8"), (6.0, 1.5, "project", ORANGE))
    for (x, width, text, color), before in zip(chain, (1.7, 4.25), strict=True):
        _arrow(axes, (before, 2.4), (x - width / 2, 2.4))
        _box(axes, (x, 2.4), width, 1.1, text, color, 10)
    axes.text(4.75, 1.4, "features (N, C)", ha="center", color=GREY, fontsize=9)
    for t, (word, answer) in enumerate(zip(["<START>", *words], [*words, "<END>"], strict=True)):
        x = 9.0 + 2.7 * t
        _arrow(axes, (6.75 if t == 0 else x - 2.1, 2.4), (x - 0.6, 2.4))
        axes.text(x - (1.45 if t == 0 else 0.95), 2.55, f"$h_{t}$", ha="center", fontsize=12)
        _box(axes, (x, 2.4), 1.2, 1.0, "RNN", SKY, 11)
        _arrow(axes, (x, 0.6), (x, 1.9))
        _arrow(axes, (x, 2.9), (x, 4.1))
        _names(axes, (x, 0.25, word), (x, 4.3, answer), fontsize=10)
        if t < len(words):  # what is said is read next
            style = {"arrowstyle": "->", "color": GREY, "linestyle": "--", "linewidth": 1}
            axes.annotate("", (x + 2.5, 0.6), (x + 0.2, 4.1), arrowprops=style, zorder=0)
    axes.text(6.0, 0.25, "reads", ha="center", va="center", color=GREY)
    axes.text(6.0, 4.3, "should say", ha="center", va="center", color=GREY)
    return axes.figure


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
    axes = _canvas(title, 7.6, 0.55 * height, 4.2 * len(levels) - 2, height)
    places = {}
    for depth, (level, alive) in enumerate(zip(levels, kept, strict=True)):
        for row, (beginning, total) in enumerate(level.items()):
            gap = height / len(level)
            place = places[beginning] = (1.1 + 4.2 * depth, height - gap * (row + 0.5))
            lives = beginning in alive
            text = f"{beginning or '<START>'}\n{total:.2f}"
            _box(axes, place, 1.9, 0.85, text, SKY if lives else "#e4e4e4", 11)
            if beginning:
                before, _, word = beginning.rpartition(" ")
                start = places[before]
                ends = (start[0] + 0.95, place[0] - 0.95), (start[1], place[1])
                axes.plot(*ends, color=COLORS["blue"] if lives else "#aaaaaa", zorder=1,
                          linewidth=2 if lives else 1.2)  # fmt: skip
                axes.text(place[0] - 1.6, place[1] + 0.28 * (start[1] - place[1]),
                          f"{tree[before][word]:g}", ha="center", va="center", color=GREY,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    return axes.figure


def _canvas(title, inches_wide, inches_high, width, height):
    """Return empty axes without frame, in units of their own."""
    _, axes = subplots(figsize=(inches_wide, inches_high))
    axes.set(xlim=(0, width), ylim=(-0.15, height), title=title)
    axes.axis("off")
    return axes


def _box(axes, centre, width, height, text, color="white", fontsize=12):
    corner = (centre[0] - width / 2, centre[1] - height / 2)
    shape = "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch(corner, width, height, shape, facecolor=color, edgecolor=GREY,
                                  zorder=2 if text else 0))  # fmt: skip
    axes.text(*centre, text, ha="center", va="center", fontsize=fontsize, zorder=3)


def _arrow(axes, start, end, color="black", width=1.4):
    style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": width,
             "mutation_scale": 8 + 2 * width}  # fmt: skip
    axes.annotate("", end, start, arrowprops=style, zorder=1)


def _names(axes, *names, fontsize=12):
    """Write what goes in and out, (x, y, name) each, on the side that its arrow leaves free."""
    for x, y, name in names:
        side = {"prev": "right", "next": "left"}.get(name[:4], "center")
        axes.text(x, y, name, ha=side, va="center", family="monospace", fontsize=fontsize)


def _wires(axes, gradients, wires):
    """Draw wires (corners, width, place of the text, text on the way forward, on the way back).

    Thick ones lead through time. Gradients flow from the last corner to the first.
    """
    for corners, width, place, forward, backward in wires:
        if corners:
            color = BACK if gradients else COLORS["blue" if width >= 2 else "black"]
            *rest, before, end = corners[::-1] if gradients else corners
            axes.plot(*zip(*rest, before, strict=True), color=color, linewidth=width, zorder=1)
            _arrow(axes, before, end, color, width)
        axes.text(*place, backward if gradients else forward, va="center",
                  color=BACK if gradients else GREY)  # fmt: skip
