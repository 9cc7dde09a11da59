"""Metrics, against the reference scorers and against values worked out by hand."""

import math

import pytest

from helpers.metrics import bleu, score_captions

REFERENCES = [
    ["A dog runs on the grass.", "the brown dog is running", "a dog plays outside in the grass"],
    ["Two boats sail on the sea.", "boats on blue water"],
    ["A man rides a red bicycle down the street .", "a cyclist in the street"],
]
CANDIDATES = ["a dog runs on grass", "two boats on the blue sea", "a man rides a bicycle"]


def test_agrees_with_the_reference_scorer():
    from pycocoevalcap.bleu.bleu import Bleu

    from helpers.vocabulary import tokenize

    truth = {i: [" ".join(tokenize(c)) for c in refs] for i, refs in enumerate(REFERENCES)}
    results = {i: [" ".join(tokenize(c))] for i, c in enumerate(CANDIDATES)}
    expected, _ = Bleu(4).compute_score(truth, results, verbose=0)
    scores = bleu(REFERENCES, CANDIDATES)
    for n in range(4):
        assert scores[f"BLEU-{n + 1}"] == pytest.approx(expected[n], abs=1e-6)


def test_worked_out_by_hand():
    # unigrams: 3 of 4 clipped; bigrams: 1 of 3; closest reference has 5 words, so the penalty
    # is exp(1 - 5/4)
    scores = bleu([["the cat sat down here", "cats everywhere"]], ["the the cat down"])
    penalty = math.exp(1 - 5 / 4)
    assert scores["BLEU-1"] == pytest.approx(penalty * 3 / 4)
    assert scores["BLEU-2"] == pytest.approx(penalty * math.sqrt(3 / 4 * 1 / 3))


def test_identical_captions_score_one():
    scores = score_captions(REFERENCES, [several[0] for several in REFERENCES])
    assert [scores[f"BLEU-{n}"] for n in range(1, 5)] == pytest.approx([1] * 4)
    assert scores["ROUGE-L"] == pytest.approx(1)


def test_nothing_in_common_scores_zero():
    scores = score_captions(REFERENCES, ["xylophone", "quartz zebra", "jigsaw"])
    assert all(score < 1e-6 for score in scores.values())


def test_case_and_punctuation_do_not_count():
    shouted = [caption.upper() + " !" for caption in CANDIDATES]
    assert bleu(REFERENCES, shouted) == bleu(REFERENCES, CANDIDATES)


@pytest.mark.parametrize(
    ("references", "candidates"),
    [(REFERENCES, CANDIDATES[:2]), ([["a dog"], []], ["a dog", "a cat"]), ([], [])],
)
def test_refuses_what_cannot_be_scored(references, candidates):
    with pytest.raises(ValueError, match="references"):
        bleu(references, candidates)
