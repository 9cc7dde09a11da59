"""Does attention look at what the words name? Maps against boxes, and how spread maps are.

The pointing game of Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop": a map
scores a hit where its highest point lies in a box of the object that the word names.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pointed:
    """One word that names an object in its picture, and where its map points."""

    image: int  # number of the picture
    step: int  # of the word in its caption, from 0
    word: str
    category: str  # what it names
    hit: int  # 1 if the most attended cell's centre lies in a box of that category, else 0
    other: float  # mean of the same over the maps of the caption's other words
    chance: float  # share of all cells whose centre lies in such a box


def cell_centres(positions, size):
    """Return the centres, x and y (P, 2), of the P cells of a square grid, row by row.

    Inputs: positions: P; size: side of the picture, in pixels
    Raises: ValueError if P is no square number.
    """
    side = round(positions**0.5)
    if side * side != positions:
        raise ValueError(f"positions must be a square number, not {positions}")
    middle = (np.arange(side) + 0.5) * size / side
    y, x = np.meshgrid(middle, middle, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def cells_in_boxes(positions, boxes, size):
    """Tell which cells have their centre in at least one box, bool (P,).

    Inputs: positions, size: as for `cell_centres`; boxes: list of (x, y, width, height) in pixels
    """
    x, y = cell_centres(positions, size).T
    inside = np.zeros(positions, dtype=bool)
    for left, top, width, height in boxes:
        inside |= (left <= x) & (x < left + width) & (top <= y) & (y < top + height)
    return inside


def pointing_game(captions, boxes, category_of_word, size=224, steps=(0,)):
    """Play the pointing game with every word that names an object of its picture.

    Inputs:
        captions: one `decoding.Caption` with its maps for each picture
        boxes: for each picture a list of (category, x, y, width, height), in pixels of the
            square that the encoder sees, whose side is `size`
        category_of_word: dict from a word to the category that it names
        steps: the maps to average, counted from the word's own: (-1, 0) is its own and that of
            the word before it; those outside the caption are left out
    Returns: list of `Pointed`, for words of which a box is in the picture
    Raises: ValueError if the numbers of pictures differ or a caption has no maps.
    """
    if len(captions) != len(boxes):
        raise ValueError(f"{len(captions)} captions for {len(boxes)} lists of boxes")
    points = []
    for image, (caption, things) in enumerate(zip(captions, boxes, strict=True)):
        if caption.alpha is None:
            raise ValueError(f"caption {image} has no maps: its model has no attention")
        highest, T = {}, len(caption.words)  # cell of the largest mean weight; T without <END>
        for step in range(T):
            if near := [step + offset for offset in steps if 0 <= step + offset < T]:
                highest[step] = int(caption.alpha[near].mean(axis=0).argmax())
        for step, word in enumerate(caption.words):
            category = category_of_word.get(word)
            named = [box for kind, *box in things if kind == category]
            if not named or step not in highest:
                continue
            inside = cells_in_boxes(caption.alpha.shape[1], named, size)  # (P,)
            hit, chance = int(inside[highest[step]]), float(inside.mean())
            others = [inside[cell] for other, cell in highest.items() if other != step]
            other = float(np.mean(others)) if others else chance
            points.append(Pointed(image, step, word, category, hit, other, chance))
    return points


def pointing_scores(points):
    """Average over words: dict from "map of the word", "map of another word", "chance" to shares.

    Raises: ValueError if there is no `Pointed` to average.
    """
    if not points:
        raise ValueError("no word names an object of its picture: nothing to score")
    names = ("map of the word", "map of another word", "chance")
    shares = np.mean([(point.hit, point.other, point.chance) for point in points], axis=0)
    return dict(zip(names, shares.tolist(), strict=True))


def by_category(points):
    """Average `Pointed` by category: dict to the share of hits, chance, and how many words."""
    groups = {}
    for point in points:
        groups.setdefault(point.category, []).append((point.hit, point.chance))
    return {name: (*np.mean(group, axis=0).tolist(), len(group)) for name, group in groups.items()}


def entropy(alpha):
    """Measure how spread maps (..., P) are: -sum_p alpha_p log alpha_p, (...), 0 to log P nats."""
    alpha = np.asarray(alpha, dtype=np.float64)
    return -np.sum(alpha * np.log(np.where(alpha > 0, alpha, 1)), axis=-1)


def entropy_over_time(captions):
    """Average the entropy of captions' maps, step by step over those that are long enough.

    Returns: means in nats (T,), and how many captions each is made of, (T,)
    """
    longest = max(len(caption.alpha) for caption in captions)
    table = np.full((len(captions), longest), np.nan)
    for row, caption in zip(table, captions, strict=True):
        row[: len(caption.alpha)] = entropy(caption.alpha)
    return np.nanmean(table, axis=0), (~np.isnan(table)).sum(axis=0)
