"""The words a captioner weighs at each step."""

import matplotlib.pyplot as plt

from helpers.plots.style import use_style


def words_considered(probabilities, vocabulary, chosen, count=5):
    """Draw the most probable words of each step as a table, coloured by probability.

    Inputs:
        probabilities: of every word at every step, (T, V) tensor
        vocabulary: Vocabulary
        chosen: the T ids that were said, framed in the table
        count: words to show per step
    Returns: matplotlib Figure
    """
    use_style()
    probabilities = probabilities.detach().float().cpu()
    best = probabilities.argsort(1, descending=True)[:, :count]  # (T, count)
    values = probabilities.gather(1, best).T  # (count, T)
    T = len(chosen)
    figure, axes = plt.subplots(figsize=(max(4, 0.95 * T + 1), 0.42 * count + 1.1))
    shown = axes.imshow(values.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for t in range(T):
        for k in range(count):
            word = vocabulary.idx_to_word[int(best[t, k])]
            color = "white" if values[k, t] > 0.55 else "black"
            bold = "bold" if int(best[t, k]) == chosen[t] else "normal"
            axes.text(t, k, word, ha="center", va="center", color=color, weight=bold, fontsize=8.5)
    axes.set_xticks(range(T), map(str, range(1, T + 1)))
    axes.set_yticks(range(count), map(str, range(1, count + 1)))
    axes.grid(False)
    axes.set(title="Words considered; bold: said", xlabel="step", ylabel="rank")
    figure.colorbar(shown, label="probability")
    return figure
