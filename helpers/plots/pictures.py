"""Pictures with their captions, with maps of where a model looked, with what an encoder sees."""

import textwrap

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.patches import Rectangle
from PIL import ImageOps

from helpers.plots.style import COLORS, subplots

# From clear to strong: what has no weight leaves the picture as it is.
MAP_COLORS = LinearSegmentedColormap.from_list(
    "attention", [(1, 0.9, 0.3, 0), (1, 0.62, 0, 0.6), (0.84, 0.15, 0, 0.9), (0.45, 0, 0.25, 0.97)]
)


def caption_gallery(images, captions, columns=4, width=28, colors=None, square=False):
    """Show pictures in a grid, each with its caption below.

    Inputs: images: list of PIL images or (height, width, 3) arrays; captions: one text per image;
        columns: pictures per row; width: characters per line of caption; colors: of each text;
        square: cut PIL images to the central square, which is what an encoder sees
    """
    if square:
        images = [ImageOps.fit(image, (420, 420)) for image in images]
    rows = -(-len(images) // columns)
    lines = ["\n".join(textwrap.fill(x, width) for x in text.split("\n")) for text in captions]
    column = max(2.1, 0.07 * width)  # inches: a picture, or a long line below it
    height = (column if square else 1.9) + 0.17 * max(text.count("\n") + 1 for text in lines)
    figure, grid = subplots(rows, columns, figsize=(column * columns, height * rows), squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.12)  # captions keep off the pictures below
    for axes in grid.flat:
        axes.axis("off")
    colors = colors or ["black"] * len(lines)
    for axes, image, text, color in zip(grid.flat, images, lines, colors, strict=False):
        axes.imshow(image)
        axes.text(0.5, -0.04, text, transform=axes.transAxes, ha="center", va="top", fontsize=9,
                  color=color)  # fmt: skip
    return figure


def seen_squares(images, side=288, cells=0):
    """Show pictures whole, the central square framed and the rest, which is not seen, faded.

    Inputs: images: list of PIL images, RGB; side: of the encoder's square in pixels, for the title;
        cells: draw so many cells a side into the square; 0 for none
    """
    ratios = [image.width / image.height for image in images]
    figure, row = subplots(
        1, len(images), figsize=(2.3 * sum(ratios), 2.6), width_ratios=ratios, squeeze=False
    )
    for axes, image in zip(row[0], images, strict=True):
        width, height = image.size
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        right, bottom = left + short, top + short
        axes.imshow(image, alpha=0.3)
        axes.imshow(image.crop((left, top, right, bottom)), extent=(left, right, bottom, top))
        axes.add_patch(Rectangle((left, top), short, short, fill=False, edgecolor=COLORS["orange"],
                                 linewidth=2.5))  # fmt: skip
        for k in np.arange(1, cells) * short / max(cells, 1):
            axes.plot((left, right), (top + k, top + k), color="white", linewidth=0.7)
            axes.plot((left + k, left + k), (top, bottom), color="white", linewidth=0.7)
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_title(f"{width} × {height} pixels\n→ {side} × {side}", fontsize=9)
        axes.axis("off")
    return figure


def attention_maps(pictures, captions, labels=None, boxes=None, columns=5, shown="attention"):
    """Show where a model looked: one panel per word over the picture, on one shared scale.

    Inputs:
        pictures: for each caption its picture, an array (S, S, 3) or a square PIL image; the
            same one several times for a beam's alternatives
        captions: list of `decoding.Caption` with maps
        labels: one text per caption, to stand over its picture
        boxes: for each caption a dict from a step to the (x, y, width, height) of what its word
            names, drawn in blue with a dot at the most attended cell's centre
        columns: panels per line; the picture is the first of them, a long caption takes several
        shown: what the weights are, for the bar's label
    """
    lines = [-(-(len(caption.words) + 1) // columns) for caption in captions]
    figure, grid = subplots(
        sum(lines), columns, figsize=(1.35 * columns + 0.8, 1.58 * sum(lines)), squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    # one scale for all of them; the map of <END> counts only where there is no other
    top = max(caption.alpha[: len(caption.words) or 1].max() for caption in captions)
    scale = ScalarMappable(PowerNorm(0.6, 0, top), MAP_COLORS)  # small weights show, too
    for k, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        panels = grid[sum(lines[:k]) :].flat
        panels[0].imshow(picture)
        panels[0].set_title(labels[k] if labels else "the picture", fontsize=11)
        grey = np.asarray(picture, dtype=float)[..., :3].mean(-1)  # (S, S)
        size, side = len(grey), round(caption.alpha.shape[1] ** 0.5)
        for t, word in enumerate(caption.words):
            axes, alpha = panels[t + 1], caption.alpha[t].reshape(side, side)
            axes.set_title(word, fontsize=11)
            axes.imshow(grey, cmap="gray", vmin=-120, vmax=265)  # pale: the map stands out
            axes.imshow(alpha, norm=scale.norm, cmap=scale.cmap, interpolation="nearest",
                        extent=(0, size, size, 0))  # fmt: skip
            if not boxes or t not in boxes[k]:
                continue
            for box in boxes[k][t]:
                axes.add_patch(Rectangle(box[:2], *box[2:], fill=False, edgecolor=COLORS["blue"],
                                         linewidth=1.8))  # fmt: skip
            row, column = divmod(int(alpha.argmax()), side)
            axes.plot((column + 0.5) * size / side, (row + 0.5) * size / side, "o", color="white",
                      markeredgecolor=COLORS["blue"], markersize=7)  # fmt: skip
    bar = figure.colorbar(scale, ax=grid[:, -1], fraction=0.08, aspect=22)
    bar.set_label(f"{shown} weight of a position")
    return figure
