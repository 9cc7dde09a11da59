"""The word detector has a say in each word of a caption: shallow fusion.

A captioner that was rewarded for what people say plays safe: "a man" where there is a cat. The
detector knows better what is there, and nothing of sentences. Their scores are added,

    score(w) = log p(w | words before it, picture) + WEIGHT (log p(w | picture) - log p(w)),

so that a word gains as far as the picture makes it more probable than it is anyway: "a" gains
nothing, "zebra" much, and "man" loses where the detector sees none. A word gains once, and a rare
word is not said again: else "a bed on top of a bed" would pay. Gulcehre et al. 2015, "On Using
Monolingual Corpora in Neural Machine Translation", add a language model to a translator like this.
"""

import torch

# chosen on the pictures kept aside
WEIGHT = 1.0  # of the detector; 0 is the captioner alone
RARE, REPEATED = 0.05, 9.0  # what fewer captions hold loses so many nats when it is said again


class FusedCaptioner:
    """A captioner and a word detector that describe N given pictures; it decodes as any model does.

    Inputs: model: CaptioningRNN of V words; detector: WordDetector on the same features, and its
        weight; features: of the N pictures, (N, P, C)
    """

    def __init__(self, model, detector, features, weight=WEIGHT):
        self.model, self.vocabulary = model, model.vocabulary
        known = [word for word in detector.rows if word in self.vocabulary.word_to_idx]
        ids = [self.vocabulary.word_to_idx[word] for word in known]
        rows = [detector.rows[word] for word in known]
        self.bonus = torch.zeros(len(features), len(self.vocabulary), device=features.device)
        self.bonus[:, ids] = weight * detector.information(features)[:, rows]
        self.again = torch.zeros_like(self.bonus[0])
        self.again[ids] = -weight * REPEATED * (detector.frequency[rows] < RARE)

    def start(self, features):
        """Start as `CaptioningRNN.start` does, from features (N, P, C) of the N pictures.

        Returns: state, of which the last tells which words were said; A
        Raises: ValueError for another number of pictures
        """
        if len(features) != len(self.bonus):
            raise ValueError(f"features of {len(features)} pictures, not of {len(self.bonus)}")
        state, A = self.model.start(features)
        return (*state, torch.zeros_like(self.bonus, dtype=torch.bool)), A

    def step(self, words, state, A=None):
        """Read one word, an id, per beam (R,), R a multiple of N, and score the next one.

        Returns: scores (R, V), state, alpha (R, P) or None
        """
        *state, said = state
        said = said.scatter(1, words[:, None], True)
        scores, state, alpha = self.model.step(words, tuple(state), A)
        bonus = self.bonus.repeat_interleave(len(words) // len(self.bonus), 0)
        scores = scores.float().log_softmax(1) + torch.where(said, self.again, bonus)
        return scores, (*state, said), alpha
