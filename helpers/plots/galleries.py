"""Pictures with their captions."""

import textwrap

import matplotlib.pyplot as plt

from helpers.plots.style import use_style


def caption_gallery(images, captions, columns=4, width=28, colors=None):
    """Show pictures in a grid, each with its caption below.

    Inputs:
        images: list of PIL images or (height, width, 3) arrays
        captions: one text per image; line breaks are kept
        columns: pictures per row
        width: characters per line of caption
        colors: one colour of text per image
    Returns: matplotlib Figure
    """
    use_style()
    rows = -(-len(images) // columns)
    lines = ["\n".join(textwrap.fill(x, width) for x in text.split("\n")) for text in captions]
    height = 1.9 + 0.17 * max(text.count("\n") + 1 for text in lines)
    column = max(2.3, 0.062 * width)  # inches: a picture, or a long line below it
    figure, axes = plt.subplots(
        rows, columns, figsize=(column * columns, height * rows), squeeze=False
    )
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
