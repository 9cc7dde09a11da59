"""Which of ImageNet's classes which nouns mean, and words for people, whom it has no class for.

Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge".
"""

from pathlib import Path
from typing import NamedTuple

CLASSES = 1000
# Words for one, or for a group; words for several.
PEOPLE = {
    "thing": "man woman boy girl person child kid guy lady gentleman player baby infant toddler "
    "teenager adult male female someone bride groom mother father cowboy clown skier surfer skater "
    "skateboarder snowboarder swimmer biker cyclist bicyclist motorcyclist rider racer runner "
    "climber hiker dancer athlete wrestler worker couple crowd group family team young",
    "things": "men women boys girls people children kids guys ladies players babies toddlers "
    "teenagers adults skiers surfers skaters skateboarders snowboarders swimmers bikers cyclists "
    "bicyclists riders racers runners climbers hikers dancers cheerleaders wrestlers spectators",
}
# A caption with one of these tells that there are people to be seen.
TELLING = (
    "man men woman women boy boys girl girls person people child children kid kids guy guys lady "
    "ladies player players baby toddler skier surfer rider skateboarder snowboarder biker climber "
    "male female someone group crowd young"
)


class Noun(NamedTuple):
    """A noun of the table."""

    word: str
    like: str  # what it is used like where a vocabulary lacks it; itself where there is nothing
    kind: str  # nouns of a kind may stand for one another: "thing", "things", "sport" or "place"
    classes: tuple  # numbers of classes
    row: int  # nouns of one row name the same


def _nouns():
    """Read the table."""
    text = Path(__file__).with_suffix(".txt").read_text()
    kind = ""
    for row, line in enumerate(line for line in text.splitlines() if line[0] != "#"):
        if line[0] == "[":
            kind = line[1:-1]
            continue
        singular, plural, spans = line.split()
        spans = [span.partition("-") for span in spans.split(",")]
        classes = tuple(n for a, _, b in spans for n in range(int(a), int(b or a) + 1))
        for words, number in ((singular, kind), (plural, f"{kind}s")):
            for word in words.split(",") if words != "-" else []:
                word, _, like = word.partition("=")
                yield Noun(word, like or word, number, classes, row)


NOUNS = tuple(_nouns())
_LIKE = {noun.word: noun.like for noun in NOUNS}


def used_like(word, known):
    """Return the one of some known words that a noun is used like: itself, another one, or None."""
    while word not in known:
        like = _LIKE.get(word, word)
        if like == word:
            return None
        word = like
    return word
