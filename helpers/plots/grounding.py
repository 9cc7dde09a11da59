"""Figures of where a captioner looked: how its maps score, how spread they are, if they matter."""

import textwrap

import numpy as np

from helpers.plots.cells import GREY
from helpers.plots.style import COLORS, subplots


def pointing_accuracy(scores, by_category):
    """Draw the share of words whose map points at what they name, beside the baselines.

    Inputs: scores: dict from a bar's name to a share in [0, 1]; by_category: as
        `grounding.by_category` returns it
    """
    figure, (left, right) = subplots(1, 2, figsize=(9, 5), width_ratios=(1, 1.6))
    names = [textwrap.fill(name, 12) for name in scores]
    colors = (COLORS["blue"], "#999999", "#cccccc")
    bars = left.bar(range(len(scores)), scores.values(), color=colors)
    left.bar_label(bars, [f"{share:.2f}" for share in scores.values()])
    left.set_xticks(range(len(scores)), names)
    left.set(title="All words", ylabel="share of words hit", ylim=(0, 1.05))
    left.grid(visible=False, axis="x")
    order = sorted(by_category, key=lambda name: by_category[name][0])
    hits, chances, counts = np.transpose([by_category[name] for name in order])
    spread = np.sqrt(hits * (1 - hits) / counts)  # of a share of so many words
    labels = [f"{name} (n = {count:.0f})" for name, count in zip(order, counts, strict=True)]
    right.barh(labels, hits, color=COLORS["blue"], label="map of the word", xerr=spread,
               ecolor=GREY)  # fmt: skip
    right.plot(chances, labels, "|", color=COLORS["orange"], markersize=11, markeredgewidth=3,
               label="chance: share of the picture in its boxes")  # fmt: skip
    right.set(title="By what the word names", xlabel="share of words hit ± standard error",
              xlim=(0, 1.05))  # fmt: skip
    right.tick_params(axis="y", labelsize=9)
    right.grid(visible=False, axis="y")
    figure.legend(handles=right.get_legend_handles_labels()[0], loc="outside lower right",
                  ncols=2, fontsize=9)  # fmt: skip
    return figure


def pointing_by_offset(offsets, shares, chance):
    """Draw how often the map of an earlier or later word points at what a word names.

    Inputs: offsets: steps from the word to the map, in rising order; shares: of hits at each, in
        [0, 1]; chance: share of hits of a cell drawn at random
    """
    figure, axes = subplots(figsize=(6, 3))
    axes.plot(offsets, shares, marker="o", label="most attended cell")
    axes.axhline(chance, color=GREY, linestyle="--", label="chance")
    axes.set_xticks(offsets, [f"{o:+d}" if o else "the word's own" for o in offsets])
    axes.set(title="Maps before and after a word", xlabel="whose map (words from the word)",
             ylabel="share of words hit", ylim=(0, 1.03))  # fmt: skip
    axes.legend(loc="upper left")
    return figure


def attention_entropy(means, counts, positions):
    """Draw how spread the maps are at each step, as a mean over captions.

    Inputs:
        means: entropy in nats, (T,)
        counts: how many captions each mean is made of, (T,); fewer than ten are left out
        positions: P, for the entropy of an even map
    """
    figure, axes = subplots(figsize=(6, 3))
    steps = np.arange(1, len(means) + 1)[counts >= 10]
    axes.plot(steps, means[counts >= 10], marker="o", label="mean over captions")
    axes.axhline(np.log(positions), color=GREY, linestyle="--", label=f"even map, log {positions}")
    axes.set(title="How spread the maps are", xlabel="word of the caption",
             ylabel="entropy (nats)", ylim=(0, 1.1 * np.log(positions)))  # fmt: skip
    axes.locator_params("x", integer=True)
    axes.legend(loc="lower right")
    return figure


def interventions(scores, metric="CIDEr-D"):
    """Draw what captions are worth when the maps are replaced, as bars.

    Inputs: scores: dict from what the captioner looks with to a score; metric: its name
    """
    figure, axes = subplots(figsize=(6.4, 2.6))
    names = list(scores)
    colors = [COLORS["blue"], *["#999999"] * (len(names) - 1)]
    bars = axes.barh(names, scores.values(), color=colors)
    axes.bar_label(bars, [f"{score:.2f}" for score in scores.values()], padding=3)
    axes.set(title="The same captioner, other maps", xlabel=f"{metric} (0 to 10)")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure
