"""Pictures with their captions, and what of a picture an encoder sees."""

import textwrap

from matplotlib.patches import Rectangle
from PIL import ImageOps

from helpers.plots.style import COLORS, subplots


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
    figure, axes = subplots(rows, columns, figsize=(column * columns, height * rows), squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.12)  # captions keep off the pictures below
    for axis in axes.flat:
        axis.axis("off")
    for k, (axis, image, text) in enumerate(zip(axes.flat, images, lines, strict=False)):
        axis.imshow(image)
        color = colors[k] if colors else "black"
        axis.text(
            0.5, -0.04, text, transform=axis.transAxes, ha="center", va="top", fontsize=9,
            color=color,
        )  # fmt: skip
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
        axes.imshow(image, alpha=0.3)
        axes.imshow(image.crop((left, top, left + short, top + short)),
                    extent=(left, left + short, top + short, top))  # fmt: skip
        axes.add_patch(Rectangle((left, top), short, short, fill=False, edgecolor=COLORS["orange"],
                                 linewidth=2.5))  # fmt: skip
        for k in range(1, cells):
            axes.axhline(top + k * short / cells, left / width, (left + short) / width,
                         color="white", linewidth=0.7)  # fmt: skip
            axes.axvline(left + k * short / cells, 1 - (top + short) / height, 1 - top / height,
                         color="white", linewidth=0.7)  # fmt: skip
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_title(f"{width} × {height} pixels\n→ {side} × {side}", fontsize=9)
        axes.axis("off")
    return figure
