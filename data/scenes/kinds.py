"""What a built-in picture can hold: the kinds of things, where each belongs, and a scene."""

from dataclasses import dataclass

SIZE = 224  # pixels per side of a picture


@dataclass(frozen=True)
class Kind:
    """A kind of thing: its size in design units, where it belongs, and its colours."""

    width: float
    height: float
    place: str
    colours: tuple = (None,)


def _kind(width, height, place, colours=""):
    return Kind(width, height, place, tuple(colours.split()) or (None,))


KINDS = {
    "house": _kind(100, 96, "ground", "red white yellow blue"),
    "tree": _kind(78, 113, "ground", "green"),
    "car": _kind(106, 52, "road", "red blue yellow green white"),
    "bus": _kind(124, 66, "road", "red yellow blue"),
    "boat": _kind(90, 97, "water", "red blue green white"),
    "airplane": _kind(110, 49, "sky", "white red blue"),
    "sun": _kind(66, 66, "sky"),
    "moon": _kind(56, 56, "sky"),
    "ball": _kind(46, 46, "ground", "red blue yellow green"),
    "dog": _kind(94, 73, "ground", "brown black white"),
    "cat": _kind(66, 76, "ground", "orange black grey white"),
    "fish": _kind(68, 43, "deep", "orange yellow red pink"),
    "bird": _kind(72, 48, "sky", "blue red yellow white"),
    "flower": _kind(48, 71, "ground", "red pink yellow purple white"),
    "kite": _kind(58, 93, "sky", "red yellow green purple"),
    "umbrella": _kind(86, 89, "ground", "red blue yellow pink"),
    "bench": _kind(98, 58, "ground", "brown green"),
    "balloon": _kind(46, 87, "sky", "red blue yellow green"),
    "snowman": _kind(70, 105, "ground"),
    "butterfly": _kind(54, 47, "sky", "orange blue purple pink"),
}
PERCHED = Kind(54, 44, "sky", KINDS["bird"].colours)  # a bird that sits is drawn differently

CONTENTS = {
    "meadow": "house tree dog cat ball flower bench umbrella sun bird kite balloon butterfly",
    "beach": "umbrella ball dog tree boat sun bird kite airplane",
    "sea": "boat fish sun bird airplane",
    "street": "car bus tree dog cat bench umbrella bird balloon airplane",
    "snow": "house tree dog cat snowman bench bird sun",
    "night": "house tree car dog cat bench moon",
    "autumn": "house tree dog cat bench umbrella bird kite balloon",
}
CONTENTS = {setting: tuple(kinds.split()) for setting, kinds in CONTENTS.items()}


@dataclass(frozen=True)
class Thing:
    """One thing in a scene; `left` and `top` in pixels, `group` 0 or 1, or 2 for an extra."""

    kind: str
    colour: str | None
    variant: str
    scale: float
    group: int
    flip: bool
    left: float = 0.0
    top: float = 0.0

    @property
    def design(self):
        """Return the Kind that has its size in design units."""
        return PERCHED if self.variant == "perched" else KINDS[self.kind]

    @property
    def width(self):
        """Return the width in pixels."""
        return self.design.width * self.scale

    @property
    def height(self):
        """Return the height in pixels."""
        return self.design.height * self.scale

    @property
    def middle(self):
        """Return the x of its middle, in pixels from the left."""
        return self.left + self.width / 2

    @property
    def bottom(self):
        """Return the y of its lower edge, in pixels from the top."""
        return self.top + self.height

    @property
    def size(self):
        """Return the size as a caption would say it: small, medium or big."""
        return "small" if self.scale < 0.9 else "big" if self.scale > 1.2 else "medium"


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn: everything that the picture and its captions depend on.

    `relation` is what group 0 is to group 1: beside, above, on, under, or None for one group.
    """

    setting: str
    things: tuple
    relation: str | None
    look: int  # the seed of the backdrop's details

    def group(self, number):
        """Return the list of things in a group."""
        return [thing for thing in self.things if thing.group == number]
