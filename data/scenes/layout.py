"""Where things are in a built-in picture: the sampling of a scene from a seed.

A scene holds one to three things in one or two groups (two dogs, a house) that stand in one
relation (beside, above, on, under), and at times one more thing in the sky.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from math import fsum, prod

from data.scenes.kinds import CONTENTS, KINDS, SIZE, Scene, Thing

EDGE = 6  # pixels kept free along the border of the picture
GAP = 5  # pixels kept free between two things that stand side by side

OFTEN = {  # how often a kind is drawn by lot; 1 for all others
    "bench": 0.35,
    "tree": 0.7,
    "cat": 0.8,
    "umbrella": 0.8,
    "flower": 4,
    "butterfly": 4,
    "fish": 1.5,
    "snowman": 2,
    "bus": 2.5,
    "moon": 1.5,
}
ALONE = ("sun", "moon", "bench", "bus", "snowman")  # never two or three of these
MIXED = ("balloon", "fish", "flower", "kite", "butterfly")  # a group may have several colours

# (what is on top, what carries it): where it stands, in design units of the carrier
ON = {
    ("cat", "bench"): (22, 76, 38),
    ("ball", "bench"): (22, 76, 38),
    ("bird", "bench"): (18, 80, 4),
    ("bird", "house"): (49, 51, 3),
    ("bird", "car"): (46, 62, 4),
    ("cat", "car"): (50, 58, 6),
    ("bird", "bus"): (30, 100, 3),
}
# (what is below, what shelters it)
UNDER = [
    ("dog", "tree"),
    ("cat", "tree"),
    ("bench", "tree"),
    ("ball", "tree"),
    ("dog", "umbrella"),
    ("cat", "umbrella"),
    ("ball", "umbrella"),
]


def sample_scene(seed):
    """Return the `Scene` of a seed (anything that has a stable `str`)."""
    rng = random.Random(f"scene/{seed}")  # a string seeds alike in every process
    while True:
        scene = _try_scene(rng)
        if scene is not None:
            return scene


def _try_scene(rng):
    """Return a scene, or None when what was drawn by lot does not fit into the picture."""
    setting = rng.choices(tuple(CONTENTS), (3, 2, 2, 2, 2, 2, 2))[0]
    form = rng.choices(
        ("one", "several", "pair", "several and one", "pair and sky"), (34, 22, 28, 8, 8)
    )[0]
    relation, kinds = _choose_kinds(rng, setting, form)
    if kinds is None:
        return None
    counts = [1] * len(kinds)
    if form == "several":
        counts[0] = rng.choice((2, 3))
    elif form == "several and one":
        several = rng.randrange(2)
        if relation in ("on", "under") or kinds[several] in ALONE:
            return None
        counts[several] = 2
    groups = [
        _make_group(rng, setting, kind, counts[g], g, relation) for g, kind in enumerate(kinds)
    ]
    things = _PLACERS[relation](rng, setting, *groups)
    if things is not None and form == "pair and sky":
        things = _add_to_sky(rng, setting, things)
    if things is None or not all(_inside(thing) for thing in things):
        return None
    return Scene(setting, tuple(things), relation, rng.randrange(10**9))


def _inside(thing):
    """Return whether the thing keeps off the border of the picture."""
    low, high = EDGE - 1, SIZE - EDGE + 1
    return min(thing.left, thing.top) >= low and max(thing.left + thing.width, thing.bottom) <= high


def _choose_kinds(rng, setting, form):
    """Return (relation, the kinds of the groups), or (None, None) when there are none."""
    here = CONTENTS[setting]
    sky = [kind for kind in here if KINDS[kind].place == "sky"]
    low = [kind for kind in here if KINDS[kind].place != "sky"]
    if form in ("one", "several"):
        singles = [(kind,) for kind in here if form == "one" or kind not in ALONE]
        return None, _draw_lot(rng, singles)
    if setting == "sea":
        pairs = {"above": [("boat", "fish")] + [(kind, "boat") for kind in sky]}
    else:
        pairs = {
            "beside": [(a, b) for a in low for b in low if a != b and "boat" not in (a, b)],
            "above": [(a, b) for a in sky for b in low],
            "on": [pair for pair in ON if set(pair) <= set(here)],
            "under": [pair for pair in UNDER if set(pair) <= set(here)],
        }
    relation = rng.choices(tuple(pairs), (40, 30, 15, 15)[: len(pairs)])[0]
    if not pairs[relation]:
        return None, None
    return relation, _draw_lot(rng, pairs[relation])


def _draw_lot(rng, choices):
    """Return one of the tuples of kinds, by how often their kinds are wanted."""
    weights = [prod(OFTEN.get(kind, 1) for kind in kinds) for kinds in choices]
    return rng.choices(choices, weights)[0]


def _variant(rng, setting, kind, group, relation):
    """Return which of the drawings of `kind` suits the scene."""
    if kind == "tree":
        return {"snow": "pine", "beach": "palm"}.get(setting, "")
    if kind == "bird" and relation == "on" and group == 0:
        return "perched"
    if kind == "moon":
        return rng.choice(("full", "crescent"))
    if kind in ("house", "car") and setting == "night":
        return "lit"
    if kind == "house" and setting == "snow":
        return "snowy"
    return "hooked" if kind == "umbrella" and setting != "beach" else ""


def _make_group(rng, setting, kind, count, group, relation):
    """Return `count` things of a kind, not yet placed."""
    variant = _variant(rng, setting, kind, group, relation)
    colours = KINDS[kind].colours
    if kind == "tree":
        colours = ("orange", "red", "yellow") if setting == "autumn" else colours
        colours = (None,) if variant else colours
    colour = rng.choice(colours)
    mixed = count > 1 and kind in MIXED and rng.random() < 0.35
    paints = rng.sample(colours, count) if mixed else [colour] * count
    scale = rng.choice((0.8, 1.05, 1.4)) * rng.uniform(0.96, 1.04)
    if kind in ("sun", "moon"):
        scale = rng.uniform(0.9, 1.15)
    return [Thing(kind, paint, variant, scale, group, rng.random() < 0.5) for paint in paints]


def _row(rng, things, middle=None):
    """Return the things side by side, smaller where they would not fit, with random gaps.

    With `middle`, the row is packed around that column instead of spread over the picture.
    """
    room = SIZE - 2 * EDGE - GAP * (len(things) - 1)
    total = fsum(thing.width for thing in things)  # sum() rounds differently since Python 3.12
    shrink = min(1.0, room / total * 0.98)
    things = [replace(thing, scale=thing.scale * shrink) for thing in things]
    free = room - total * shrink
    cuts = sorted(rng.uniform(0, free) for _ in things)
    if middle is not None:
        start = min(max(middle - total * shrink / 2 - EDGE, 0), free)
        cuts = [start] * len(things)
    placed, used = [], EDGE
    for thing, cut in zip(things, cuts, strict=False):
        placed.append(replace(thing, left=used + cut))
        used += thing.width + GAP
    return placed


def _settle(rng, setting, thing):
    """Return the thing at a height that suits its kind: grass, road, water or air."""
    place = thing.design.place
    if place == "sky":
        return replace(thing, top=rng.uniform(EDGE, max(EDGE + 1, 122 - thing.height)))
    if place == "deep":
        return replace(thing, top=rng.uniform(134, max(135, 206 - thing.height)))
    if place == "water":
        low, high = (127, 128) if setting == "sea" else (126, 140)
    elif setting == "street":
        low, high = (196, 208) if place == "road" else (160, 168)
    else:
        low, high = 178, 210
    return replace(thing, top=rng.uniform(low, high) - thing.height)


def _place_one_group(rng, setting, group):
    return [_settle(rng, setting, thing) for thing in _row(rng, group)]


def _place_beside(rng, setting, first, second):
    order = [*first, *second] if rng.random() < 0.5 else [*second, *first]
    return [_settle(rng, setting, thing) for thing in _row(rng, order)]


def _place_above(rng, setting, upper, lower):
    """Place `upper` over `lower`, all smaller by turns until both fit under each other."""
    for shrink in (1, 0.9, 0.8, 0.72, 0.65):
        low = _row(rng, [replace(thing, scale=thing.scale * shrink) for thing in lower])
        low = [_settle(rng, setting, thing) for thing in low]
        middle = fsum(thing.middle for thing in low) / len(low) + rng.uniform(-25, 25)
        high = _row(rng, [replace(thing, scale=thing.scale * shrink) for thing in upper], middle)
        limit = min(thing.top for thing in low) - GAP
        if high[0].design.place == "sky":
            tops = [rng.uniform(EDGE, max(EDGE, limit - thing.height)) for thing in high]
            high = [replace(thing, top=top) for thing, top in zip(high, tops, strict=False)]
        else:  # a boat over fish
            high = [_settle(rng, setting, thing) for thing in high]
        if max(thing.bottom for thing in high) <= limit:
            return [*low, *high]
    return None


def _carrier(rng, setting, thing, scale):
    """Return `thing` scaled and settled, with its middle not far from the picture's."""
    thing = replace(thing, scale=scale)
    left = SIZE / 2 - thing.width / 2 + rng.uniform(-30, 30)
    left = min(max(left, EDGE), SIZE - EDGE - thing.width)
    return _settle(rng, setting, replace(thing, left=left))


def _place_on(rng, setting, upper, lower):
    carrier = _carrier(rng, setting, replace(lower[0], flip=False), rng.uniform(1.15, 1.45))
    low, high, y = ON[upper[0].kind, carrier.kind]
    thing = replace(upper[0], scale=rng.uniform(0.66, 0.8))
    thing = replace(
        thing,
        left=carrier.left + rng.uniform(low, high) * carrier.scale - thing.width / 2,
        top=carrier.top + y * carrier.scale - thing.height,
    )
    return [carrier, thing]


def _place_under(rng, setting, sheltered, shelter):
    shelter = _carrier(rng, setting, shelter[0], rng.uniform(1.4, 1.5))
    thing = replace(sheltered[0], scale=rng.uniform(0.7, 0.82))
    offset = rng.choice((-1, 1)) * rng.uniform(0.16, 0.26) * shelter.width
    return [
        shelter,
        replace(
            thing,
            left=shelter.middle + offset - thing.width / 2,
            top=shelter.bottom + rng.uniform(1, 4) - thing.height,
        ),
    ]


def _add_to_sky(rng, setting, things):
    """Return the things and one more in the sky that touches none of them, or None."""
    taken = {thing.kind for thing in things}
    kinds = [kind for kind in CONTENTS[setting] if KINDS[kind].place == "sky"]
    kinds = [kind for kind in kinds if kind not in taken]
    if not kinds or any(thing.design.place == "sky" for thing in things):
        return None
    lights = [kind for kind in kinds if kind in ("sun", "moon")]
    kind = rng.choice(lights if lights and rng.random() < 0.6 else kinds)
    extra = replace(_make_group(rng, setting, kind, 1, 2, None)[0], scale=rng.uniform(0.7, 0.88))
    for _ in range(30):
        extra = replace(extra, left=rng.uniform(EDGE, SIZE - EDGE - extra.width))
        extra = _settle(rng, setting, extra)
        if all(
            _apart(extra, thing) and extra.bottom < thing.top + thing.height / 2 for thing in things
        ):
            return [*things, extra]
    return None


def _apart(a, b):
    """Return whether the two things' places keep `GAP` pixels apart."""
    return (
        a.left + a.width + GAP < b.left
        or b.left + b.width + GAP < a.left
        or a.bottom + GAP < b.top
        or b.bottom + GAP < a.top
    )


_PLACERS: dict[str | None, Callable] = {
    None: _place_one_group,
    "beside": _place_beside,
    "above": _place_above,
    "on": _place_on,
    "under": _place_under,
}
