"""A classifier's say in nouns: the tables, the formula, what it does to captions."""

import math
import re

import numpy as np
import pytest
import torch
from timm.data import ImageNetInfo
from torch import nn

from helpers.captioner import CaptioningRNN
from helpers.decoding import beam, greedy, replay
from helpers.features import encode_images
from helpers.images import open_image
from helpers.photographs import photograph_path
from helpers.pretrained import guidance, load_captioner
from helpers.pretrained.guidance import ObjectClassifier, ObjectGuide, PeopleDetector
from helpers.pretrained.imagenet_nouns import CLASSES, NOUNS, PEOPLE, used_like
from helpers.training import set_seed
from helpers.vocabulary import START, Vocabulary

WORDS = [
    "a", "dog", "dogs", "cat", "horse", "table", "is", "on", "man", "men", "kitchen", "beach",
    "soccer", "football", "running",
]  # fmt: skip
ELEPHANT, ZEBRA, TABBY, BEAGLE, TABLE = 386, 340, 281, 162, 532
CLASSIFIER = nn.Identity()  # what it would say is given


def rows():
    """Give each row's words and classes."""
    found = {}
    for noun in NOUNS:
        found.setdefault(noun.row, ([], noun.classes))[0].append(noun.word)
    return list(found.values())


def test_each_word_stands_once_and_each_class_exists():
    words = [noun.word for noun in NOUNS]
    assert len(words) == len(set(words))
    assert not set(words) & {word for several in PEOPLE.values() for word in several.split()}
    for words, classes in rows():
        assert classes and len(set(classes)) == len(classes), words
        assert all(0 <= number < CLASSES for number in classes), words
    assert {noun.kind for noun in NOUNS} == {"thing", "things", "sport", "place"}
    assert set(PEOPLE) == {"thing", "things"}


# Classes whose name and definition have none of their row's words.
OTHERWISE = (
    "red-breasted merganser, albatross, ox, water buffalo, bison, wild boar, warthog, orangutan, "
    "gorilla, chimpanzee, gibbon, siamang, cheetah, banded gecko, African chameleon, "
    "boa constrictor, Indian cobra, green mamba, horned viper, diamondback, sidewinder, "
    "great white shark, tiger shark, hammerhead, coho, rock beauty, washbasin, monitor, screen, "
    "notebook, cheeseburger, hotdog, electric locomotive, passenger car, steam locomotive, "
    "streetcar, moving van, Model T, motor scooter, catamaran, container ship, liner, pirate, "
    "schooner, speedboat, trimaran, projectile, space shuttle, coffee mug, espresso, racket, "
    "Crock Pot, dishwasher, espresso maker, refrigerator, stove, bathtub, medicine chest, "
    "shower curtain, soap dispenser, toilet seat, tub, washbasin, bakery, bookshop, butcher shop, "
    "tobacco shop, toyshop, sandbar, seashore, "
)
BREEDS = r"dog|canine|hound|terrier|spaniel|setter|retriever|pinscher|poodle|schnauzer|bull|"
BREEDS += r"sennenhunde|griffon|corgi|collie|breed|dingo|sheepdog"


def test_classes_are_called_what_the_table_says():
    info = ImageNetInfo()
    for words, classes in rows():
        pattern = BREEDS if words[0] == "dog" else "|".join(words)
        if words[0] == "bird":  # defined by family: what they are together is enough
            assert classes == (*range(7, 25), *range(80, 97), 99, 100, *range(127, 147))
            continue
        for number in classes:
            told = info.index_to_description(number, detailed=True)
            name = info.index_to_description(number).partition(",")[0]
            assert re.search(rf"\b({pattern})", told.lower()) or f"{name}, " in OTHERWISE, (
                words,
                told,
            )


def test_used_like():
    assert used_like("zebra", {"zebra", "horse"}) == "zebra"
    assert used_like("zebra", {"horse"}) == "horse"
    assert used_like("rocket", {"airplane"}) == "airplane"  # as planes are
    assert used_like("kitten", {"dog"}) is None and used_like("kitten", {"cat"}) == "cat"
    assert used_like("sofa", {"dog"}) is None and used_like("dog", set()) is None


def test_guides_know_what_a_vocabulary_lacks():
    guide = ObjectGuide(Vocabulary(WORDS), CLASSIFIER)
    words = guide.vocabulary.idx_to_word
    assert words[: guide.V] == Vocabulary(WORDS).idx_to_word
    assert {"zebra", "bear", "elephants", "desk"} < set(words[guide.V :])
    assert "pizza" not in words  # neither it nor anything that it could be used like is known
    assert "a" not in {noun.word for noun in NOUNS}
    colours = ObjectGuide(Vocabulary(["red", "circle"]), CLASSIFIER)
    assert len(colours.kinds) == 0 and len(colours.vocabulary) == 6


def captioner(cell_type="attn", seed=0):
    set_seed(seed)
    return CaptioningRNN(Vocabulary(WORDS), cell_type, 6, 7, 8).eval()


def log_probs(*classes, rest=1e-6):
    """Make log-probabilities, (N, 1000), of pictures that show a class each; None: anything."""
    P = torch.full((len(classes), CLASSES), rest)
    for n, number in enumerate(classes):
        P[n] = 1 / CLASSES if number is None else P[n]
        if number is not None:
            P[n, number] = 1 - rest * (CLASSES - 1)
    return P.log()


def guided(*classes, people=None, mean=1.0):
    """Guide a captioner through pictures. Returns: it, features, the captioner, the guide.

    people: how probable some are, whatever the classes; mean: and in the training pictures
    """
    model = captioner()
    guide = ObjectGuide(model.vocabulary, CLASSIFIER)
    if people is not None:
        guide.people.b.fill_(math.log(people / (1 - people)))
        guide.people.mean.fill_(mean)
    features = torch.randn(len(classes), 5, 6, generator=torch.Generator().manual_seed(1))
    return guide(model, log_probs(*classes)), features, model, guide


def first_step(model, features):
    """Return the probabilities of the first word, (N, V)."""
    state, A = model.start(features)
    scores, _, _ = model.step(torch.full((len(features),), START), state, A)
    return scores.softmax(1), scores


def ids(guide, words):
    return [guide.vocabulary.word_to_idx[word] for word in words.split()]


def test_scores_are_log_probabilities_and_kinds_keep_theirs():
    model, features, plain, guide = guided(ELEPHANT, TABBY, None)
    probs, scores = first_step(model, features)
    before = first_step(plain, features)[0]
    torch.testing.assert_close(scores.logsumexp(1), torch.zeros(3), atol=1e-5, rtol=0)
    for kind in guide.kinds:
        known = kind.ids[: kind.known]
        torch.testing.assert_close(probs[:, kind.ids].sum(1), before[:, known].sum(1))
    others = ids(guide, "a is on running man men")
    torch.testing.assert_close(probs[:, others], before[:, others])


def test_the_formula():
    model, features, plain, guide = guided(ELEPHANT, BEAGLE, people=0.5, mean=0.8)
    probs, before = first_step(model, features)[0], first_step(plain, features)[0]
    P, q = log_probs(ELEPHANT, BEAGLE).exp(), (0.5 / 0.8) ** guidance.PEOPLE_POWER
    man = ids(guide, "man")
    torch.testing.assert_close(probs[:, man], q * before[:, man])
    for n in range(2):
        total, weights = (1 - q) * before[n, man].item(), {}
        for noun in NOUNS:
            if noun.kind == "thing" and noun.word in guide.vocabulary.word_to_idx:
                like = plain.vocabulary.word_to_idx[used_like(noun.word, WORDS)]
                p, said = before[n, like].item(), noun.word in WORDS
                total += p if said else 0
                p *= 1 if said else math.exp(-guidance.NOVEL)
                shown = P[n, list(noun.classes)].sum().item() + guidance.EPSILON
                usual = len(noun.classes) / CLASSES + guidance.EPSILON
                weights[noun.word] = p**guidance.CAPTIONER * (shown / usual) ** guidance.CLASSIFIER
        for word, weight in weights.items():
            expected = total * weight / sum(weights.values())
            assert probs[n, ids(guide, word)[0]].item() == pytest.approx(expected, rel=1e-4)
    assert {"dog", "zebra", "table"} < set(weights) and "dogs" not in weights


def test_the_classifier_decides_between_nouns_of_a_kind():
    model, features, _, guide = guided(ELEPHANT, TABBY, BEAGLE, ZEBRA)
    things = ids(guide, "elephant cat dog zebra")
    assert first_step(model, features)[0][:, things].argmax(1).tolist() == [0, 1, 2, 3]


def test_no_thing_is_named_twice():
    model, features, _, guide = guided(BEAGLE, BEAGLE)
    dog, dogs, puppy, cat = ids(guide, "dog dogs puppy cat")
    state, A = model.start(features)
    _, state, _ = model.step(torch.tensor([dog, cat]), state, A)
    scores, state, _ = model.step(torch.tensor(ids(guide, "is on")), state, A)
    scores = scores.log_softmax(1)
    assert scores[0, [dog, dogs, puppy]].max() < -1000 < scores[0, cat]
    assert scores[1, cat] < -1000 < scores[1, [dog, puppy]].min()
    for word in ids(guide, "soccer kitchen"):  # a soccer player may play soccer
        state, A = model.start(features)
        _, state, _ = model.step(torch.tensor([word, word]), state, A)
        scores, _, _ = model.step(torch.tensor(ids(guide, "is on")), state, A)
        assert scores[:, word].min() > -1000


def test_a_novel_word_goes_on_like_the_one_that_it_is_used_like():
    model, features, _, guide = guided(ZEBRA)
    after = []
    for word in ids(guide, "zebra horse"):
        state, A = model.start(features)
        _, (h, c, _), _ = model.step(torch.tensor([word]), state, A)
        after.append((h, c))
    for one, other in zip(*after, strict=True):
        assert torch.equal(one, other)


def test_without_people_their_words_give_way_to_things():
    model, features, plain, guide = guided(TABLE, people=0.001)
    probs, before = first_step(model, features)[0][0], first_step(plain, features)[0][0]
    man, men, table = ids(guide, "man men table")
    assert probs[[man, men]].sum() < 1e-4 < before[[man, men]].min()
    for word, kind in zip((man, men), guide.kinds, strict=False):
        assert word in kind.people
        given = before[kind.ids[: kind.known]].sum() + before[kind.people].sum()
        torch.testing.assert_close(probs[kind.ids].sum(), given, rtol=1e-4, atol=0)
    assert probs[table] > before[table]
    torch.testing.assert_close(probs.sum(), torch.tensor(1.0))
    probs = first_step(guided(TABLE, people=1 - 1e-7)[0], features)[0][0]
    torch.testing.assert_close(probs[[man, men]], before[[man, men]], rtol=1e-4, atol=0)


def test_pictures_are_guided_one_by_one():
    """A picture's caption does not depend on those beside it, nor on the other beams."""
    classes = (ELEPHANT, TABBY, TABLE, None)
    _, features, plain, guide = guided(*classes, people=0.3, mean=0.9)
    guide.people.W[TABBY] = 0.2  # people are less probable beside other classes
    model = guide(plain, log_probs(*classes))
    assert len(model.keep.unique()) > 1
    together = beam(model, features, 3, max_length=6)
    for n, number in enumerate(classes):
        alone = guide(plain, log_probs(number))
        (captions,) = beam(alone, features[n : n + 1], 3, max_length=6)
        assert [c.ids for c in captions] == [c.ids for c in together[n]]
        for caption in captions:
            log_p = replay(alone, features[n : n + 1], caption.ids)
            said = log_p[range(len(caption.ids)), caption.ids].sum().item()
            assert caption.log_prob == pytest.approx(said, abs=1e-3)


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_other_cells_are_guided_too(cell_type):
    plain = captioner(cell_type)
    guide = ObjectGuide(plain.vocabulary, CLASSIFIER)
    model = guide(plain, log_probs(ZEBRA))
    assert greedy(model, torch.randn(1, 6), 5)[0].alpha is None
    with pytest.raises(ValueError, match="features of 2 pictures, classes of 1"):
        greedy(model, torch.randn(2, 6), 5)
    with pytest.raises(ValueError, match=r"log_probs must be \(N, 1000\), not \(2, 999\)"):
        guide(plain, torch.zeros(2, 999))
    other = ObjectGuide(Vocabulary(WORDS[::-1]), CLASSIFIER)
    with pytest.raises(ValueError, match="another vocabulary"):
        other(plain, log_probs(ZEBRA))


def test_the_detector_learns_people_from_classes():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2500, CLASSES, generator=generator) - 9
    shown = x[:, 3] > -9
    captions = [["A man runs .", "two Women"] if yes else ["a cat", "a man"] for yes in shown]
    people = PeopleDetector()
    assert people(x).min() > 0.999  # before
    with pytest.raises(ValueError, match="of 3 pictures 0 show people"):
        people.learn(x[:3], [["a cat"], ["a dog", "a man"], ["the sea"]])
    people.learn(x[:2000].numpy().astype(np.float16), captions[:2000])
    assert people.mean == pytest.approx(shown[:2000].float().mean())
    right = (people(x[2000:]) > 0.5) == shown[2000:]
    assert right.float().mean() > 0.8


def test_the_classifier_gives_log_probabilities_of_the_classes():
    classifier = ObjectClassifier()
    cat = open_image(photograph_path("chelsea.png"))
    found = encode_images(classifier, [cat, cat.rotate(90)])
    assert found.shape == (2, CLASSES) and found.dtype == torch.float32
    torch.testing.assert_close(found.logsumexp(1), torch.zeros(2), atol=1e-5, rtol=0)
    assert 281 <= found[0].argmax() <= 285  # ImageNet's cats
    assert classifier.fingerprint() != super(ObjectClassifier, classifier).fingerprint()


def test_the_shipped_captioner_names_what_it_hardly_learned():
    captioner = load_captioner()
    images = [open_image(photograph_path(name)) for name in ("chelsea.png", "rocket.jpg")]
    cat, rocket = (caption.words for caption in captioner.caption(images, 5))
    assert "cat" in cat and "rocket" in rocket
    captioner.guide = None
    cat, rocket = (caption.words for caption in captioner.caption(images, 5))
    assert "cat" not in cat and "rocket" not in rocket
