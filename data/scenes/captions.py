"""The captions of the built-in pictures: a small grammar in which the same can be said variously.

Each picture gets one caption from each of five sentence plans, so that its captions differ in
structure, in words and in what they leave out, and still share enough n-grams to be learned.
"""

import random

# kind: (singular, plural) of each noun for it, the usual one first
NOUNS = {
    "house": (("house", "houses"),),
    "tree": (("tree", "trees"),),
    "car": (("car", "cars"),),
    "bus": (("bus", "buses"),),
    "boat": (("boat", "boats"), ("sailboat", "sailboats")),
    "airplane": (("airplane", "airplanes"), ("plane", "planes")),
    "sun": (("sun", "suns"),),
    "moon": (("moon", "moons"),),
    "ball": (("ball", "balls"),),
    "dog": (("dog", "dogs"),),
    "cat": (("cat", "cats"),),
    "fish": (("fish", "fish"),),
    "bird": (("bird", "birds"),),
    "flower": (("flower", "flowers"),),
    "kite": (("kite", "kites"),),
    "umbrella": (("umbrella", "umbrellas"),),
    "bench": (("bench", "benches"),),
    "balloon": (("balloon", "balloons"),),
    "snowman": (("snowman", "snowmen"),),
    "butterfly": (("butterfly", "butterflies"),),
}
# A further noun for a kind when its drawing or its size (or, for umbrella, the beach) allows it.
SPECIAL_NOUNS = {
    ("dog", "small"): ("puppy", "puppies"),
    ("cat", "small"): ("kitten", "kittens"),
    ("house", "small"): ("cottage", "cottages"),
    ("tree", "pine"): ("pine tree", "pine trees"),
    ("tree", "palm"): ("palm tree", "palm trees"),
    ("umbrella", "beach"): ("parasol", "parasols"),
}
CATEGORY_OF_WORD = {
    word: kind
    for kind, nouns in [*NOUNS.items(), *((k, (n,)) for (k, _), n in SPECIAL_NOUNS.items())]
    for pair in nouns
    for noun in pair
    for word in noun.split()
}

# kind: (what one does, what several do, the participle)
DOES = {
    "house": ("stands", "stand", "standing"),
    "tree": ("grows", "grow", "growing"),
    "car": ("is parked", "are parked", "parked"),
    "bus": ("is parked", "are parked", "parked"),
    "boat": ("sails", "sail", "sailing"),
    "airplane": ("flies", "fly", "flying"),
    "sun": ("shines", "shine", "shining"),
    "moon": ("shines", "shine", "shining"),
    "ball": ("lies", "lie", "lying"),
    "dog": ("stands", "stand", "standing"),
    "cat": ("sits", "sit", "sitting"),
    "fish": ("swims", "swim", "swimming"),
    "bird": ("flies", "fly", "flying"),
    "flower": ("grows", "grow", "growing"),
    "kite": ("flies", "fly", "flying"),
    "umbrella": ("stands", "stand", "standing"),
    "bench": ("stands", "stand", "standing"),
    "balloon": ("floats", "float", "floating"),
    "snowman": ("stands", "stand", "standing"),
    "butterfly": ("flies", "fly", "flying"),
}

# (setting, place of a kind): ways to say where, the usual one first
WHERE = {
    ("meadow", "ground"): ("on the grass", "in a meadow", "in a green field"),
    ("meadow", "sky"): ("in the sky", "in the blue sky", "over a meadow"),
    ("beach", "ground"): ("on the beach", "on the sand", "by the sea"),
    ("beach", "water"): ("on the sea", "on the water", "near the beach"),
    ("beach", "sky"): ("in the sky", "over the beach", "by the sea"),
    ("sea", "water"): ("on the sea", "on the water", "on the ocean"),
    ("sea", "deep"): ("in the sea", "under the water", "in the ocean"),
    ("sea", "sky"): ("over the sea", "above the water", "in the sky"),
    ("street", "ground"): ("in the city", "on the sidewalk", "by the road"),
    ("street", "road"): ("on the street", "on the road", "in the city"),
    ("street", "mixed"): ("in the city", "on a city street", "in a town"),
    ("street", "sky"): ("over the city", "in the sky", "above a street"),
    ("snow", "ground"): ("in the snow", "on the snow", "on a winter day"),
    ("snow", "sky"): ("in the sky", "over the snow", "on a winter day"),
    ("night", "ground"): ("at night", "under the stars", "in the dark"),
    ("night", "sky"): ("in the night sky", "in the dark sky", "among the stars"),
    ("autumn", "ground"): ("on the fallen leaves", "in autumn", "on an autumn day"),
    ("autumn", "sky"): ("in the sky", "in the autumn sky", "over the hills"),
}
SETTING_NAMES = {
    "meadow": ("a green meadow", "a grassy field"),
    "beach": ("a sandy beach", "a beach by the sea"),
    "sea": ("the blue sea", "the blue ocean"),
    "street": ("a city street", "a quiet street"),
    "snow": ("a snowy field", "a winter landscape"),
    "night": ("a starry night", "a dark night"),
    "autumn": ("an autumn landscape", "an autumn day"),
}
RELATIONS = {
    "beside": ("next to", "beside", "near"),
    "above": ("above", "over"),
    "on": ("on", "on top of"),
    "under": ("under", "below"),
}
OPENINGS = ("a picture of", "a drawing of", "an image of")


def _usual(rng, ways):
    """Return the first way two times in three, else one of the others."""
    return ways[0] if len(ways) == 1 or rng.random() < 0.67 else rng.choice(ways[1:])


def _article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def _noun(rng, scene, thing):
    """Return (singular, plural) of a noun that is true of the thing."""
    nouns = NOUNS[thing.kind]
    size = thing.size if len(scene.things) == 1 else ""
    for condition in (size, thing.variant, scene.setting):
        if (thing.kind, condition) in SPECIAL_NOUNS:
            nouns = (*nouns, SPECIAL_NOUNS[thing.kind, condition])
    return _usual(rng, nouns)


def _colour(rng, group):
    """Return the word for the group's colour, or an empty one where it is left out."""
    colours = {thing.colour for thing in group}
    if colours == {None} or rng.random() < 0.08:
        return ""
    if len(colours) > 1:
        return "colourful"
    if group[0].kind == "bench" and colours == {"brown"} and rng.random() < 0.5:
        return "wooden"
    if colours == {"green"} and group[0].kind == "tree" and rng.random() < 0.5:
        return ""
    return colours.pop()


def _size(rng, scene):
    """Return the word for the size of a thing alone, or an empty one where it is left out."""
    size = scene.things[0].size
    if len(scene.things) > 1 or size == "medium" or rng.random() < 0.3:
        return ""
    if size == "big" and scene.things[0].kind == "tree":
        return "tall"
    return _usual(rng, ("small", "little") if size == "small" else ("big", "large"))


def _light(rng, thing):
    """Return a noun phrase for the sun or the moon."""
    if thing.kind == "sun":
        return _usual(rng, ("the sun", "a bright sun", "a yellow sun"))
    return _usual(rng, ("the moon", f"a {thing.variant} moon", "a bright moon"))


def _name(rng, scene, group):
    """Return a noun phrase for a group of like things: "a small red ball", "two dogs"."""
    if group[0].kind in ("sun", "moon"):
        return _light(rng, group[0])
    single, plural = _noun(rng, scene, group[0])
    words = [_size(rng, scene), _colour(rng, group), single if len(group) == 1 else plural]
    phrase = " ".join(word for word in words if word)
    return _article(phrase) if len(group) == 1 else {2: "two ", 3: "three "}[len(group)] + phrase


def _does(rng, group):
    """Return what the group does, in the present or with a participle: "sits", "is sitting"."""
    one, several, doing = DOES[group[0].kind]
    if group[0].variant == "perched":
        one, several, doing = DOES["cat"]
    if rng.random() < 0.5:
        return one if len(group) == 1 else several
    return f"{'is' if len(group) == 1 else 'are'} {doing}"


def _where(rng, scene, *groups):
    """Return where the groups are, in words: "on the grass", "at night"."""
    places = [group[0].design.place for group in groups]
    if scene.setting != "street":
        place = "ground" if places[0] == "road" else places[0]
    else:
        place = places[0] if len(set(places)) == 1 else "mixed"
    return _usual(rng, WHERE[scene.setting, place])


def _there_is(group, words):
    """Return the opening for a group named or described in `words`."""
    words = words.replace("the sun", "a bright sun", 1).replace("the moon", "a bright moon", 1)
    return ("there is " if len(group) == 1 else "there are ") + words


def _describe_group(rng, scene):
    """Return five sentences about a scene of one group, each on another plan."""
    group = scene.group(0)
    participle = DOES[group[0].kind][2]

    def name():
        return _name(rng, scene, group)

    def where():
        return _where(rng, scene, group)

    return [
        f"{name()} {_does(rng, group)} {where()}",
        f"{_there_is(group, name())} {where()}",
        f"{name()} {participle} {where()}",
        f"{_usual(rng, SETTING_NAMES[scene.setting])} with {name()}",
        rng.choice(
            (f"{_usual(rng, OPENINGS)} {name()} {where()}", f"{where()} {_there_is(group, name())}")
        ),
    ]


def _side(upper, lower):
    """Return on which side of the second group the first one is, for groups side by side."""
    return "left" if upper[0].middle < lower[0].middle else "right"


def _relation(rng, scene, first, second):
    """Return the words between two groups: "next to", "to the left of", "above"."""
    if scene.relation == "beside" and rng.random() < 0.2:
        return f"to the {_side(first, second)} of"
    return _usual(rng, RELATIONS[scene.relation])


def _turned(rng, scene, first, second):
    """Return the relation told from the other side: "a house below a bird"."""
    one, two = _name(rng, scene, first), _name(rng, scene, second)
    if scene.relation in ("on", "under"):
        return f"{two} with {one} {scene.relation} it"
    if scene.relation == "above":
        return f"{two} {_usual(rng, RELATIONS['under'])} {one}"
    return f"{two} {_relation(rng, scene, second, first)} {one}"


def _extra(rng, scene):
    """Return a phrase for the further thing in the sky, or an empty one."""
    group = scene.group(2)
    if not group or rng.random() < 0.35:
        return ""
    name = _name(rng, scene, group)
    if group[0].kind in ("sun", "moon"):
        return f" under {name}"
    return f" and {name} in the sky"


def _describe_pair(rng, scene):
    """Return five sentences about a scene of two groups, each on another plan."""
    first, second = scene.group(0), scene.group(1)
    ground = (first, second) if scene.relation == "beside" else (second,)

    def related(verb=""):
        between = _relation(rng, scene, first, second)
        return f"{_name(rng, scene, first)}{verb} {between} {_name(rng, scene, second)}"

    def both():
        return f"{_name(rng, scene, first)} and {_name(rng, scene, second)}"

    def where():
        return _where(rng, scene, *ground)

    return [
        related(" " + _does(rng, first)) + _extra(rng, scene),
        _there_is(first, related()) + _extra(rng, scene),
        f"{related()} {where()}" + _extra(rng, scene),
        f"{_usual(rng, SETTING_NAMES[scene.setting])} with {both()}" + _extra(rng, scene),
        rng.choice(
            (
                f"{_usual(rng, OPENINGS)} {related()}",
                f"{_turned(rng, scene, first, second)} {where()}",
            )
        ),
    ]


def describe(scene):
    """Return five captions of a scene: lower case, no punctuation, the same at each call."""
    rng = random.Random(f"captions/{scene.look}")
    captions = _describe_pair(rng, scene) if scene.relation else _describe_group(rng, scene)
    return rng.sample(captions, len(captions))
