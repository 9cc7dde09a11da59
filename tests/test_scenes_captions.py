"""The captions of the built-in data set: what they say must be what the picture shows."""

import itertools
import re
from collections import Counter

from data.scenes.captions import CATEGORY_OF_WORD, describe
from data.scenes.drawing import draw_picture
from data.scenes.kinds import KINDS
from data.scenes.layout import sample_scene
from data.scenes.pen import COLOURS

SCENES = [sample_scene(f"test/{number}") for number in range(400)]


def test_five_captions_of_plain_words():
    for scene in SCENES:
        captions = describe(scene)
        assert len(set(captions)) == 5
        assert captions == describe(scene)
        for caption in captions:
            assert re.fullmatch(r"[a-z]+( [a-z]+){4,24}", caption)


def test_the_vocabulary_has_at_least_a_hundred_words():
    words = Counter(word for scene in SCENES for c in describe(scene) for word in c.split())
    assert len(words) >= 100


def test_captions_name_only_what_is_in_the_picture_and_name_all_of_it():
    for scene in SCENES:
        kinds = {thing.kind for thing in scene.things}
        named = [
            {CATEGORY_OF_WORD[word] for word in caption.split() if word in CATEGORY_OF_WORD}
            for caption in describe(scene)
        ]
        assert all(some and some <= kinds for some in named)
        assert {thing.kind for thing in scene.group(0) + scene.group(1)} <= set.union(*named)


def test_every_category_has_a_word():
    assert set(CATEGORY_OF_WORD.values()) == set(KINDS)
    assert CATEGORY_OF_WORD["puppies"] == "dog" and CATEGORY_OF_WORD["sailboat"] == "boat"


COUNTS = {"a": 1, "an": 1, "the": 1, "two": 2, "three": 3}


def named(words):
    """Return the things that a caption names: (kind, index of "a" or "two", index of the noun)."""
    found, start = [], None
    for index, word in enumerate(words):
        start = index if word in COUNTS else start
        last = index + 1 == len(words) or words[index + 1] not in CATEGORY_OF_WORD
        if word in CATEGORY_OF_WORD and last:  # of "pine tree" the tree
            found.append((CATEGORY_OF_WORD[word], start, index))
    return found


def phrases(scene):
    """Yield from all captions (how many, the words before the noun, the noun's kind)."""
    for caption in describe(scene):
        words = caption.split()
        for kind, start, index in named(words):
            yield words[start], words[start + 1 : index], kind


def skeleton(caption):
    """Return the caption with only the kind of each thing that it names: "two dogs" is "dog"."""
    words = caption.split()
    for kind, start, index in reversed(named(words)):
        words[start : index + 1] = [kind]
    return " ".join(words)


def test_the_captions_of_a_picture_are_built_differently():
    for scene in SCENES:
        assert len({skeleton(caption) for caption in describe(scene)}) == 5, describe(scene)


def test_counts_are_true():
    seen = set()
    for scene in SCENES:
        kinds = Counter(thing.kind for thing in scene.things)
        for count, _, kind in phrases(scene):
            assert COUNTS[count] == kinds[kind]
            seen.add(count)
    assert seen == set(COUNTS)


def test_colours_are_true():
    colours = {*COLOURS, "colourful"}
    seen = set()
    for scene in SCENES:
        for _, words, kind in phrases(scene):
            real = {thing.colour for thing in scene.things if thing.kind == kind}
            for colour in colours & set(words) - ({"yellow"} if kind == "sun" else set()):
                assert len(real) > 1 if colour == "colourful" else real == {colour}
                seen.add(colour)
    assert seen == colours


def test_sizes_and_the_nouns_of_a_size_are_true():
    said = {
        "small": "small",
        "little": "small",
        "big": "big",
        "large": "big",
        "tall": "big",
        "puppy": "small",
        "kitten": "small",
        "cottage": "small",
    }
    seen = set()
    for scene in SCENES:
        for caption in describe(scene):
            for word in set(caption.split()) & set(said):
                assert {thing.size for thing in scene.things} == {said[word]}
                seen.add(word)
    assert seen == set(said)


def boxes(objects, kind):
    """Return the boxes (left, top, right, bottom) of a kind, as the picture was drawn."""
    found = (thing["bbox"] for thing in objects if thing["category"] == kind)
    return [(x, y, x + width, y + height) for x, y, width, height in found]


def is_left_of(ours, theirs):
    return max(box[2] for box in ours) <= min(box[0] for box in theirs)


def is_above(ours, theirs):
    near = min(abs(a[0] + a[2] - b[0] - b[2]) / 2 for a in ours for b in theirs)
    return max(box[3] for box in ours) <= min(box[1] for box in theirs) and near < 90


def is_on(ours, theirs):
    (left, _, right, foot), (start, top, end, bottom) = ours[0], theirs[0]
    return start <= (left + right) / 2 <= end and top - 2 <= foot < (top + 2 * bottom) / 3


def is_under(ours, theirs):
    if is_above(theirs, ours):
        return True
    (left, top, right, _), (start, roof, end, bottom) = ours[0], theirs[0]
    return start <= (left + right) / 2 <= end and top > (roof + bottom) / 2


def is_beside(ours, theirs):
    return is_left_of(ours, theirs) or is_left_of(theirs, ours)


TRUE_IF = {
    "to the left of": is_left_of,
    "to the right of": lambda a, b: is_left_of(b, a),
    "next to": is_beside,
    "beside": is_beside,
    "near": is_beside,
    "above": is_above,
    "over": is_above,
    "below": is_under,
    "under": is_under,
    "on top of": is_on,
    "on": is_on,
}


def claims(caption):
    """Yield (kind, relation, other kind) as the caption puts them."""
    words = caption.split()
    things = named(words)
    for (one, _, end), (two, start, last) in itertools.pairwise(things):
        between, after = " ".join(words[end + 1 : start]), words[last + 1 : last + 3]
        if between == "with" and after[1:] == ["it"]:  # "a bench with a cat on it"
            yield two, after[0], one
        for phrase in sorted(TRUE_IF, key=len, reverse=True):
            if f" {between}".endswith(f" {phrase}"):
                yield one, phrase, two
                break


def test_relations_are_true_of_the_boxes():
    checked = Counter()
    for scene in [scene for scene in SCENES if scene.relation]:
        objects = draw_picture(scene)[1]
        further = {thing.kind for thing in scene.group(2)}
        for caption in describe(scene):
            for one, phrase, two in claims(caption):
                ours, theirs = boxes(objects, one), boxes(objects, two)
                if two in further:  # "under the sun": wherever in the sky it is
                    assert phrase == "under" and theirs[0][3] < ours[0][1] / 2 + ours[0][3] / 2
                else:
                    assert TRUE_IF[phrase](ours, theirs), (caption, scene)
                checked[phrase] += 1
    assert min(checked[phrase] for phrase in TRUE_IF) >= 3
