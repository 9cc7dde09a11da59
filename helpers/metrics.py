"""Scores for captions, against several references an image.

BLEU (Papineni et al. 2002) is NLTK's; CIDEr-D (Vedantam et al. 2015) and ROUGE-L (Lin 2004)
are pycocoevalcap's, the field's reference scorers. All of them see the words of `tokenize`:
lower-cased, without punctuation.
"""

import warnings

from helpers.vocabulary import tokenize

BLEU_WEIGHTS = [(1,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]


def bleu(references, candidates):
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


def score_captions(references, candidates):
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D.

    Inputs: as for `bleu`
    Returns: dict from metric to score: BLEU and ROUGE-L in [0, 1], CIDEr-D in [0, 10]
    Raises: as for `bleu`
    """
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scores = bleu(references, candidates)
    spaced = [[" ".join(tokenize(caption)) for caption in several] for several in references]
    truth = dict(enumerate(spaced))
    results = {i: [" ".join(tokenize(caption))] for i, caption in enumerate(candidates)}
    for name, scorer in (("ROUGE-L", Rouge()), ("CIDEr-D", Cider())):
        scores[name] = float(scorer.compute_score(truth, results)[0])
    return scores


def _check(references, candidates):
    if len(references) != len(candidates):
        raise ValueError(f"{len(references)} images with references, {len(candidates)} candidates")
    empty = [i for i, several in enumerate(references) if not several]
    if isinstance(candidates, str) or empty or not len(references):
        raise ValueError(f"every image needs a list of references; none for images {empty[:5]}")
