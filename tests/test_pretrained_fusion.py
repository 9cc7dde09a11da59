"""What the word detector says, added to what the captioner says."""

import pytest
import torch
from small import VOCABULARY, small_features, small_model

from helpers.decoding import best, greedy, several
from helpers.encoder import WordDetector
from helpers.pretrained.fusion import REPEATED, FusedCaptioner

WORDS = VOCABULARY.idx_to_word


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = small_model("attn").eval()
    features = small_features(3, "attn")
    frequency = torch.rand(5) / 2 + 0.1
    return model, WordDetector([*WORDS[4:8], "absent"], features.shape[2], frequency), features


def log_probs(model, features, *said):
    state, A = model.start(features)
    for word in said:
        scores, state, _ = model.step(torch.full((len(features),), word), state, A)
    return scores.log_softmax(1)


def test_a_words_score_gains_the_information_until_it_is_said(parts):
    model, detector, features = parts
    fused, start, seen = FusedCaptioner(model, detector, features, 0.7), 1, 5
    bonus = torch.zeros(3, len(WORDS))
    bonus[:, 4:8] = 0.7 * detector.information(features)[:, :4]
    for said in ([start], [start, 6], [start, seen, 6]):
        expected = log_probs(model, features, *said) + bonus.index_fill(1, torch.tensor(said), 0)
        got = log_probs(fused, features, *said)
        torch.testing.assert_close(got, expected.log_softmax(1))


def test_a_rare_word_loses_when_it_is_said_again(parts):
    model, detector, features = parts
    detector.frequency[1] = 0.01
    fused = FusedCaptioner(model, detector, features, 0.7)
    plain = FusedCaptioner(model, detector, features, 0.0)
    detector.frequency[1] = 0.3
    common = FusedCaptioner(model, detector, features, 0.7)
    seen, rare = [1, 5], VOCABULARY.word_to_idx[WORDS[5]]
    gap = log_probs(plain, features, *seen) - log_probs(fused, features, *seen)
    other = log_probs(plain, features, *seen) - log_probs(common, features, *seen)
    torch.testing.assert_close((gap - gap[:, :1])[:, rare], torch.full((3,), 0.7 * REPEATED))
    torch.testing.assert_close((other - other[:, :1])[:, rare], torch.zeros(3))


def test_without_weight_it_is_the_captioner(parts):
    model, detector, features = parts
    fused = FusedCaptioner(model, detector, features, 0.0)
    ours, alone = best(fused, features, 3), best(model, features, 3)
    assert [caption.ids for caption in ours] == [caption.ids for caption in alone]


def test_each_picture_has_its_own_words_in_a_batch(parts):
    model, detector, features = parts
    together = best(FusedCaptioner(model, detector, features, 2.0), features, 3)
    for row, caption in enumerate(together):
        one = features[row : row + 1]
        assert best(FusedCaptioner(model, detector, one, 2.0), one, 3)[0].ids == caption.ids


def test_it_is_sampled_from_and_decoded_greedily(parts):
    model, detector, features = parts
    with torch.no_grad():
        detector.words.bias[2] = 40.0  # certain of one word
        detector.frequency[2] = 1e-4
    fused = FusedCaptioner(model, detector, features, 2.0)
    assert all(caption.words[0] == WORDS[6] for caption in greedy(fused, features))
    drawn = several(fused, features, samples=4, seed=1)
    assert all(WORDS[6] in caption.words for captions in drawn for caption in captions)


def test_features_of_other_pictures_are_refused(parts):
    model, detector, features = parts
    with pytest.raises(ValueError, match="features of 2 pictures, not of 3"):
        FusedCaptioner(model, detector, features).start(features[:2])
