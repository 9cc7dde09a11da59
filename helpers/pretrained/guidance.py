"""An ImageNet classifier has a say in which nouns a caption uses.

Captions teach sentences, but few nouns: Flickr8k's animals are nearly all dogs. A classifier knows
a thousand classes. So a noun's probability is shared out anew: the captioner says how likely it is
that a noun of some kind comes now, and both say which. This is one of the ways to describe things
that no training caption mentions; others are in Hendricks et al. 2016 ("Deep Compositional
Captioning") and Anderson et al. 2017 ("Guided Open Vocabulary Image Captioning with Constrained
Beam Search").

Let p be the captioner's probabilities and P the classifier's. Within each kind K of nouns, such as
singular things, a word w for n of the thousand classes, of probability P(w) together, gets

    p'(w) = p(K) softmax(CAPTIONER log p(w) + CLASSIFIER log((P(w) + EPSILON) / (n/1000 + EPSILON)))

the softmax over the words of K. The second logarithm is a smoothed estimate of the pointwise mutual
information of the picture and the word, if all classes are equally common. Three rules go with it:

- A noun that the vocabulary lacks is used like one that it has, with p(w) = p(like) exp(-NOVEL);
  p(K) is of the others.
- No thing is named twice: p of what is named already is 0, and nothing gets it.
- ImageNet has no class for people, but logistic regression tells from its classes how probable they
  are, P(people). Words for them keep q = min(1, P(people) / mean P(people))^PEOPLE_POWER of their
  probability; the rest, of "man" and of "men", goes to the kinds of one thing and of several.
"""

import numpy as np
import torch
from torch import nn

from helpers.encoder import ImageEncoder
from helpers.pretrained.imagenet_nouns import CLASSES, NOUNS, PEOPLE, TELLING, used_like
from helpers.vocabulary import SPECIAL_WORDS, Vocabulary, tokenize

# chosen on the validation split of Flickr8k
CAPTIONER, CLASSIFIER, EPSILON, NOVEL, PEOPLE_POWER = 0.4, 2.0, 0.005, 8.0, 2.0
WEIGHT_DECAY = 0.03  # of the logistic regression
NEVER = -1e4  # a log-probability; minus infinity would make the softmax of nothing else NaN


class ObjectClassifier(ImageEncoder):
    """Log-probabilities of ImageNet's classes, (N, 1000), in the place of features."""

    def forward(self, images):
        """Inputs: images, as for `ImageEncoder`. Returns: log-probabilities, (N, 1000)."""
        return self.classify(images).log_softmax(1)

    def fingerprint(self):
        """Return a hash of everything but the pictures that the log-probabilities depend on."""
        return f"{super().fingerprint()} classes"


class PeopleDetector(nn.Module):
    """Whether pictures show people, by logistic regression; before it has learned, they all do."""

    W: torch.Tensor
    b: torch.Tensor
    mean: torch.Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("W", torch.zeros(CLASSES))
        self.register_buffer("b", torch.tensor(20.0))
        self.register_buffer("mean", torch.tensor(1.0))

    def learn(self, log_probs, captions):
        """Learn from pictures with captions: they show people if most captions name some.

        Inputs: log_probs: of the classes, array (I, 1000); captions: list of I lists of str
        Raises: ValueError if there are not both pictures with people and pictures without
        """
        names = set(TELLING.split())
        named = [[not names.isdisjoint(tokenize(text)) for text in texts] for texts in captions]
        shown = torch.tensor([sum(texts) > len(texts) / 2 for texts in named]).double()
        if not 0 < shown.mean() < 1:
            raise ValueError(
                f"of {len(captions)} pictures {int(shown.sum())} show people, by their captions: "
                "what they look like is learned from pictures with people and pictures without"
            )
        x = torch.tensor(np.asarray(log_probs), dtype=torch.float64)
        mean, std = x.mean(0), x.std(0, correction=0).clamp(min=1e-3)
        x = (x - mean) / std
        weights = torch.zeros(CLASSES + 1, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

        def loss():
            optimizer.zero_grad()
            scores = x @ weights[1:] + weights[0]
            value = nn.functional.binary_cross_entropy_with_logits(scores, shown)
            value = value + WEIGHT_DECAY * weights[1:].square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        W = weights[1:].detach() / std
        self.W.copy_(W)
        self.b.copy_(weights[0].detach() - W @ mean)
        self.mean.copy_(shown.mean())

    def forward(self, log_probs):
        """Inputs: log_probs (N, 1000). Returns: the probability that there are people, (N,)."""
        return torch.sigmoid(log_probs @ self.W + self.b)


class _Kind(nn.Module):
    """The nouns of a kind that a guide's vocabulary has, K of them, known ones before novel ones.

    ids: (K,); rows: of the table, (K,); classes: 1 where a class is meant, (1000, K); people: ids
    """

    def __init__(self, nouns, ids, people, V):
        super().__init__()
        nouns = sorted(nouns, key=lambda noun: ids[noun.word])
        classes = torch.zeros(CLASSES, len(nouns))
        for k, noun in enumerate(nouns):
            classes[list(noun.classes), k] = 1
        people = [ids[word] for word in people if word in ids]
        _keep(
            self, ids=[ids[noun.word] for noun in nouns], rows=[noun.row for noun in nouns],
            classes=classes, people=torch.tensor(people, dtype=torch.long),
        )  # fmt: skip
        self.known = int((self.ids < V).sum())


def _keep(module, **values):
    """Register tensors that move with a module and are not among its weights."""
    for name, value in values.items():
        module.register_buffer(name, torch.as_tensor(value), persistent=False)


class ObjectGuide(nn.Module):
    """Guides a captioner: call it with the captioner and some pictures' log-probabilities.

    Inputs:
        vocabulary: the captioner's Vocabulary, V words; the guide's own has novel words after them
        classifier: ObjectClassifier
    """

    def __init__(self, vocabulary, classifier):
        super().__init__()
        self.classifier, self.people = classifier.eval(), PeopleDetector()
        known, self.V = vocabulary.word_to_idx, len(vocabulary)
        likes = {noun.word: used_like(noun.word, known) for noun in NOUNS}
        novel = [word for word, like in likes.items() if like and word not in known]
        self.vocabulary = Vocabulary([*vocabulary.idx_to_word[len(SPECIAL_WORDS) :], *novel])
        ids = self.vocabulary.word_to_idx
        names = torch.zeros(len(ids), NOUNS[-1].row + 1, dtype=torch.bool)
        kinds = {}
        for noun in NOUNS:
            if noun.word in ids:
                names[ids[noun.word], noun.row] = noun.kind in ("thing", "things")
                kinds.setdefault(noun.kind, []).append(noun)
        # names: True in the row of a thing; like: what each word is used like, (V + novel,)
        _keep(self, names=names, like=[*range(self.V), *(known[likes[word]] for word in novel)])
        self.kinds = nn.ModuleList(
            _Kind(nouns, ids, PEOPLE.get(kind, "").split(), self.V)
            for kind, nouns in kinds.items()
            if any(noun.word in known for noun in nouns)
        )

    def forward(self, model, log_probs):
        """Guide a captioner through some pictures.

        Inputs: model: CaptioningRNN of V words; log_probs: the classifier's, (N, 1000)
        Returns: GuidedModel
        Raises: ValueError for a captioner of other words, or another number of classes
        """
        if model.vocabulary.idx_to_word != self.vocabulary.idx_to_word[: self.V]:
            raise ValueError("model: the guide was made for another vocabulary")
        if log_probs.ndim != 2 or log_probs.shape[1] != CLASSES:
            raise ValueError(f"log_probs must be (N, {CLASSES}), not {tuple(log_probs.shape)}")
        return GuidedModel(self, model, log_probs)


class GuidedModel:
    """A captioner that describes N given pictures with guided nouns; it decodes as any model does.

    Inputs: as `ObjectGuide.forward`, after the guide
    """

    def __init__(self, guide, model, log_probs):
        self.guide, self.model, self.vocabulary = guide, model, guide.vocabulary
        P = log_probs.exp()
        people = (guide.people(log_probs) / guide.people.mean).clamp(1e-6, 1 - 1e-6)[:, None]
        q = people**PEOPLE_POWER  # what words for people keep of their probability, (N, 1)
        self.keep, self.give = q.log(), (-q).log1p()
        self.information = [  # for each kind, (N, K)
            ((P @ kind.classes + EPSILON) / (kind.classes.sum(0) / CLASSES + EPSILON)).log()
            for kind in guide.kinds
        ]

    def start(self, features):
        """Start decoding.

        Inputs: features: of the N pictures, (N, C) or (N, P, C)
        Returns: state, of which the last is what has been named; A, as from `CaptioningRNN.start`
        Raises: ValueError for another number of pictures
        """
        state, A = self.model.start(features)
        if len(features) != len(self.keep):
            raise ValueError(f"features of {len(features)} pictures, classes of {len(self.keep)}")
        return (*state, self.guide.names[:1].repeat(len(features), 1)), A

    def step(self, words, state, A=None):
        """Read one word per beam and score the next one.

        Inputs: words: ids, (R,), R a multiple of N; state, A (N, P, H): from before
        Returns: scores (R, V + novel words), log-probabilities until a thing is named; state;
            alpha (R, P) or None
        """
        *state, named = state
        named = named | self.guide.names[words]
        scores, state, alpha = self.model.step(self.guide.like[words], tuple(state), A)
        return self._redistribute(scores.float().log_softmax(1), named), (*state, named), alpha

    def _redistribute(self, log_probs, named):
        """Share out the probability of nouns. Inputs: (R, V); named (R, rows). Returns: (R, V')."""
        guide, copies = self.guide, len(log_probs) // len(self.keep)
        novel = log_probs[:, guide.like[guide.V :]] - NOVEL
        before = torch.cat([log_probs, novel], 1)
        after = torch.cat([log_probs, torch.full_like(novel, NEVER)], 1)
        for kind, information in zip(guide.kinds, self.information, strict=True):
            own = before[:, kind.ids].masked_fill(named[:, kind.rows], NEVER)  # (R, K)
            total = own[:, : kind.known].logsumexp(1, keepdim=True)
            if len(kind.people):
                keep, give = (x.repeat_interleave(copies, 0) for x in (self.keep, self.give))
                people = before[:, kind.people]
                total = torch.logaddexp(total, people.logsumexp(1, keepdim=True) + give)
                after[:, kind.people] = people + keep
            both = CAPTIONER * own + CLASSIFIER * information.repeat_interleave(copies, 0)
            after[:, kind.ids] = both.log_softmax(1) + total
        return after
