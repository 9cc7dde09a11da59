"""Curves: of training, of gradients and memories, of attention and of searches."""

import itertools

import numpy as np

from helpers.plots.style import COLORS, GREY, subplots


def lines(curves, x, title, xlabel, ylabel, level=None, **settings):
    """Draw curves by name against x, told apart by style too; of few points each has its mark.

    Inputs: curves: dict from a name to values (N,); x: numbers or texts (N,); level: (name, y) of a
        line to compare with; settings: others of the axes, such as xscale="log"
    """
    figure, axes = subplots(figsize=(6, 3.2))
    few = len(x) <= 10
    styles = ("o-", "s--", "^-.", "v:") if few else ("-", "--", "-.", ":")
    for (name, y), style in zip(curves.items(), styles, strict=False):
        axes.plot(x, y, style, label=name)
    if level:
        axes.axhline(level[1], color=GREY, linestyle="--", label=level[0])
    if len(axes.lines) > 1:
        axes.legend()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, **settings)
    if few:
        axes.set_xticks(x, map(str, x))
        axes.minorticks_off()
    return figure


def loss_curve(losses, unit, floor=None, log=False):
    """Draw the loss of every step, with `floor`, a loss that no model can go below, as a line."""
    bottom = {"yscale": "log"} if log else {"ylim": (0, None)}
    level = None if floor is None else ("lowest possible loss", floor)
    curves = {"training loss": losses}
    return lines(curves, range(len(losses)), "Training loss", "step", unit, level, **bottom)


def learning_curves(histories, score="BLEU-4", unit="nats per caption"):
    """Draw the loss (or the reward) and a validation score against epochs, one line per run.

    Where the records hold a "validation loss", it is drawn too, dashed.

    Inputs: histories: dict from the run's name to what `training.train` returned; score: the
        record's key to draw on the right; unit: of the loss; a reward is CIDEr-D
    """
    figure, (left, right) = subplots(1, 2, figsize=(8, 3))
    first = next(iter(histories.values()))[0]
    measure = "loss" if "loss" in first else "reward"
    for name, history in histories.items():
        epochs = [record["epoch"] for record in history]
        (line,) = left.plot(epochs, [record[measure] for record in history], ".-", label=name)
        if "validation loss" in first:
            losses = [record["validation loss"] for record in history]
            left.plot(epochs, losses, "--", color=line.get_color(), label=f"{name}, validation")
        right.plot(epochs, [record[score] for record in history], ".-", label=name)
    left.set(title="Loss" if "validation loss" in first else f"Training {measure}", xlabel="epoch",
             ylabel=unit if measure == "loss" else "CIDEr-D of sampled captions")  # fmt: skip
    right.set(title="Validation score", xlabel="epoch", ylabel=f"{score} (0 to 1)")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(axes.lines) > 1:
            axes.legend()
    return figure


def task_curves(histories, chance):
    """Draw loss and accuracy of training and validation against epochs, one colour per run.

    Inputs: histories: dict from the run's name to a list of one record per epoch, with "train" and
        "val", each a pair of loss and accuracy; chance: the accuracy of guessing, drawn as a line
    """
    figure, panels = subplots(1, 2, figsize=(8.6, 3.4))
    for (name, history), color in zip(histories.items(), COLORS.values(), strict=False):
        for (split, style), (k, axes) in itertools.product(
            (("train", "--"), ("val", "-")), enumerate(panels)
        ):
            values = [record[split][k] for record in history]
            axes.plot(range(1, len(history) + 1), values, style, color=color,
                      label=f"{name}, {split}")  # fmt: skip
    for axes in panels:
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set(title="Loss", xlabel="epoch", ylabel="nats per sequence", ylim=(0, None))
    panels[1].set(title="Accuracy", xlabel="epoch", ylabel="share right", ylim=(0, 1.03))
    panels[1].axhline(chance, color=GREY, linewidth=1, linestyle=":", label="guessing")
    panels[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def tanh_and_derivative(a, value, derivative):
    """Draw tanh and its derivative at `a`, with what lets almost no gradient through shaded."""
    curves = {"tanh(a)": value, "derivative, 1 - tanh(a)²": derivative}
    figure = lines(curves, a, "tanh goes flat", "pre-activation a", "value", xlim=(a[0], a[-1]))
    flat = np.abs(a)[derivative < 0.05].min()
    for side in ((-flat, a[0]), (flat, a[-1])):
        figure.axes[0].axvspan(*side, color="#e8e8e8", zorder=0)
    figure.axes[0].text((flat + a[-1]) / 2, -0.55, "less than 5% of\nthe gradient passes",
                        ha="center", color=GREY, fontsize=9)  # fmt: skip
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
             xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1))  # fmt: skip
    left.legend(loc="upper center")
    right.semilogx(scales, passed, color=COLORS["red"])
    if at is not None:
        right.plot(at, np.interp(at, scales, passed), "o", color=COLORS["black"])
    right.set(title="How much gradient comes through", xlabel="scale of the weights",
              ylabel="mean of 1 - h²", ylim=(0, 1.05))  # fmt: skip
    return figure


def gradient_norms(panels, ylabel="norm of da (dh at the loss: 1)", ylim=None):
    """Draw how gradients shrink or grow with the timesteps that they travel, on a log scale.

    Inputs: panels: dict from a panel's title to a dict from a curve's name to norms (T,);
        entry k is the norm after k timesteps
    """
    figure, row = subplots(1, len(panels), figsize=(9, 3.7), sharey=True, squeeze=False)
    for axes, (title, curves) in zip(row[0], panels.items(), strict=True):
        for (name, norms), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=False):
            some = range(0, len(norms), max(1, len(norms) // 40))  # the file stays small
            axes.semilogy(some, norms[:: some.step], style, linewidth=1.8, label=name)
        axes.axhline(1, color=GREY, linewidth=0.8)
        axes.set(title=title, xlabel="distance (timesteps back)")
    row[0][0].set_ylabel(ylabel)
    if ylim is not None:  # None, too, would end autoscaling, here after the first panel
        row[0][0].set_ylim(ylim)
    figure.legend(*row[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
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
        axes.plot(*path[0], "s", color=COLORS["black"], markersize=7, label="start")
        axes.set(title=title, xlabel="weight w", xlim=(weights[0], weights[-1]))
    row[0][0].set_ylabel("loss")
    row[0][-1].legend(loc="upper left")
    return figure


def eigenvalues(spectra):
    """Draw eigenvalues of one timestep's Jacobian in the complex plane, one panel per network.

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


def picture_worth(runs, lead, each):
    """Draw what the picture is worth to two captioners, word by word, and the lead of the second.

    Inputs: runs: dict from a model's name to nats (rows, words); lead: title of the right panel,
        the second model's nats minus the first one's; each: what a row is, as the legend says it
    """
    figure, (left, right) = subplots(1, 2, figsize=(9.4, 3.5))
    first, second = (np.asarray(nats) for nats in runs.values())
    words = np.arange(1, first.shape[1] + 1)
    panels = [(left, name, nats) for name, nats in runs.items()] + [(right, None, second - first)]
    for (axes, name, nats), color in zip(panels, ("blue", "orange", "black"), strict=True):
        axes.plot(words, np.transpose(nats), color=COLORS[color], linewidth=0.7, alpha=0.6)
        marker = "s" if color == "orange" else "o"
        axes.plot(words, np.mean(nats, 0), marker + "-", color=COLORS[color], label=name)
        axes.set_xlabel("word of the caption")
    left.set(title="What the picture is worth", ylabel="nats", ylim=(0, None))
    left.legend(title=f"thin: {each}, thick: mean")
    right.axhline(0, color=GREY, linewidth=0.9)
    right.set(title=lead, ylabel="difference in nats")
    return figure
