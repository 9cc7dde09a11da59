"""ConvNet and LSTMDecoder: sizes, names, and the numbers of torch's own LSTM."""

import pytest
import torch
from small import published_ids
from torch import nn
from torchvision.models import resnet152

from helpers import decoding
from helpers.pretrained.resnet_lstm import ConvNet, LSTMDecoder
from helpers.training import set_seed
from helpers.vocabulary import NULL, Vocabulary

V, E, H = 11, 5, 7


@pytest.fixture
def decoder():
    set_seed(0)
    return LSTMDecoder(V, E, H, Vocabulary("abcdefg")).double()


@pytest.fixture
def features():
    return torch.randn(3, E, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def parameters(module):
    return sum(weight.numel() for weight in module.parameters())


def test_published_sizes():
    with torch.device("meta"):
        network, decoder = ConvNet(), LSTMDecoder(9956)
    assert parameters(network.resnet) == parameters(resnet152()) - 2048 * 1000 - 1000 == 58_143_808
    assert parameters(network.linear) == 2048 * 256 + 256 and parameters(network.bn) == 2 * 256
    assert network.bn.momentum == 0.01
    assert decoder.embed.weight.shape == (9956, 256)
    assert parameters(decoder.lstm) == 4 * 512 * (256 + 512) + 2 * 4 * 512
    assert parameters(decoder.linear) == 512 * 9956 + 9956


def test_names_of_the_published_checkpoints():
    with torch.device("meta"):
        network, decoder = ConvNet(), LSTMDecoder(9956)
    first = {".".join(name.split(".")[:2]) for name in network.state_dict()}
    blocks = {f"resnet.{i}" for i in (0, 1, 4, 5, 6, 7)}
    assert {name for name in first if name.startswith("resnet")} == blocks
    assert {name.split(".")[0] for name in first} == {"resnet", "linear", "bn"}
    assert list(decoder.state_dict()) == [
        "embed.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0",
        "lstm.bias_hh_l0", "linear.weight", "linear.bias",
    ]  # fmt: skip


def test_says_what_torchs_lstm_says(decoder, features):
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter *= 5  # so that not every word is the same
    x, state, expected = features[:, None], None, []
    for _ in range(20):
        h, state = decoder.lstm(x, state)
        words = decoder.linear(h[:, 0]).argmax(1)
        expected.append(words)
        x = decoder.embed(words)[:, None]
    ids = published_ids(decoder, features)
    assert ids.dtype == torch.int64 and torch.equal(ids, torch.stack(expected, 1))
    assert len(ids.unique()) > 2  # else the comparison says little


def test_loss_and_gradients_are_torchs(decoder, features):
    captions = torch.tensor([[1, 5, 6, 2], [1, 9, 2, 0], [1, 2, 0, 0]])
    names = dict(decoder.named_parameters())
    loss = decoder(features, captions)
    ours = torch.autograd.grad(loss, names.values())
    h, _ = decoder.lstm(torch.cat([features[:, None], decoder.embed(captions[:, :-1])], 1))
    scores = decoder.linear(h).transpose(1, 2)
    expected = nn.functional.cross_entropy(scores, captions, ignore_index=NULL, reduction="sum") / 3
    torch.testing.assert_close(loss, expected)
    theirs = torch.autograd.grad(expected, names.values())
    for name, first, second in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(first, second, msg=name)


def test_decoding_starts_after_start(decoder, features):
    # the decoder has read the image; <START> is given, as it would have said it itself
    with torch.no_grad():
        decoder.linear.bias[1] += 100
        h, state = decoder.lstm(features[:, None])
        assert (decoder.linear(h[:, 0]).argmax(1) == 1).all()
        h, _ = decoder.lstm(decoder.embed(torch.ones(3, 1, dtype=torch.long)), state)
        scores = decoder.linear(h[:, 0])
        scores[:, [0, 1, 3]] = -torch.inf
    captions = decoding.greedy(decoder, features)
    assert [caption.ids[0] for caption in captions] == scores.argmax(1).tolist()
    best = decoding.beam(decoder, features, width=3)
    assert all(b[0].log_prob >= g.log_prob - 1e-9 for b, g in zip(best, captions, strict=True))


def test_only_the_new_layers_are_trained():
    network = ConvNet(wordvec_dim=3)
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is None for p in network.resnet.parameters())
    assert network.linear.weight.grad is not None
