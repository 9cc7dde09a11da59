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
    fused, start, seen = FusedCaptioner(model, detector, detector.information(features), 0.7), 1, 5
    bonus = torch.zeros(3, len(WORDS))
    bonus[:, 4:8] = 0.7 * detector.information(features)[:, :4]
    for said in ([start], [start, 6], [start, seen, 6]):
        expected = log_probs(model, features, *said) + bonus.index_fill(1, torch.tensor(said), 0)
        got = log_probs(fused, features, *said)
        torch.testing.assert_close(got, expected.log_softmax(1))


def test_a_rare_word_loses_when_it_is_said_again(parts):
    model, detector, features = parts
    detector.frequency[1] = 0.01
    fused = FusedCaptioner(model, detector, detector.information(features), 0.7)
    plain = FusedCaptioner(model, detector, detector.information(features), 0.0)
    detector.frequency[1] = 0.3
    common = FusedCaptioner(model, detector, detector.information(features), 0.7)
    seen, rare = [1, 5], VOCABULARY.word_to_idx[WORDS[5]]
    gap = log_probs(plain, features, *seen) - log_probs(fused, features, *seen)
    other = log_probs(plain, features, *seen) - log_probs(common, features, *seen)
    torch.testing.assert_close((gap - gap[:, :1])[:, rare], torch.full((3,), 0.7 * REPEATED))
    torch.testing.assert_close((other - other[:, :1])[:, rare], torch.zeros(3))


def test_without_weight_it_is_the_captioner(parts):
    model, detector, features = parts
    fused = FusedCaptioner(model, detector, detector.information(features), 0.0)
    ours, alone = best(fused, features, 3), best(model, features, 3)
    assert [caption.ids for caption in ours] == [caption.ids for caption in alone]


def test_each_picture_has_its_own_words_in_a_batch(parts):
    model, detector, features = parts
    together = best(
        FusedCaptioner(model, detector, detector.information(features), 2.0), features, 3
    )
    for row, caption in enumerate(together):
        one = features[row : row + 1]
        assert (
            best(FusedCaptioner(model, detector, detector.information(one), 2.0), one, 3)[0].ids
            == caption.ids
        )


def test_it_is_sampled_from_and_decoded_greedily(parts):
    model, detector, features = parts
    with torch.no_grad():
        detector.words.bias[2] = 40.0  # certain of one word
        detector.frequency[2] = 1e-4
    fused = FusedCaptioner(model, detector, detector.information(features), 2.0)
    assert all(caption.words[0] == WORDS[6] for caption in greedy(fused, features))
    drawn = several(fused, features, samples=4, seed=1)
    assert all(WORDS[6] in caption.words for captions in drawn for caption in captions)


def test_features_of_other_pictures_are_refused(parts):
    model, detector, features = parts
    with pytest.raises(ValueError, match="features of 2 pictures, not of 3"):
        FusedCaptioner(model, detector, detector.information(features)).start(features[:2])


def test_votes_of_whole_captions_are_those_of_the_steps(parts):
    model, detector, features = parts
    detector.frequency[1] = 0.01
    fused = FusedCaptioner(model, detector, detector.information(features), 0.7)
    words = torch.randint(4, 9, (6, 5), generator=torch.Generator().manual_seed(0))  # two of each
    A = model.start(features)[1].repeat_interleave(2, 0)
    state = (*(each.repeat_interleave(2, 0) for each in model.start(features)[0]),)
    said, plain = (*state, torch.zeros(6, len(WORDS), dtype=torch.bool)), state
    for t in range(5):
        scores, said, _ = fused.step(words[:, t], said, A)
        alone, plain, _ = model.step(words[:, t], plain, A)
        torch.testing.assert_close(fused.votes(words)[:, t], scores - alone, atol=1e-5, rtol=1e-5)


def test_the_loss_of_voted_captions_is_that_of_their_steps(parts):
    model, detector, features = parts
    fused = FusedCaptioner(model, detector, detector.information(features))
    captions = torch.tensor([[1, 5, 4, 2], [1, 6, 2, 0], [1, 4, 4, 2]])
    votes = fused.votes(captions[:, :-1])
    total, (state, A) = 0.0, fused.start(features)
    for t in range(3):
        scores, state, _ = fused.step(captions[:, t], state, A)
        total += torch.nn.functional.cross_entropy(
            scores, captions[:, t + 1], ignore_index=0, reduction="sum"
        )
    torch.testing.assert_close(model(features, captions, votes=votes), total / 3)


def test_information_from_probabilities(parts):
    _, detector, features = parts
    information = detector.information_of(detector.probabilities(features))
    torch.testing.assert_close(information, detector.information(features))
    assert detector.information_of(torch.zeros(1, 5)).isfinite().all()
