"""From a model's scores to captions: greedy, beam search and sampling, batched over images.

A model has `start(features) -> state, A` and `step(words, state, A) -> scores, state, alpha`,
as `CaptioningRNN` does. Log-probabilities are the model's own, over its whole vocabulary;
<NULL>, <START> and <UNK> are never chosen.
"""

from dataclasses import dataclass

import numpy as np
import torch

from helpers.settings import LENGTH_PENALTY, check_range
from helpers.vocabulary import END, NULL, START, UNK

FORBIDDEN = [NULL, START, UNK]
# Each ends less than 2 in 100 of the captions, as people write them, that it stands in.
UNFINISHED = """
a an the and or of with in on at to by from for near into over through onto next front beside
under his her its their is are while as that has have wearing holding carrying looking dressed very
some two three white black red blue green yellow orange brown pink purple grey gray tan striped
small little large big young old older tall long wooden grassy each several
"""


@dataclass
class Caption:
    """A caption: its text, words and ids, with <END> where the model ended it."""

    text: str
    words: list  # one per id but <END>; the text joins some of them, such as "dog" and "'s"
    ids: list
    log_prob: float  # the model's, of `ids`, in nats
    alpha: np.ndarray | None = None  # attention weights, (T, P), one row per id, if any


@torch.inference_mode()
def greedy(model, features, max_length=20):
    """Take the most probable word at each step.

    Inputs: model: CaptioningRNN, in evaluation mode; features: of N images, as the model takes
        them, (N, C) or (N, P, C); max_length: at most so many words
    Returns: list of N `Caption`s. Raises: ValueError if max_length is below 1.
    """
    return _search(model, features, max_length, 1, _by_word(lambda log_probs: log_probs.argmax(1)))


@torch.inference_mode()
def sample(model, features, temperature=1.0, top_p=None, seed=0, max_length=20, copies=1):
    """Draw each word at random, from the softmax of scores / temperature.

    Inputs:
        model, features, max_length: as for `greedy`
        temperature: above 0; small values approach greedy decoding
        top_p: draw from the fewest words that hold this share of the probability, in (0, 1]
            (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration")
        copies: captions per image
    Returns: list of N * copies `Caption`s, those of an image in a row
    Raises: ValueError for a value out of range; FloatingPointError for scores that are no numbers.
    """
    check_range("temperature", temperature)
    check_range("top_p", top_p)
    generator = torch.Generator(device=features.device).manual_seed(seed)

    def pick(log_probs):
        if log_probs.isnan().any():  # on a GPU, drawing would end the process
            raise FloatingPointError("the scores are not numbers")
        probs = (log_probs / temperature).softmax(1)
        if top_p is None:
            return torch.multinomial(probs, 1, generator=generator)[:, 0]
        probs, words = probs.sort(dim=1, descending=True)
        probs[probs.cumsum(1) - probs >= top_p] = 0
        drawn = torch.multinomial(probs, 1, generator=generator)
        return words.gather(1, drawn)[:, 0]

    return _search(model, features, max_length, copies, _by_word(pick))


@torch.inference_mode()
def beam(
    model, features, width=5, length_penalty=0.0, no_repeat_ngram=0, max_length=20, finish=False,
):  # fmt: skip
    """Keep the `width` most probable beginnings at each step.

    Hypotheses are ranked by log-probability / length^length_penalty (Wu et al. 2016, "Google's
    Neural Machine Translation System", without its constants); ended ones keep their place until
    others overtake them.

    Inputs:
        model, features, max_length: as for `greedy`
        width: hypotheses kept per image
        length_penalty: 0 for the model's own objective; larger values favour long captions
        no_repeat_ngram: no n words in a row occur twice; 0 to allow it
        finish: no caption ends with a word of `UNFINISHED` or says "white and white"
    Returns: for each of N images a list of `width` `Caption`s, best first
    Raises: ValueError if a value is out of range or width exceeds the words to choose from.
    """
    choices = len(model.vocabulary) - len(FORBIDDEN)
    if not 1 <= width <= choices:
        raise ValueError(f"width must be in [1, {choices}] for this vocabulary, not {width}")
    grammar = _grammar(model.vocabulary, features.device) if finish else ()
    lengths = 0.0

    def choose(log_probs, ids, ended, total):
        nonlocal lengths
        if no_repeat_ngram:
            _forbid_repeats(log_probs, ids, no_repeat_ngram)
        if finish and ids.shape[1]:
            _forbid_unfinished(log_probs, ids, *grammar)
        log_probs[ended] = -torch.inf
        log_probs[ended, NULL] = 0  # an ended caption goes on, at no cost, with nothing
        total = total.view(-1, width)  # (N, width)
        if not ids.shape[1]:
            total[:, 1:] = -torch.inf  # all beams start alike: only the first one may branch
        lengths = lengths + ~ended.view(-1, width)
        log_probs, words = log_probs.topk(width, dim=1)  # no other word of a row can win
        candidates = (total[:, :, None] + log_probs.view(-1, width, width)).flatten(1)
        penalties = lengths.repeat_interleave(width, 1).clamp(min=1) ** length_penalty
        kept = (candidates / penalties).topk(width, dim=1).indices  # (N, width)
        lengths = lengths.gather(1, kept // width)
        first = torch.arange(0, len(words), width, device=words.device)[:, None]  # of each image
        words = words.view(-1, width * width).gather(1, kept).flatten()
        return (first + kept // width).flatten(), words, candidates.gather(1, kept).flatten()

    captions = _search(model, features, max_length, width, choose)
    return [captions[n : n + width] for n in range(0, len(captions), width)]


def several(
    model, features, width=5, count=1, samples=0, temperature=1.0, top_p=None, seed=0,
    length_penalty=LENGTH_PENALTY, no_repeat_ngram=3, max_length=20, finish=True,
):  # fmt: skip
    """Caption images in one or several ways: the best of a beam, or by chance.

    Inputs: as for `greedy`, `beam` and `sample`; count: of the beam, to return; samples: how
        many captions to draw instead
    Returns: for each of N images a list of `Caption`s, best first. Raises: as `sample` and `beam`
    """
    if samples:
        drawn = sample(model, features, temperature, top_p, seed, max_length, samples)
        each = [drawn[i : i + samples] for i in range(0, len(drawn), samples)]
        return [sorted(captions, key=lambda c: -c.log_prob) for captions in each]
    width = max(width, count)
    if width > 1:  # of fewer words, the beam of all
        width = min(width, len(model.vocabulary) - len(FORBIDDEN))
    beams = beam(model, features, width, length_penalty, no_repeat_ngram, max_length, finish)
    return [captions[:count] for captions in beams]


def best(model, features, width=1, **options):
    """Caption images as well as a model can: N `Caption`s, of features as for `greedy`."""
    return [captions[0] for captions in several(model, features, width, **options)]


@torch.inference_mode()
def replay(model, features, ids):
    """Recompute the log-probabilities of every word at every step of a caption, (T, V).

    Inputs: features: of one image, with a leading dimension of 1; ids: T, without <START>
    """
    state, A = model.start(features)
    rows = []
    for word in [START, *ids[:-1]]:
        scores, state, _ = model.step(torch.tensor([word], device=features.device), state, A)
        rows.append(scores[0].float().log_softmax(0))
    return torch.stack(rows)


def _search(model, features, max_length, rows, choose):
    """Decode one word after the other, in so many rows for each image.

    Inputs: choose: function of log-probs (R, V), ids so far (R, T), which rows have ended (R,) and
        the log-probabilities of all (R,); returns rows to go on from, a word for each, and theirs
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, not {max_length}")
    state, A = model.start(features)
    state = tuple(s.repeat_interleave(rows, 0) for s in state)
    words = torch.full((len(state[0]),), START, device=state[0].device)
    ids, total, alphas = words[:, None][:, :0], torch.zeros(len(words), device=words.device), []
    while ids.shape[1] < max_length:
        ended = (words == END) | (words == NULL)
        if ended.all():
            break
        scores, state, alpha = model.step(words, state, A)
        log_probs = scores.float().log_softmax(1)
        log_probs[:, FORBIDDEN] = -torch.inf
        kept, words, total = choose(log_probs, ids, ended, total)
        state = tuple(s[kept] for s in state)
        ids = torch.cat([ids[kept], words[:, None]], 1)
        alphas = [a[kept] for a in (*alphas, alpha) if a is not None]
    alpha = torch.stack(alphas, 1) if alphas else None
    return _captions(model.vocabulary, ids, total, alpha)


def _by_word(pick):
    """Make the `choose` of `_search` of a function from log-probs (R, V) to a word for each row."""

    def choose(log_probs, _, ended, total):
        words = pick(log_probs).masked_fill(ended, NULL)
        gained = log_probs.gather(1, words[:, None])[:, 0]
        return slice(None), words, total + gained.masked_fill(ended, 0)

    return choose


def _forbid_repeats(log_probs, ids, n):
    """Set to minus infinity each word that would end an n-gram that `ids` (N, T) has already."""
    if ids.shape[1] < n:
        return
    ngrams = ids.unfold(1, n, 1)  # (N, T - n + 1, n)
    latest = ids[:, ids.shape[1] - n + 1 :]  # (N, n - 1)
    rows, places = (ngrams[:, :, :-1] == latest[:, None]).all(2).nonzero(as_tuple=True)
    log_probs[rows, ngrams[rows, places, -1]] = -torch.inf


def _grammar(vocabulary, device):
    """Return ids of UNFINISHED, of words that start with a vowel, of "and" and of "a", or -1."""
    ids = vocabulary.word_to_idx
    unfinished = [ids[word] for word in UNFINISHED.split() if word in ids]
    vowels = [
        i for word, i in ids.items()
        if word.startswith(("a", "e", "i", "o", "um", "un"))
        and not word.startswith(("one", "uni")) and "an" in ids
    ]  # fmt: skip
    lists = (torch.tensor(each, dtype=torch.long, device=device) for each in (unfinished, vowels))
    return *lists, ids.get("and", -1), ids.get("a", -1)


def _forbid_unfinished(log_probs, ids, unfinished, vowels, word_and, word_a):
    """Forbid <END> after what is unfinished, a word before and after "and", and "a elephant"."""
    last = ids[:, -1]  # (N,)
    log_probs[torch.isin(last, unfinished), END] = -torch.inf
    if ids.shape[1] > 1:
        rows = (last == word_and).nonzero()[:, 0]
        log_probs[rows, ids[rows, -2]] = -torch.inf
    log_probs[(last == word_a).nonzero(), vowels] = -torch.inf


def _captions(vocabulary, ids, log_probs, alpha):
    """Make `Caption`s of ids (N, T), log-probabilities (N,) and alpha (N, T, P) or None."""
    captions = []
    for n, row in enumerate(ids.tolist()):
        row = row[: row.index(END) + 1] if END in row else row
        text = vocabulary.decode(row)
        maps = alpha[n, : len(row)].float().cpu().numpy() if alpha is not None else None
        captions.append(Caption(text, vocabulary.words(row), row, float(log_probs[n]), maps))
    return captions
