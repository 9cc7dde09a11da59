"""Curves of training runs."""

from helpers.plots.style import COLORS, subplots


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
        losses = [record[measure] for record in history]
        (line,) = left.plot(epochs, losses, marker=".", label=name)
        if "validation loss" in history[0]:
            losses = [record["validation loss"] for record in history]
            left.plot(epochs, losses, "--", color=line.get_color(), label=f"{name}, validation")
        right.plot(epochs, [record[score] for record in history], marker=".", label=name)
    title = "Loss" if "validation loss" in first else f"Training {measure}"
    unit = unit if measure == "loss" else "CIDEr-D of sampled captions"
    left.set(title=title, xlabel="epoch", ylabel=unit)
    right.set(title="Validation score", xlabel="epoch", ylabel=f"{score} (0 to 1)")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(axes.lines) > 1:
            axes.legend()
    return figure


def loss_curve(losses, unit, floor=None, log=False):
    """Draw the loss of every step.

    Inputs: losses: one per step; unit: of the loss; floor: a loss that no model can go below, drawn
        as a line; log: draw it on a logarithmic axis
    """
    figure, axes = subplots(figsize=(5.6, 3))
    axes.plot(losses, label="training loss")
    axes.set(title="Training loss", xlabel="step", ylabel=unit)
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    if floor is not None:
        axes.axhline(floor, color=COLORS["black"], linestyle="--", label="lowest possible loss")
        axes.legend()
    return figure


def task_curves(histories, chance):
    """Draw loss and accuracy of training and validation against epochs, one colour per run.

    Inputs: histories: dict from the run's name to a list of one record per epoch, with "train" and
        "val", each a pair of loss and accuracy; chance: the accuracy of guessing, drawn as a line
    """
    figure, panels = subplots(1, 2, figsize=(8.6, 3.4))
    for (name, history), color in zip(histories.items(), COLORS.values(), strict=False):
        epochs = range(1, len(history) + 1)
        for split, style in (("train", "--"), ("val", "-")):
            for axes, values in zip(panels, zip(*(r[split] for r in history), strict=True),
                                    strict=True):  # fmt: skip
                axes.plot(epochs, values, style, color=color, label=f"{name}, {split}")
    for axes in panels:
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set(title="Loss", xlabel="epoch", ylabel="nats per sequence", ylim=(0, None))
    panels[1].set(title="Accuracy", xlabel="epoch", ylabel="share right", ylim=(0, 1.03))
    panels[1].axhline(chance, color="#555555", linewidth=1, linestyle=":", label="guessing")
    panels[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
