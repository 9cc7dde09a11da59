"""Metrics, against the reference scorers and against values worked out by hand."""

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pycocoevalcap.spice import get_stanford_models

from helpers.metrics import bleu, java_scores, score_captions

REFERENCES = [
    ["A dog runs on the grass.", "the brown dog is running", "a dog plays outside in the grass"],
    ["Two boats sail on the sea.", "boats on blue water"],
    ["A man rides a red bicycle down the street .", "a cyclist in the street"],
]
CANDIDATES = ["a dog runs on grass", "two boats on the blue sea", "a man rides a bicycle"]


WORDS = st.lists(st.sampled_from("abcde"), max_size=7).map(" ".join)
IMAGES = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=3), WORDS), min_size=1, max_size=4)


@settings(deadline=None)
@given(IMAGES)
@example([(["a dog"], "a dog"), (["a dog runs on the grass"], "a dog runs on the grass")])
@example([(["a"], "")])
def test_agrees_with_the_reference_scorer(images):
    from pycocoevalcap.bleu.bleu import Bleu

    references, candidates = zip(*images, strict=True)
    assume(all(map(any, references)))
    results = {i: [caption] for i, caption in enumerate(candidates)}
    expected, _ = Bleu(4).compute_score(dict(enumerate(references)), results, verbose=0)
    assert list(bleu(references, candidates).values()) == pytest.approx(expected, abs=1e-6)


def test_agrees_with_nltk_where_captions_are_long():
    from nltk.translate.bleu_score import corpus_bleu

    references = [[caption.lower().strip(" .").split() for caption in r] for r in REFERENCES]
    expected = corpus_bleu(references, [caption.split() for caption in CANDIDATES], (0.5, 0.5))
    assert bleu(REFERENCES, CANDIDATES)["BLEU-2"] == pytest.approx(expected, abs=1e-6)


def test_cider_d_of_images_that_it_cannot_tell_apart_is_left_out():
    one, two = ["a dog runs"], ["a cat sleeps"]
    assert "CIDEr-D" not in score_captions([one], one)
    assert "CIDEr-D" not in score_captions([one, one], one * 2)
    assert score_captions([one, two], one + two)["CIDEr-D"] > 1


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
    [
        (REFERENCES, CANDIDATES[:2]), ([["a dog"], []], ["a dog", "a cat"]), ([], []),
        (CANDIDATES, CANDIDATES), ("a dog", "a cat"), ([["..."], ["a dog"]], ["a dog", "a cat"]),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be_scored(references, candidates):
    with pytest.raises(ValueError, match="references"):
        bleu(references, candidates)


needs_java = pytest.mark.skipif(not shutil.which("java"), reason="needs Java")


@needs_java
def test_meteor_of_identical_and_of_unlike_captions():
    identical, _ = java_scores(REFERENCES, [several[0] for several in REFERENCES])
    unlike, _ = java_scores(REFERENCES, ["xylophone", "quartz zebra", "jigsaw"])
    usual, _ = java_scores(REFERENCES, CANDIDATES)
    assert identical["METEOR"] == pytest.approx(1, abs=1e-3)
    assert 0 == unlike["METEOR"] < usual["METEOR"] < identical["METEOR"]


@needs_java
def test_meteor_knows_stems():
    # "running" matches "runs", which BLEU counts as another word
    scores, _ = java_scores([["a dog runs"]], ["a dog running"])
    unlike, _ = java_scores([["a dog runs"]], ["a dog sleeping"])
    assert scores["METEOR"] > unlike["METEOR"] + 0.1


@needs_java
def test_meteor_of_a_caption_without_words():
    scores, absent = java_scores([["a dog"], ["a cat"]], ["", "a cat"])
    assert 0 < scores["METEOR"] < 1 and "METEOR" not in absent


def test_without_java_both_are_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    scores, absent = java_scores(REFERENCES, CANDIDATES)
    assert scores == {} and set(absent) == {"METEOR", "SPICE"}
    assert all("Java" in reason for reason in absent.values())


def test_a_java_that_only_says_where_to_get_one(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java_scores(REFERENCES, CANDIDATES)[0] == {}


def test_a_meteor_that_breaks_down_is_absent(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 0\n")  # answers `-version`, and dies on the captions
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    scores, absent = java_scores(REFERENCES, CANDIDATES)
    assert "METEOR" not in scores and "failed" in absent["METEOR"]


def test_spice_downloads_nothing(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("downloads")

    monkeypatch.setattr(get_stanford_models, "urlretrieve", refuse)
    monkeypatch.setattr(get_stanford_models, "SPICEDIR", str(tmp_path))
    scores, absent = java_scores(REFERENCES, CANDIDATES)
    assert "SPICE" not in scores and "SPICE" in absent


@needs_java
def test_spice_runs_where_its_models_are(monkeypatch, tmp_path):
    monkeypatch.setattr(get_stanford_models, "SPICEDIR", str(tmp_path))
    (tmp_path / "lib").mkdir()
    for end in (".jar", "-models.jar"):
        Path(tmp_path, "lib", get_stanford_models.JAR + end).touch()
    seen = []

    class Scorer:
        def compute_score(self, truth, results):
            seen.append((truth, results))
            return 0.25, []

    monkeypatch.setattr("pycocoevalcap.spice.spice.Spice", Scorer)
    scores, absent = java_scores(REFERENCES, CANDIDATES)
    assert scores["SPICE"] == 0.25 and absent == {}
    assert seen[0][0][1] == ["two boats sail on the sea", "boats on blue water"]
    assert seen[0][1][1] == ["two boats on the blue sea"]
