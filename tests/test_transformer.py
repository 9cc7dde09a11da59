"""The transformer: its heads against PyTorch's, its mask, and the captions that it learns."""

import numpy as np
import pytest
import torch

from helpers import decoding
from helpers.training import set_seed
from helpers.transformer import Block, MultiHeadAttention
from helpers.vocabulary import Vocabulary, pad_captions
from tools.transformer_captioner import CaptioningTransformer

WORDS = Vocabulary(["a", "red", "blue", "dog", "boat"])
P, C = 7, 5


def small_model(**sizes):
    set_seed(0)
    sizes = {"dim": 8, "heads": 2, "dropout": 0.0} | sizes
    return CaptioningTransformer(WORDS, C, **sizes).eval()


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_are_those_of_pytorch(heads):
    set_seed(heads)
    ours, theirs = MultiHeadAttention(8, heads), torch.nn.MultiheadAttention(8, heads, bias=False)
    x, A = torch.randn(3, 5, 8), torch.randn(3, 6, 8)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([p.weight for p in (ours.query, ours.key, ours.value)])
        )
        theirs.out_proj.weight.copy_(ours.join.weight)
    wanted = theirs(x.transpose(0, 1), A.transpose(0, 1), A.transpose(0, 1))[0].transpose(0, 1)
    torch.testing.assert_close(ours(x, A), wanted)


def test_a_word_does_not_see_the_words_after_it():
    model, A = small_model(), torch.randn(1, P, 8)
    words = torch.tensor([[1, 4, 5, 7, 2]])
    for last in range(1, 5):
        changed = words.clone()
        changed[:, last] = 8
        difference = (model.scores(changed, A) - model.scores(words, A)).abs().amax(2)[0]
        assert difference[:last].max() == 0
        assert difference[last:].min() > 0


def test_the_first_word_vectors_have_a_length_of_one():
    set_seed(0)
    model = CaptioningTransformer(Vocabulary([f"word{i}" for i in range(100)]), C)
    for table in (model.embed, model.place):
        assert table.weight.norm(dim=1).mean().item() == pytest.approx(1, abs=0.1)


def test_features_go_in_standardised():
    model, features = small_model(), 3 + 5 * torch.randn(40, P, C)
    model.standardise(features)
    shared = (features - features.mean((0, 1))) / features.flatten(0, 1).std(0)
    torch.testing.assert_close(model.positions(features), model.project(shared))


def test_captions_in_a_row_share_their_picture():
    set_seed(0)
    block = Block(8, 2, 0.0)
    x, A = torch.randn(6, 4, 8), torch.randn(2, P, 8)
    torch.testing.assert_close(block(x, A), block(x, A.repeat_interleave(3, 0)))


def test_the_loss_is_that_of_the_words_that_count():
    model, features = small_model(), torch.randn(2, P, C)
    captions = torch.tensor([[1, 4, 5, 7, 2], [1, 4, 8, 2, 0]])
    total = 0.0
    for row, length in ((0, 4), (1, 3)):
        scores = model.scores(captions[row : row + 1, :-1], model.positions(features)[[row]])
        log_probs = scores.log_softmax(2)[0]
        total -= sum(log_probs[t, captions[row, t + 1]] for t in range(length))
    torch.testing.assert_close(model(features, captions), total / 2)


def test_decoding_word_by_word_repeats_the_scores_of_all_at_once():
    model, features = small_model(), torch.randn(3, P, C)
    caption, *_ = decoding.greedy(model, features)
    best, *_ = decoding.beam(model, features, 3)
    ids = torch.tensor([[1, *caption.ids[:-1]]])
    log_probs = model.scores(ids, model.positions(features[:1])).log_softmax(2)[0]
    total = sum(log_probs[t, word].item() for t, word in enumerate(caption.ids))
    assert caption.log_prob == pytest.approx(total, abs=1e-4)
    assert best[0].log_prob >= caption.log_prob - 1e-5


def test_it_memorises_captions():
    texts = ["a red dog", "a blue boat", "a red boat"]
    captions = torch.from_numpy(pad_captions([WORDS.encode(text) for text in texts]))
    model, features = small_model(), torch.randn(3, P, C)
    model.standardise(features)
    np.testing.assert_allclose(model.feature_mean, features.mean((0, 1)), atol=1e-6)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model(features, captions).backward()
        optimizer.step()
    assert [caption.text for caption in decoding.greedy(model, features)] == texts
