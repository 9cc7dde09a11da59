"""The words that a captioner weighs, and how it searches among them and learns from them."""

import torch

from helpers.plots.style import COLORS, subplots


def words_considered(probabilities, vocabulary, chosen, count=5):
    """Draw the most probable words of each step as a table, coloured by probability.

    Inputs: probabilities: of every word at every step, (T, V) tensor; vocabulary: Vocabulary;
        chosen: the T ids that were said, bold in the table; count: words to show per step
    """
    probabilities = probabilities.detach().float().cpu()
    best = probabilities.argsort(1, descending=True)[:, :count]  # (T, count)
    values = probabilities.gather(1, best).T  # (count, T)
    T = len(chosen)
    figure, axes = subplots(figsize=(max(4, 0.95 * T + 1), 0.42 * count + 1.1))
    edges = (range(-1, T), range(-1, count))
    shown = axes.pcolormesh(*([x + 0.5 for x in edge] for edge in edges), values.numpy(),
                            cmap="Blues", vmin=0, vmax=1)  # fmt: skip
    for t in range(T):
        for k in range(count):
            word = vocabulary.idx_to_word[int(best[t, k])]
            color = "white" if values[k, t] > 0.55 else "black"
            bold = "bold" if int(best[t, k]) == chosen[t] else "normal"
            axes.text(t, k, word, ha="center", va="center", color=color, weight=bold, fontsize=8.5)
    axes.set_xticks(range(T), map(str, range(1, T + 1)))
    axes.set_yticks(range(count), map(str, range(1, count + 1)))
    axes.invert_yaxis()
    axes.grid(False)
    axes.set(title="Words considered; bold: said", xlabel="step", ylabel="rank")
    figure.colorbar(shown, label="probability (0 to 1)")
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
        probabilities = (log_probs / value).softmax(0)
        shown = probabilities[best]
        bars = axes.barh(names, [*shown.tolist(), float(1 - shown.sum())], color=COLORS["blue"])
        bars[-1].set_color("#999999")
        axes.set(title=f"temperature {value:g}", xlabel="probability (0 to 1)", xlim=(0, 1))
        axes.grid(visible=False, axis="y")
    row[0, 0].invert_yaxis()
    row[0, 0].set_ylabel("next word")
    return figure


def beam_widths(widths, log_probs):
    """Draw how probable the best caption becomes as the beam gets wider.

    Inputs: widths: in rising order; log_probs: mean log-probability of the best captions, in nats
    """
    figure, axes = subplots(figsize=(6, 3))
    axes.plot(widths, log_probs, marker="o", color=COLORS["blue"])
    axes.set(title="What a wider beam finds", xlabel="beam width (hypotheses kept)",
             ylabel="log-probability of the best\n(nats, mean)")  # fmt: skip
    axes.set_xticks(widths)
    return figure


def estimate_errors(samples, errors):
    """Draw how far estimates of a gradient are from it, against the number of samples.

    Inputs:
        samples: numbers of samples, in rising order
        errors: dict from an estimate's name to its error at each number, relative to the gradient
    """
    figure, axes = subplots(figsize=(6, 3.2))
    for (name, values), marker in zip(errors.items(), "so", strict=True):
        axes.loglog(samples, values, marker=marker, label=name)
    axes.set_xticks(samples, map(str, samples))
    axes.minorticks_off()
    axes.set(title="Estimates of the same gradient", xlabel="captions drawn, K",
             ylabel="error relative to the gradient")  # fmt: skip
    axes.legend()
    return figure


def rewards_while_learning(rewards, window=5):
    """Draw the mean reward of the captions that are drawn at each step of learning from them.

    Inputs: rewards: mean of each step's captions; window: steps to average for the thick line
    """
    figure, axes = subplots(figsize=(6, 3))
    steps = range(1, len(rewards) + 1)
    means = torch.tensor(rewards).unfold(0, window, 1).mean(1)
    axes.plot(steps, rewards, color=COLORS["sky"], label="one step's captions")
    axes.plot(steps[window - 1 :], means, color=COLORS["blue"], linewidth=2.5,
              label=f"mean of the last {window} steps")  # fmt: skip
    axes.set(title="Rewards rise while it learns from its own captions", xlabel="step",
             ylabel="CIDEr-D (0 to 10)")  # fmt: skip
    axes.legend()
    return figure
