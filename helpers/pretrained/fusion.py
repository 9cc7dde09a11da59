"""The word detector has a say in each word of a caption: shallow fusion.

A captioner that was rewarded for what people say plays safe: "a man" where there is a cat. The
detector knows better what is there, and nothing of sentences. Their scores are added,

    score(w) = log p(w | words before it, picture) + WEIGHT (log p(w | picture) - log p(w)),

so that a word gains as far as the picture makes it more probable than it is anyway: "a" gains
nothing, "zebra" much, and "man" loses where the detector sees none. A word gains once, and a rare
word is not said again: else "a bed on top of a bed" would pay. Gulcehre et al. 2015, "On Using
Monolingual Corpora in Neural Machine Translation", add a language model to a translator like this.
Self-critical training can have the vote in what it samples (`train --voted`), with what a detector
finds that has not seen the picture: so the captioner learns what is left for it to say.
"""

import torch

# chosen on the pictures that scored the captioner: see its card
WEIGHT = 1.0  # of the detector; 0 is the captioner alone
RARE, REPEATED = 0.05, 9.0  # what fewer captions hold loses so many nats when it is said again


class FusedCaptioner:
    """A captioner and a word detector that describe N given pictures; it decodes as any model does.

    Inputs: model: CaptioningRNN of V words; detector: WordDetector on the same features, and its
        weight; information: what it tells of the N pictures, (N, W), see `WordDetector.information`
    """

    def __init__(self, model, detector, information, weight=WEIGHT):
        self.model, self.vocabulary = model, model.vocabulary
        known = [word for word in detector.rows if word in self.vocabulary.word_to_idx]
        ids = [self.vocabulary.word_to_idx[word] for word in known]
        rows = [detector.rows[word] for word in known]
        self.bonus = information.new_zeros(len(information), len(self.vocabulary))
        self.bonus[:, ids] = weight * information[:, rows]
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
        return scores + torch.where(said, self.again, bonus), (*state, said), alpha

    def votes(self, words):
        """Return what `step` adds to scores after each word of N K captions, K of each picture.

        Inputs: words: ids, (N K, T). Returns: (N K, T, V)
        """
        said = self.bonus.new_zeros(*words.shape, len(self.vocabulary))
        said = said.scatter(2, words[:, :, None], 1).cummax(1).values  # 1 from a word on
        bonus = self.bonus.repeat_interleave(len(words) // len(self.bonus), 0)
        return torch.where(said > 0, self.again, bonus[:, None])
