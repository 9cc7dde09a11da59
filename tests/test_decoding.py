"""Decoding: greedy, beam and sampling against the model's own log-probabilities."""

import itertools

import numpy as np
import pytest
import torch
from small import VOCABULARY, small_features, small_model

from helpers.decoding import FORBIDDEN, _forbid_unfinished, _grammar, beam, greedy, replay, sample
from helpers.vocabulary import END, START, Vocabulary

CELLS = ["rnn", "lstm", "attn"]


@pytest.fixture(params=CELLS)
def case(request):
    """A model whose choices are uneven, and features of five images."""
    return small_model(request.param, scale=3.0), small_features(5, request.param)


def recomputed_log_prob(model, features, ids):
    """Score a caption word by word, one image at a time."""
    log_probs = replay(model, features, ids)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(len(ids)))
    return sum(log_probs[t, word].item() for t, word in enumerate(ids))


def test_log_probs_are_the_models_own(case):
    model, features = case
    decoded = [
        greedy(model, features),
        sample(model, features, seed=3),
        [best[0] for best in beam(model, features, 3)],
        [worst[-1] for worst in beam(model, features, 3, length_penalty=1.0)],
    ]
    for captions in decoded:
        for n, caption in enumerate(captions):
            expected = recomputed_log_prob(model, features[n : n + 1], caption.ids)
            assert caption.log_prob == pytest.approx(expected, abs=1e-4)


def test_greedy_takes_the_most_probable_word(case):
    model, features = case
    for n, caption in enumerate(greedy(model, features)):
        state, A = model.start(features[n : n + 1])
        word = START
        for following in caption.ids:
            scores, state, _ = model.step(torch.tensor([word]), state, A)
            scores = scores.index_fill(1, torch.tensor(FORBIDDEN), -torch.inf)
            assert following == scores.argmax()
            word = following


def test_beam_of_one_is_greedy(case):
    model, features = case
    for one, several in zip(greedy(model, features), beam(model, features, 1), strict=True):
        assert several[0].ids == one.ids
        assert several[0].log_prob == pytest.approx(one.log_prob, abs=1e-5)


def test_beams_are_ranked_and_distinct(case):
    model, features = case
    for captions in beam(model, features, 4):
        log_probs = [caption.log_prob for caption in captions]
        assert log_probs == sorted(log_probs, reverse=True)
        assert len({tuple(caption.ids) for caption in captions}) == 4


def test_a_beam_as_wide_as_all_beginnings_is_exact():
    # two words: every caption fits the beam, so the best one must be found
    model, features = small_model(scale=3.0), small_features(3)
    choices = [word for word in range(len(VOCABULARY)) if word not in FORBIDDEN]
    captions = [[END]] + [[a, b] for a in choices if a != END for b in choices]
    for n, found in enumerate(beam(model, features, len(choices), max_length=2)):
        row = features[n : n + 1]
        best = max(captions, key=lambda ids: recomputed_log_prob(model, row, ids))
        assert found[0].ids == best


def searched(model, features, width, penalty, longest):
    """Search one image's captions hypothesis by hypothesis. Returns: ids, best first."""
    beams = [([], 0.0)]

    def rank(hypothesis):
        ids, log_prob = hypothesis
        return log_prob / max(1, len(ids)) ** penalty

    for _ in range(longest):
        candidates = [(ids, log_prob) for ids, log_prob in beams if ids[-1:] == [END]]
        for ids, log_prob in beams:
            if ids[-1:] != [END]:
                for word, more in enumerate(replay(model, features, [*ids, END])[-1].tolist()):
                    if word not in FORBIDDEN:
                        candidates.append(([*ids, word], log_prob + more))
        beams = sorted(candidates, key=rank, reverse=True)[:width]
    return [ids for ids, _ in beams]


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.5])
def test_a_beam_is_what_one_finds_hypothesis_by_hypothesis(penalty):
    # captions end at different lengths and overtake one another
    model, features = small_model("attn", scale=2.0), small_features(12, "attn")
    with torch.no_grad():
        model.score.b[END] += 1.0
    for n, captions in enumerate(beam(model, features, 3, penalty, max_length=6)):
        expected = searched(model, features[n : n + 1], 3, penalty, 6)
        assert [caption.ids for caption in captions] == expected


def test_wider_beams_do_not_score_lower_on_average():
    model, features = small_model(scale=3.0), small_features(64)
    means = [
        np.mean([captions[0].log_prob for captions in beam(model, features, width)])
        for width in (1, 2, 4, 8)
    ]
    assert all(wide >= narrow for narrow, wide in itertools.pairwise(means))


def test_batched_equals_one_by_one(case):
    model, features = case
    for decode in (greedy, lambda *a: [best[0] for best in beam(*a, 3)]):
        together = decode(model, features)
        alone = [decode(model, features[n : n + 1])[0] for n in range(len(features))]
        assert [c.ids for c in together] == [c.ids for c in alone]


def test_nothing_forbidden_is_said(case):
    model, features = case
    for caption in sample(model, features.repeat(20, *[1] * (features.ndim - 1))):
        assert not set(caption.ids) & set(FORBIDDEN)
        assert END not in caption.ids[:-1]


def test_no_ngram_repeats():
    model, features = small_model(scale=0.1), small_features(16)
    for n in (1, 2, 3):
        for captions in beam(model, features, 3, no_repeat_ngram=n):
            for caption in captions:
                ngrams = [tuple(caption.ids[k : k + n]) for k in range(len(caption.ids) - n + 1)]
                assert len(ngrams) == len(set(ngrams))


def test_a_finished_caption_ends_as_people_end_theirs():
    vocabulary = Vocabulary(["a", "and", "white", "dog"])
    model, ids = _Alternating(vocabulary), vocabulary.word_to_idx
    features = torch.zeros(2, 1)
    ((first, *_), _) = beam(model, features, 2, max_length=8)
    assert first.words == ["white", "and", "white", "and"]  # as likely as can be
    for captions in beam(model, features, 3, max_length=8, finish=True):
        for caption in captions:
            assert caption.ids[-1] != END or caption.words[-1] == "dog"
            triples = zip(caption.ids, caption.ids[1:], caption.ids[2:], strict=False)
            assert not any(x == z and y == ids["and"] for x, y, z in triples)


def test_a_finished_caption_says_an_before_a_vowel():
    words = ["a", "an", "apple", "umbrella", "unicycle", "one-eyed", "dog"]
    vocabulary = Vocabulary(words)
    ids = torch.tensor([[vocabulary.word_to_idx["a"]], [vocabulary.word_to_idx["an"]]])
    log_probs = torch.zeros(2, len(vocabulary))
    _forbid_unfinished(log_probs, ids, *_grammar(vocabulary, "cpu"))
    forbidden = [w for w in words if log_probs[0, vocabulary.word_to_idx[w]] == -torch.inf]
    assert forbidden == ["a", "an", "apple", "umbrella"]
    assert (log_probs[1, 4:] == 0).all()


class _Alternating:
    """A model that says "white and white and", and then ends."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def start(self, features):
        return (torch.zeros(len(features), 1),), None

    def step(self, words, state, A=None):
        (t,) = state
        ids = self.vocabulary.word_to_idx
        scores = torch.zeros(len(words), len(self.vocabulary))
        likely = torch.where(words == ids["white"], ids["and"], ids["white"])
        likely[t[:, 0] >= 4] = END
        scores.scatter_(1, likely[:, None], 9.0)
        scores[:, ids["dog"]] = 5.0
        return scores, (t + 1,), None


def test_length_penalty_favours_long_captions():
    model, features = small_model(scale=1.0), small_features(32)
    with torch.no_grad():
        model.score.b[END] += 1.0
    lengths = [
        np.mean([len(captions[0].ids) for captions in beam(model, features, 4, penalty)])
        for penalty in (0.0, 2.0)
    ]
    assert lengths[1] > lengths[0]


def test_sampling_follows_the_distribution():
    model = small_model(scale=3.0)
    features = small_features(1).repeat(4000, 1)
    first = [caption.ids[0] for caption in sample(model, features, max_length=1)]
    state, A = model.start(features[:1])
    scores, _, _ = model.step(torch.tensor([START]), state, A)
    scores = scores.index_fill(1, torch.tensor(FORBIDDEN), -torch.inf)
    shares = np.bincount(first, minlength=len(VOCABULARY)) / len(first)
    np.testing.assert_allclose(shares, scores.softmax(1)[0].detach(), atol=0.03)


def test_sampling_options(case):
    model, features = case
    likely = [caption.ids for caption in greedy(model, features)]
    for options in ({"top_p": 1e-6}, {"temperature": 1e-4}):
        assert [c.ids for c in sample(model, features, **options)] == likely
    runs = [[c.ids for c in sample(model, features, seed=seed)] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_maps_belong_to_their_words():
    model, features = small_model("attn", scale=3.0), small_features(3, "attn")
    for caption in (*greedy(model, features), *beam(model, features, 3)[1]):
        assert caption.alpha.shape == (len(caption.ids), features.shape[1])
        np.testing.assert_allclose(caption.alpha.sum(1), 1, atol=1e-5)


def test_a_beams_maps_are_those_of_its_own_words():
    model, features = small_model("attn", scale=3.0), small_features(12, "attn")
    for n, captions in enumerate(beam(model, features, 4)):
        for caption in captions:
            state, A = model.start(features[n : n + 1])
            words = torch.tensor([START, *caption.ids[:-1]])
            for t, word in enumerate(words):
                _, state, alpha = model.step(word[None], state, A)
                np.testing.assert_allclose(caption.alpha[t], alpha[0].detach(), atol=1e-5)


def test_words_are_one_per_map_where_the_text_joins_them():
    model, features = small_model("attn"), small_features(1, "attn")
    model.vocabulary = Vocabulary(["dog", "'s", *VOCABULARY.idx_to_word[6:]])
    with torch.no_grad():
        model.score.W[:] = 0
        model.score.b[:] = 0
        model.score.b[5] = 9.0  # says "'s" at each step
    (caption,) = greedy(model, features, 3)
    assert caption.words == ["'s"] * 3 and len(caption.alpha) == 3
    assert len(caption.text.split()) < 3


def test_words_of_a_caption_that_never_ends():
    model, features = small_model(), small_features(2)
    with torch.no_grad():
        model.score.b[END] = -1e4
    for caption in (*greedy(model, features, 6), *beam(model, features, 2, max_length=6)[0]):
        assert len(caption.words) == len(caption.ids) == 6


@pytest.mark.parametrize(
    ("decode", "options", "named"),
    [
        (greedy, {"max_length": 0}, "max_length"),
        (beam, {"max_length": 0}, "max_length"),
        (beam, {"width": 0}, "width"),
        (beam, {"width": len(VOCABULARY)}, "width"),
        (sample, {"temperature": 0.0}, "temperature"),
        (sample, {"top_p": 1.5}, "top_p"),
    ],
)
def test_names_a_wrong_option(decode, options, named):
    with pytest.raises(ValueError, match=named):
        decode(small_model(), small_features(), **options)
