"""Scores for captions, against several references an image.

BLEU (Papineni et al. 2002) is counted with NLTK; CIDEr-D (Vedantam et al. 2015), ROUGE-L (Lin
2004) and, with Java, METEOR (Denkowski and Lavie 2014) and SPICE (Anderson et al. 2016) are
pycocoevalcap's, the field's. All see the words of `tokenize`: lower-cased, without punctuation.
"""

import contextlib
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from helpers.vocabulary import tokenize

References = Sequence[Sequence[str]]


def bleu(references: References, candidates: Sequence[str]) -> dict[str, float]:
    """Corpus BLEU-1 to BLEU-4: clipped n-gram precision times the brevity penalty.

    Inputs: references: for each image a list of captions (text); candidates: one for each image
    Returns: dict from "BLEU-1" ... "BLEU-4" to a score in [0, 1], as pycocoevalcap's
    Raises: ValueError for other numbers, or no words of reference; TypeError for what is no text
    """
    from nltk.translate.bleu_score import closest_ref_length, modified_precision

    truth, results = _tokenized(references, candidates)
    said = [text.split() for (text,) in results.values()]
    pairs = [([text.split() for text in truth[i]], words) for i, words in enumerate(said)]
    length = sum(map(len, said))
    wanted = sum(closest_ref_length(several, len(words)) for several, words in pairs)
    # the reference scorer's guards against 0 / 0, which decide about very short captions
    ratio = (length + 1e-15) / (wanted + 1e-9)
    penalty = math.exp(min(0.0, 1 - 1 / ratio))
    product, scores = 1.0, {}
    for n in range(1, 5):
        matches = sum(modified_precision(*pair, n).numerator for pair in pairs)
        ngrams = sum(max(0, len(words) - n + 1) for words in said)
        product *= (matches + 1e-15) / (ngrams + 1e-9)
        scores[f"BLEU-{n}"] = penalty * product ** (1 / n)
    return scores


def score_captions(references: References, candidates: Sequence[str]) -> dict[str, float]:
    """BLEU-1 to BLEU-4 and ROUGE-L, in [0, 1], and CIDEr-D, in [0, 10], as for `bleu`.

    CIDEr-D weighs words by how few images have them: it is left out where all images have the same.
    """
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scores = bleu(references, candidates)
    truth, results = _tokenized(references, candidates)
    scores["ROUGE-L"] = float(Rouge().compute_score(truth, results)[0])
    if len({frozenset(" ".join(several).split()) for several in truth.values()}) > 1:
        scores["CIDEr-D"] = float(Cider().compute_score(truth, results)[0])
    return scores


def java_scores(
    references: References, candidates: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """METEOR and SPICE, as for `bleu`, where Java runs and SPICE's language models are installed.

    Returns: dict from metric to score in [0, 1]; dict from absent metric to the reason
    """
    truth, results = _tokenized(references, candidates)
    java = shutil.which("java")
    # macOS has a `java` that only says where to get one
    if not java or subprocess.run([java, "-version"], capture_output=True).returncode:
        return {}, dict.fromkeys(("METEOR", "SPICE"), "needs Java, and no `java` was found")
    scores, absent = {}, {}
    for name, compute in (("METEOR", _meteor), ("SPICE", _spice)):
        try:
            scores[name] = compute(truth, results)
        except FileNotFoundError as error:
            absent[name] = str(error)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            absent[name] = f"its Java program failed ({error})"
    return scores, absent


def _meteor(truth: dict, results: dict) -> float:
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    process = scorer.meteor_p
    try:
        return float(scorer.compute_score(truth, results)[0])
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
            missing = f"{models.JAR}{end} is not in pycocoevalcap/spice/{models.SPICELIB}"
            raise FileNotFoundError(missing)
    return float(Spice().compute_score(truth, results)[0])


def _tokenized(references: References, candidates: Sequence[str]) -> tuple[dict, dict]:
    """Check captions, and lay their words out as pycocoevalcap does: number -> list of texts."""
    for name, texts in (("references", references), ("candidates", candidates)):
        if isinstance(texts, str):
            raise ValueError(f"{name}: expected a list, one entry for each image; got one str")
    if len(references) != len(candidates):
        raise ValueError(f"{len(references)} images with references, {len(candidates)} candidates")
    if any(isinstance(several, str) for several in references):
        raise ValueError("references: expected a list of captions for each image; got one str each")
    for i, caption in enumerate(candidates):
        if not isinstance(caption, str):
            kind = type(caption).__name__
            raise TypeError(f"candidates: expected a str for each image; got {kind} for image {i}")
    spaced = [[" ".join(tokenize(caption)) for caption in several] for several in references]
    empty = [i for i, several in enumerate(spaced) if not any(several)]
    if empty or not spaced:
        raise ValueError(f"references: every image needs some words; none for images {empty[:5]}")
    return dict(enumerate(spaced)), {
        i: [" ".join(tokenize(caption))] for i, caption in enumerate(candidates)
    }
