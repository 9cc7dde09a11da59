"""Scores for captions, against several references an image.

BLEU (Papineni et al. 2002) is NLTK's; CIDEr-D (Vedantam et al. 2015) and ROUGE-L (Lin 2004)
are pycocoevalcap's, the field's reference scorers, and so are METEOR (Denkowski and Lavie 2014)
and SPICE (Anderson et al. 2016), which need Java. All of them see the words of `tokenize`:
lower-cased, without punctuation.
"""

import contextlib
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

from helpers.vocabulary import tokenize

References = Sequence[Sequence[str]]
BLEU_WEIGHTS = [(1,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]


def bleu(references: References, candidates: Sequence[str]) -> dict[str, float]:
    """Corpus BLEU-1 to BLEU-4: clipped n-gram precision times the brevity penalty.

    Inputs:
        references: for each image a list of captions (text)
        candidates: one caption (text) for each image
    Returns: dict from "BLEU-1" ... "BLEU-4" to a score in [0, 1]
    Raises: ValueError if the numbers of images differ, or one has no reference.
    """
    from nltk.translate.bleu_score import corpus_bleu

    _check(references, candidates)
    tokenized = [[tokenize(caption) for caption in several] for several in references]
    with warnings.catch_warnings():  # NLTK warns where no n-gram matches; the score is 0 then
        warnings.simplefilter("ignore", UserWarning)
        scores = corpus_bleu(tokenized, [tokenize(c) for c in candidates], BLEU_WEIGHTS)
    return {f"BLEU-{n + 1}": float(score) for n, score in enumerate(scores)}


def score_captions(references: References, candidates: Sequence[str]) -> dict[str, float]:
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D.

    Inputs: as for `bleu`
    Returns: dict from metric to score: BLEU and ROUGE-L in [0, 1], CIDEr-D in [0, 10]
    Raises: as for `bleu`
    """
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scores = bleu(references, candidates)
    truth, results = _spaced(references, candidates)
    for name, scorer in (("ROUGE-L", Rouge()), ("CIDEr-D", Cider())):
        scores[name] = float(scorer.compute_score(truth, results)[0])
    return scores


def java_scores(
    references: References, candidates: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """METEOR and SPICE, where the Java programs that compute them can run.

    Nothing is downloaded: SPICE is computed only where its language models are installed.

    Inputs: as for `bleu`
    Returns: scores: dict from metric to score in [0, 1]; absent: dict from each of the other
        metrics to the reason why it was not computed
    Raises: as for `bleu`
    """
    _check(references, candidates)
    truth, results = _spaced(references, candidates)
    scores, absent = {}, {}
    for name, compute in (("METEOR", _meteor), ("SPICE", _spice)):
        try:
            _check_java()
            scores[name] = compute(truth, results)
        except _Absent as reason:
            absent[name] = str(reason)
    return scores, absent


class _Absent(Exception):
    """A metric cannot be computed here; the message says why."""


def _check_java() -> None:
    java = shutil.which("java")
    # macOS has a `java` that only says where to get one
    if not java or subprocess.run([java, "-version"], capture_output=True).returncode:
        raise _Absent("needs Java, and no `java` was found")


def _meteor(truth: dict, results: dict) -> float:
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    process = scorer.meteor_p
    try:
        return float(scorer.compute_score(truth, results)[0])
    except (OSError, ValueError) as error:
        raise _Absent(f"its Java program failed ({error})") from error
    finally:
        if scorer.lock.locked():  # after a failure: its destructor would wait for ever
            scorer.lock.release()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()


def _spice(truth: dict, results: dict) -> float:
    from pycocoevalcap.spice import get_stanford_models as models
    from pycocoevalcap.spice.spice import Spice

    folder = Path(models.SPICEDIR) / models.SPICELIB
    for end in (".jar", "-models.jar"):  # without them the scorer would fetch 400 MB
        if not (folder / (models.JAR + end)).is_file():
            raise _Absent(f"{models.JAR}{end} is not in pycocoevalcap/spice/{models.SPICELIB}")
    try:
        return float(Spice().compute_score(truth, results)[0])
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise _Absent(f"its Java program failed ({error})") from error


def _spaced(references: References, candidates: Sequence[str]) -> tuple[dict, dict]:
    """Lay captions out as pycocoevalcap wants them: dicts from a number to lists of texts."""
    spaced = [[" ".join(tokenize(caption)) for caption in several] for several in references]
    return dict(enumerate(spaced)), {
        i: [" ".join(tokenize(caption))] for i, caption in enumerate(candidates)
    }


def _check(references: References, candidates: Sequence[str]) -> None:
    if len(references) != len(candidates):
        raise ValueError(f"{len(references)} images with references, {len(candidates)} candidates")
    empty = [i for i, several in enumerate(references) if not several]
    if isinstance(candidates, str) or empty or not len(references):
        raise ValueError(f"every image needs a list of references; none for images {empty[:5]}")
