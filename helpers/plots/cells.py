"""Diagrams of recurrent cells, and curves that show how gradients behave in them."""

import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.plots.style import COLORS, subplots

GREY = "#555555"
BACK = "#C1121F"  # gradients: redder than the palette's vermilion, beside orange boxes


def rnn_cell(gradients=False):
    """Draw one timestep of a vanilla RNN, with the shape of what flows along each arrow.

    Inputs: gradients: draw the way back instead, with the gradient that each arrow carries
    """
    title = "The same timestep, backwards" if gradients else "One timestep of a vanilla RNN"
    axes = _canvas(title, (8.2, 3.6), 12.4, 5.0)
    _box(axes, (6.3, 2.75), 6.3, 4.1, "", "#f3f3f3")
    _box(axes, (4.3, 3.0), 0.9, 0.8, "$W_h$", COLORS["orange"])
    _box(axes, (5.9, 1.5), 0.9, 0.8, "$W_x$", COLORS["orange"])
    _box(axes, (5.9, 4.3), 0.7, 0.6, "$b$", COLORS["orange"])
    _box(axes, (5.9, 3.0), 0.6, 0.6, "+")
    _box(axes, (8.5, 3.0), 1.2, 0.8, "tanh", COLORS["sky"])
    for x, y, name in ((0.75, 3.0, "prev_h"), (5.9, 0.02, "x"), (11.7, 3.0, "next_h")):
        axes.text(x, y, name, ha="center", va="center", family="monospace", fontsize=12)
    arrows = [
        # from, to, where its text stands, shape on the way, gradient on the way back
        ((1.5, 3.0), (3.85, 3.0), (2.3, 3.15), "(N, H)", "$dh_{prev} = da\\,W_h^T$"),
        ((4.75, 3.0), (5.6, 3.0), (5.15, 3.15), "", "$da$"),
        ((5.9, 0.25), (5.9, 1.1), (6.1, 0.2), "(N, D)", "$dx = da\\,W_x^T$"),
        ((5.9, 1.9), (5.9, 2.7), (6.2, 2.15), "", "$da$"),
        ((5.9, 4.0), (5.9, 3.3), (6.2, 3.5), "", "$da$"),
        ((6.2, 3.0), (7.9, 3.0), (7.05, 3.15), "$a$  (N, H)", "$da$"),
        ((9.1, 3.0), (10.9, 3.0), (10.2, 3.15), "(N, H)", "$dh_{next}$"),
    ]
    for start, end, place, shape, gradient in arrows:
        ends = (end, start) if gradients else (start, end)
        _arrow(axes, *ends, BACK if gradients else COLORS["black"])
        text, color = (gradient, BACK) if gradients else (shape, GREY)
        side = "left" if place[1] < 1 else "center"
        axes.text(*place, text, ha=side, va="bottom", color=color)
    weights = [
        ((4.3, 2.2), "(H, H)", "$dW_h = h_{prev}^T\\,da$"),
        ((6.5, 1.4), "(D, H)", "$dW_x = x^T da$"),
        ((6.4, 4.2), "(H,)", "$db$ = sum of $da$ over N"),
    ]
    for place, shape, gradient in weights:
        text, color = (gradient, BACK) if gradients else (shape, GREY)
        axes.text(*place, text, ha="center" if place[0] < 5 else "left", color=color)
    return axes.figure


def unrolled_rnn(steps=4, gradients=False):
    """Draw an RNN over a sequence: one cell per timestep, all with the same weights.

    Inputs: steps: how many, T; gradients: draw the way back too, two paths into each hidden state
    """
    title = "One cell, the same weights at every timestep"
    if gradients:
        title = "Backpropagation through time: two paths into each hidden state"
    axes = _canvas(title, (8.4, 3.6), 2.7 * steps + 1.2, 4.7)
    axes.text(0.3, 2.4, "$h_0$", ha="center", va="center", fontsize=13)
    for t in range(1, steps + 1):
        x = 2.7 * t - 0.3
        before = x - (1.75 if t == 1 else 2.1)  # where the arrow from the state before it starts
        _arrow(axes, (before, 2.4), (x - 0.6, 2.4))
        _box(axes, (x - 1.25, 2.4), 0.6, 0.5, "$W_h$", COLORS["orange"], 10)
        _arrow(axes, (x, 0.5), (x, 1.9))
        _box(axes, (x, 1.15), 0.6, 0.5, "$W_x$", COLORS["orange"], 10)
        _box(axes, (x, 2.4), 1.2, 1.0, "tanh", COLORS["sky"])
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
    """Draw a captioner over a few words: the picture is the first state, words go in and out.

    Inputs: words: of a caption, without its first and last mark
    """
    axes = _canvas("A captioner: the picture is the first memory", (9.6, 3.6), 18.2, 5.0)
    _picture(axes, 0.1, 1.7)
    chain = ((3.3, 1.9, "encoder\n(frozen)", "#e8e8e8"), (6.0, 1.5, "project", COLORS["orange"]))
    for (x, width, text, color), before in zip(chain, (1.7, 4.25), strict=True):
        _arrow(axes, (before, 2.4), (x - width / 2, 2.4))
        _box(axes, (x, 2.4), width, 1.1, text, color, 10)
    axes.text(4.75, 1.4, "features (N, C)", ha="center", color=GREY, fontsize=9)
    read, said = ["<START>", *words], [*words, "<END>"]
    for t, (word, answer) in enumerate(zip(read, said, strict=True)):
        x = 9.0 + 2.7 * t
        _arrow(axes, (6.75 if t == 0 else x - 2.1, 2.4), (x - 0.6, 2.4))
        axes.text(x - (1.45 if t == 0 else 0.95), 2.55, f"$h_{t}$", ha="center", fontsize=12)
        _box(axes, (x, 2.4), 1.2, 1.0, "RNN", COLORS["sky"], 11)
        _arrow(axes, (x, 0.6), (x, 1.9))
        _arrow(axes, (x, 2.9), (x, 4.1))
        axes.text(x, 0.25, word, ha="center", va="center", family="monospace", fontsize=10)
        axes.text(x, 4.3, answer, ha="center", va="center", family="monospace", fontsize=10)
        if t + 1 < len(read):  # what is said is read next
            style = {"arrowstyle": "->", "color": GREY, "linestyle": "--", "linewidth": 1}
            axes.annotate("", (x + 2.5, 0.6), (x + 0.2, 4.1), arrowprops=style, zorder=0)
    axes.text(6.0, 0.25, "reads", ha="center", va="center", color=GREY)
    axes.text(6.0, 4.3, "should say", ha="center", va="center", color=GREY)
    return axes.figure


def _picture(axes, x, y):
    """Draw a tiny scene: sky, grass and three houses."""
    for corner, width, height, color in (
        ((x, y), 1.5, 1.4, "#bfe3f7"),
        ((x, y), 1.5, 0.55, "#7fbf7f"),
        *(((x + 0.15 + 0.45 * k, y + 0.4), 0.32, 0.4, COLORS["blue"]) for k in range(3)),
    ):
        axes.add_patch(Rectangle(corner, width, height, facecolor=color, edgecolor="none"))


def tanh_and_derivative(a, value, derivative):
    """Draw tanh and its derivative, with the regions shaded where almost no gradient is left.

    Inputs: a: pre-activations, in rising order; value, derivative: of tanh, of the shape of a
    """
    figure, axes = subplots(figsize=(6, 3.2))
    axes.plot(a, value, label="tanh(a)")
    axes.plot(a, derivative, label="derivative, 1 - tanh(a)²", linestyle="--")
    flat = np.abs(a)[derivative < 0.05].min()
    for side in ((-flat, a[0]), (flat, a[-1])):
        axes.axvspan(*side, color="#e8e8e8", zorder=0)
    axes.text((flat + a[-1]) / 2, -0.55, "less than 5% of\nthe gradient passes", ha="center",
              color=GREY, fontsize=9)  # fmt: skip
    axes.set(title="tanh goes flat", xlabel="pre-activation a", ylabel="value", xlim=(a[0], a[-1]))
    axes.legend(loc="upper left")
    return figure


def saturation(states, scales, passed, at=None):
    """Draw how tanh saturates when weights grow: states as histograms, and the mean derivative.

    Inputs: states: dict from a weight scale to hidden states; scales: in rising order; passed: mean
        of 1 - h**2 at each of them; at: a scale to mark on the right
    """
    figure, (left, right) = subplots(1, 2, figsize=(8.4, 3.1))
    for (scale, h), style in zip(states.items(), ("-", "--", ":"), strict=False):
        left.hist(np.ravel(h), bins=np.linspace(-1, 1, 41), density=True, histtype="step",
                  linewidth=1.8, linestyle=style, label=f"scale {scale:g}")  # fmt: skip
    left.set(title="Where the hidden states are", xlabel="hidden state", ylabel="density",
             xlim=(-1, 1))  # fmt: skip
    left.set_xticks([-1, -0.5, 0, 0.5, 1])
    left.legend(loc="upper center")
    right.semilogx(scales, passed, color=COLORS["red"])
    if at is not None:
        right.plot(at, np.interp(at, scales, passed), "o", color=COLORS["black"])
    right.set(title="How much gradient comes through", xlabel="scale of the weights",
              ylabel="mean of 1 - h²", ylim=(0, 1.05))  # fmt: skip
    return figure


def step_size_errors(steps, errors):
    """Draw the error of numerical derivatives against their step size.

    Inputs: steps: step sizes; errors: dict from a method's name to its error at each of them
    """
    figure, axes = subplots(figsize=(6.4, 3.5))
    for (name, error), style in zip(errors.items(), ("--", "-"), strict=False):
        axes.loglog(steps, error, style, marker=".", label=name)
    axes.axvline(1e-5, color=GREY, linewidth=1, linestyle=":")
    axes.annotate("1e-5", (1e-5, 1e-1), (4, 0), textcoords="offset points", color=GREY)
    axes.set(title="Two kinds of error meet", xlabel="step size δ", ylabel="relative error")
    axes.legend(loc="lower left")
    return figure


def gradient_norms(panels):
    """Draw the norm of a gradient against the timesteps it has travelled.

    Inputs: panels: dict from a panel's title to a dict from a curve's name to norms (T,);
        entry k is the norm after k timesteps
    """
    figure, row = subplots(1, len(panels), figsize=(8.6, 3.4), sharey=True, squeeze=False)
    for axes, (title, curves) in zip(row[0], panels.items(), strict=True):
        for (name, norms), style in zip(curves.items(), ("-", "--", "-."), strict=False):
            axes.semilogy(norms, style, label=name)
        axes.axhline(1, color=GREY, linewidth=0.8)
        axes.set(title=title, xlabel="distance (timesteps back)")
    row[0][0].set_ylabel("gradient norm (1 at the loss)")
    row[0][0].legend(loc="lower left")
    return figure


def cliff(weights, losses, paths):
    """Draw a loss with a cliff, and the steps that gradient descent takes on it.

    Inputs: weights, losses: the loss as a function of one weight; paths: dict from a panel's title
        to the (weight, loss) pairs of a descent, (steps, 2)
    """
    figure, row = subplots(1, len(paths), figsize=(8.6, 3.2), sharey=True, squeeze=False)
    for axes, (title, path) in zip(row[0], paths.items(), strict=True):
        axes.plot(weights, losses, color="#999999", label="loss")
        axes.plot(*np.transpose(path), color=COLORS["red"], marker="o", markersize=4, linewidth=1,
                  label="steps of gradient descent")  # fmt: skip
        axes.plot(*path[0], color=COLORS["black"], marker="s", markersize=7, linestyle="",
                  label="start")  # fmt: skip
        axes.set(title=title, xlabel="weight w", xlim=(weights[0], weights[-1]))
    row[0][0].set_ylabel("loss")
    row[0][-1].legend(loc="upper left")
    return figure


def _canvas(title, size, width, height):
    """Return empty axes without frame, in units of their own, for a diagram."""
    _, axes = subplots(figsize=size)
    axes.set(xlim=(0, width), ylim=(-0.15, height), title=title)
    axes.axis("off")
    return axes


def _box(axes, centre, width, height, text, color="white", fontsize=12):
    corner = (centre[0] - width / 2, centre[1] - height / 2)
    shape = FancyBboxPatch(
        corner, width, height, boxstyle="round,pad=0,rounding_size=0.12", facecolor=color,
        edgecolor=GREY, zorder=2 if text else 0,
    )  # fmt: skip
    axes.add_patch(shape)
    axes.text(*centre, text, ha="center", va="center", fontsize=fontsize, zorder=3)


def _arrow(axes, start, end, color="black"):
    style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    axes.annotate("", end, start, arrowprops=style, zorder=1)
