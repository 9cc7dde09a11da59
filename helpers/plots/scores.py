"""Bars, dots and tables: scores of models, weights and probabilities, gates and states."""

import textwrap

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from helpers.plots.style import COLORS, GREY, subplots


def bleu_scores(runs):
    """Draw BLEU-1 to BLEU-4 of several models: bars for the mean over seeds, a dot for each seed.

    Inputs: runs: dict from a model's name to a list of one dict per seed, from "BLEU-1" ...
        "BLEU-4" to a score
    """
    figure, axes = subplots(figsize=(7.6, 3.4))
    names, width = [f"BLEU-{n}" for n in (1, 2, 3, 4)], 0.8 / len(runs)
    for k, (model, seeds) in enumerate(runs.items()):
        scores = np.array([[scores[name] for name in names] for scores in seeds])  # (seeds, 4)
        places = np.arange(4) + (k - (len(runs) - 1) / 2) * width
        bars = axes.bar(places, scores.mean(0), 0.92 * width, label=model, alpha=0.75)
        axes.bar_label(bars, fmt="{:.2f}", label_type="center")
        for row in scores:
            axes.plot(places, row, "o", color=COLORS["black"], markersize=3)
    axes.set_xticks(range(4), names)
    axes.set(title="Captions of held-out scenes", ylabel="score (0 to 1)", ylim=(0, 1))
    axes.grid(visible=False, axis="x")
    axes.legend()
    return figure


def seed_scores(results, metrics=("BLEU-4", "CIDEr-D")):
    """Draw what several models reach, one panel per metric, one dot per seed.

    Inputs: results: dict from a model's name to a list with, for each seed, a dict from a way of
        decoding to a dict of scores; metrics: keys of the latter
    """
    figure, grid = subplots(1, len(metrics), figsize=(8.6, 3.4), squeeze=False)
    for axes, metric in zip(grid[0], metrics, strict=True):
        for place, seeds in enumerate(results.values()):
            ways = zip(seeds[0], "os", ("sky", "blue"), (-0.15, 0.15), strict=False)
            for name, marker, color, offset in ways:
                values, x = [seed[name][metric] for seed in seeds], place + offset
                axes.plot([x] * len(values), values, marker, color=COLORS[color], markersize=6,
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


def interventions(scores, metric="CIDEr-D"):
    """Draw what captions are worth when the maps are replaced, as bars.

    Inputs: scores: dict from what the captioner looks with to a score; metric: its name
    """
    figure, axes = subplots(figsize=(6.4, 0.5 + 0.3 * len(scores)))
    colors = [COLORS["blue"], *["#999999"] * (len(scores) - 1)]
    bars = axes.barh(list(scores), scores.values(), color=colors)
    axes.bar_label(bars, fmt="{:.2f}", padding=3)
    axes.set(title="The same captioner, other maps", xlabel=f"{metric} (0 to 10)")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure


def pointing_accuracy(scores, by_category):
    """Draw the share of words whose map points at what they name, beside the baselines.

    Inputs: scores: dict from a bar's name to a share in [0, 1]; by_category: as
        `grounding.by_category` returns it
    """
    figure, (left, right) = subplots(1, 2, figsize=(9, 5), width_ratios=(1, 1.6))
    names = [textwrap.fill(name, 12) for name in scores]
    bars = left.bar(names, scores.values(), color=(COLORS["blue"], "#999999", "#cccccc"))
    left.bar_label(bars, fmt="{:.2f}")
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
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2,
                  fontsize=9)  # fmt: skip
    return figure


def query_length(lengths, weights, shown):
    """Draw attention weights against the length of the query, and as bars at one length.

    Inputs: lengths: (L,), in rising order; weights: of each position at each of them, (L, P);
        shown: which of the lengths the bars show, an index
    """
    figure, (left, right) = subplots(1, 2, figsize=(8.6, 3.1), width_ratios=(1.6, 1))
    colors = colormaps["viridis"](np.linspace(0, 0.9, weights.shape[1]))
    for column, color in zip(weights.T, colors, strict=True):
        left.plot(lengths, column, color=color)
    left.axvline(lengths[shown], color=GREY, linestyle="--")
    left.set(title="Eight positions, one direction of the query", xlabel="length of the query",
             ylabel="attention weight", ylim=(0, 1.03), xlim=(lengths[0], lengths[-1]))  # fmt: skip
    places = np.arange(1, weights.shape[1] + 1)
    right.bar(places, weights[shown], color=colors)
    right.set(title=f"At length {lengths[shown]:g}", xlabel="position", ylim=(0, 1.03),
              xticks=places)  # fmt: skip
    right.grid(visible=False, axis="x")
    return figure


def temperatures(log_probs, vocabulary, values, count=8):
    """Draw the probabilities of the next word at several temperatures T, one panel for each.

    Inputs: log_probs: of every word at one step, (V,) tensor; vocabulary: Vocabulary; values: of T,
        each for softmax of log_probs / T; count: words to show; all others are one bar more
    """
    best = log_probs.topk(count).indices
    names = [vocabulary.idx_to_word[int(word)] for word in best] + ["all others"]
    figure, row = subplots(
        1, len(values), figsize=(2.5 * len(values) + 1.2, 2.9), sharey=True, squeeze=False
    )
    for axes, value in zip(row[0], values, strict=True):
        shown = (log_probs / value).softmax(0)[best]
        bars = axes.barh(names, [*shown.tolist(), float(1 - shown.sum())], color=COLORS["blue"])
        bars[-1].set_color("#999999")
        axes.set(title=f"temperature {value:g}", xlabel="probability (0 to 1)", xlim=(0, 1))
        axes.grid(visible=False, axis="y")
    row[0, 0].invert_yaxis()
    row[0, 0].set_ylabel("next word")
    return figure


def words_considered(probabilities, vocabulary, chosen, count=5):
    """Draw the most probable words of each step as a table, coloured by probability.

    Inputs: probabilities: of every word at every step, (T, V) tensor; vocabulary: Vocabulary;
        chosen: the T ids that were said, bold in the table; count: words to show per step
    """
    probabilities = probabilities.detach().float().cpu()
    best = probabilities.argsort(1, descending=True)[:, :count]  # (T, count)
    values, T = probabilities.gather(1, best).T, len(chosen)  # (count, T)
    figure, axes = subplots(figsize=(max(4, 0.95 * T + 1), 0.42 * count + 1.1))
    shown = axes.pcolormesh(range(T), range(count), values.numpy(), cmap="Blues", vmin=0, vmax=1)
    for t in range(T):
        for k, word in enumerate(best[t].tolist()):
            axes.text(t, k, vocabulary.idx_to_word[word], ha="center", va="center", fontsize=8.5,
                      color="white" if values[k, t] > 0.55 else "black",
                      weight="bold" if word == chosen[t] else "normal")  # fmt: skip
    axes.set_xticks(range(T), map(str, range(1, T + 1)))
    axes.set_yticks(range(count), map(str, range(1, count + 1)))
    axes.invert_yaxis()
    axes.grid(False)
    axes.set(title="Words considered; bold: said", xlabel="step", ylabel="rank")
    figure.colorbar(shown, label="probability (0 to 1)")
    return figure


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


def gates_over_time(panels, words):
    """Draw gates and states as heat maps: one row per unit, one column per word.

    Inputs: panels: dict from a title to values (T, units), in [0, 1], or in [-1, 1] where one is
        negative; words: T texts, what the network reads at each timestep
    """
    figure, column = subplots(
        len(panels), 1, figsize=(0.62 * len(words) + 1.4, 1.55 * len(panels)), sharex=True
    )
    for axes, (title, values) in zip(column, panels.items(), strict=True):
        low, colors = (-1, "RdBu_r") if values.min() < 0 else (0, "viridis")
        image = axes.imshow(values.T, colors, aspect="auto", interpolation="nearest", vmin=low,
                            vmax=1)  # fmt: skip
        axes.set(title=title, ylabel="unit", yticks=[])
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, ticks=[low, (low + 1) / 2, 1])
    axes.set_xticks(range(len(words)), words, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlabel("word that is read")
    return figure
