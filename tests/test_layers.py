import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oracles import plain_attention_lstm, plain_lstm, plain_rnn, random_inputs

from helpers import layers
from helpers.checks import check_norm
from helpers.layers import (
    LSTM,
    RNN,
    AttentionLSTM,
    TemporalAffine,
    WordEmbedding,
    from_torch,
    to_torch,
)

ROOT = Path(__file__).parents[1]
CELLS = [
    (RNN, "rnn", plain_rnn, torch.nn.RNN),
    (LSTM, "lstm", plain_lstm, torch.nn.LSTM),
    (AttentionLSTM, "attention_lstm", plain_attention_lstm, None),
]
every_cell = pytest.mark.parametrize(("make", "name", "plain", "twin"), CELLS)
twins = pytest.mark.parametrize(("make", "name", "plain", "twin"), CELLS[:2])


def layer_and_inputs(make, name, seed=0):
    """Return a float64 layer with random weights, and its two inputs, all wanting gradients."""
    tensors = {
        key: torch.tensor(value, requires_grad=True)
        for key, value in random_inputs(name, seed).items()
    }
    layer = make(4, 5).double()
    weights = {key: tensors.pop(key) for key in list(tensors) if hasattr(layer, key)}
    layer.load_state_dict(weights)
    return layer, list(tensors.values()), weights


def gradients(output, *wanted):
    """Return the gradients of a weighted sum of an output."""
    weights = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad(output, wanted, weights)


@pytest.mark.parametrize("seed", range(3))
@every_cell
def test_outputs_and_gradients_are_those_of_autograd(make, name, plain, twin, seed):
    layer, inputs, weights = layer_and_inputs(make, name, seed)
    h = layer(*inputs)[0] if make is AttentionLSTM else layer(*inputs)
    expected = plain(*inputs, **weights)[0]
    check_norm("h", h, expected, 1e-12)
    ours = gradients(h, *inputs, *(getattr(layer, key) for key in weights))
    for got, right in zip(ours, gradients(expected, *inputs, *weights.values()), strict=True):
        check_norm("gradient", got, right, 1e-10)


@every_cell
def test_bridges_pass_gradcheck(make, name, plain, twin):
    _, inputs, weights = layer_and_inputs(make, name)
    function = getattr(layers, name)
    assert torch.autograd.gradcheck(function, (*inputs, *weights.values()))


def test_the_bridges_over_words_pass_gradcheck():
    scores = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)
    y, mask = torch.tensor([[1, 1, 6], [2, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()
    W = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    affine = [torch.randn(shape, dtype=torch.float64) for shape in [(2, 3, 4), (4, 5), (5,)]]
    assert torch.autograd.gradcheck(layers.word_embedding, (y, W))
    assert torch.autograd.gradcheck(layers.temporal_affine, [a.requires_grad_() for a in affine])
    for smoothing in (0.0, 0.1):
        assert torch.autograd.gradcheck(layers.temporal_softmax_loss, (scores, y, mask, smoothing))
        loss = layers.temporal_softmax_loss(scores, y, mask, smoothing)
        words = torch.nn.functional.cross_entropy(
            scores[mask], y[mask], reduction="sum", label_smoothing=smoothing
        )
        check_norm("loss", loss, words / 2, 1e-12)


def test_scores_and_loss_in_one_pass_gradcheck_and_equal_the_two():
    generator = torch.Generator().manual_seed(0)
    h, W, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in [(2, 3, 4), (4, 7), (7,)]
    )
    y, mask = torch.tensor([[1, 1, 6], [2, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()
    assert torch.autograd.gradcheck(layers.temporal_word_loss, (h, W, b, y, mask, 0.1))
    loss = layers.temporal_word_loss(h, W, b, y, mask, 0.1)
    two = layers.temporal_softmax_loss(layers.temporal_affine(h, W, b), y, mask, 0.1)
    check_norm("loss", loss, two, 1e-14)
    with torch.no_grad():
        assert layers.temporal_word_loss(h, W, b, y, mask, 0.1) == loss
    h, W, b = (value.detach().float().requires_grad_() for value in (h, W, b))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = layers.temporal_word_loss(h, W, b, y, mask)
    exact = layers.temporal_word_loss(h, W, b, y, mask)
    for got, right in zip(
        torch.autograd.grad(narrow, (h, W, b)), torch.autograd.grad(exact, (h, W, b)), strict=True
    ):
        assert got.dtype == torch.float32
        check_norm("gradient", got, right, 0.02)


def test_data_get_no_gradient_and_the_weights_the_same_one():
    affine, x = TemporalAffine(4, 6), torch.randn(2, 3, 4)
    of_data = gradients(affine(x), *affine.parameters())
    for got, right in zip(
        of_data, gradients(affine(x.requires_grad_()), *affine.parameters()), strict=True
    ):
        check_norm("gradient", got, right, 1e-6)


@twins
def test_to_torch_has_equal_outputs_and_gradients(make, name, plain, twin):
    layer, (x, h0), _ = layer_and_inputs(make, name)
    copy = to_torch(layer)
    assert type(copy) is twin
    state = h0[None] if twin is torch.nn.RNN else (h0[None], torch.zeros_like(h0)[None])
    h, expected = layer(x, h0), copy(x, state)[0]
    check_norm("h", h, expected, 1e-12)
    for got, right in zip(gradients(h, x, h0), gradients(expected, x, h0), strict=True):
        check_norm("gradient", got, right, 1e-10)


def test_a_given_cell_state_gets_the_gradient_that_torch_gives_it():
    layer, (x, h0), _ = layer_and_inputs(LSTM, "lstm")
    c0 = torch.linspace(-1, 1, 10, dtype=torch.float64).reshape(2, 5).requires_grad_()
    h, expected = layer(x, h0, c0), to_torch(layer)(x, (h0[None], c0[None]))[0]
    check_norm("h", h, expected, 1e-12)
    for got, right in zip(gradients(h, x, h0, c0), gradients(expected, x, h0, c0), strict=True):
        check_norm("gradient", got, right, 1e-10)


@twins
def test_from_torch_has_equal_outputs_and_gradients(make, name, plain, twin):
    original = twin(4, 5, batch_first=True).double()  # with two biases that are not zero
    layer, x = from_torch(original), torch.randn(2, 3, 4, dtype=torch.float64)
    h, expected = layer(x, torch.zeros(2, 5, dtype=torch.float64)), original(x)[0]
    assert type(layer) is make
    check_norm("h", h, expected, 1e-12)
    ours = gradients(h, layer.Wx, layer.Wh, layer.b)
    theirs = gradients(expected, original.weight_ih_l0, original.weight_hh_l0, original.bias_ih_l0)
    order = [0, 1, 3, 2] if make is LSTM else [0]
    for key, got, right in zip(("Wx", "Wh", "b"), ours, theirs, strict=True):
        blocks = right.chunk(len(order))
        check_norm(f"d{key}", got, torch.cat([blocks[k] for k in order]).t(), 1e-10)


@twins
def test_weights_survive_the_way_to_torch_and_back(make, name, plain, twin):
    layer, _, _ = layer_and_inputs(make, name)
    again = from_torch(to_torch(layer))
    assert all(
        torch.equal(value, again.state_dict()[key]) for key, value in layer.state_dict().items()
    )


@pytest.mark.parametrize(
    ("twin", "arguments"),
    [
        (torch.nn.LSTM, {"num_layers": 2}),
        (torch.nn.LSTM, {"bidirectional": True}),
        (torch.nn.LSTM, {"bias": False}),
        (torch.nn.LSTM, {"proj_size": 2}),
        (torch.nn.RNN, {"nonlinearity": "relu"}),
    ],
)
def test_what_ours_cannot_express_is_refused(twin, arguments):
    with pytest.raises(ValueError, match=r"^twin must"):
        from_torch(twin(4, 5, **arguments))


@twins
def test_repeated_steps_equal_the_sequence(make, name, plain, twin):
    layer, (x, h0), _ = layer_and_inputs(make, name)
    h, state = layer(x, h0), (h0, torch.zeros_like(h0))[: 1 if make is RNN else 2]
    for t in range(3):
        next_h, state = layer.step(x[:, t], state)
        check_norm(f"h[:, {t}]", next_h, h[:, t], 1e-12)


def test_repeated_attention_steps_equal_the_sequence():
    layer, (x, A), _ = layer_and_inputs(AttentionLSTM, "attention_lstm")
    (h, alphas), state = layer(x, A), (A.mean(1), A.mean(1))
    for t in range(3):
        next_h, state, alpha = layer.step(x[:, t], state, A)
        check_norm(f"h[:, {t}]", next_h, h[:, t], 1e-12)
        check_norm(f"alpha[:, {t}]", alpha, alphas[:, t], 1e-12)


@pytest.mark.parametrize(("make", "name"), [(LSTM, "lstm"), (AttentionLSTM, "attention_lstm")])
def test_a_step_without_gradients_is_the_same_step(make, name):
    layer, (x, A), _ = layer_and_inputs(make, name)
    image = (A,) if make is AttentionLSTM else ()
    state = x[:, 0].detach().new_full((2, 5), 0.3), x[:, 0].detach().new_full((2, 5), -0.2)
    expected = layer.step(x[:, 0], state, *image)
    with torch.inference_mode():
        h, (_, c), *alpha = layer.step(x[:, 0], state, *image)
    check_norm("h", h, expected[0], 1e-14)
    check_norm("c", c, expected[1][1], 1e-14)
    assert all(torch.equal(a, b) for a, b in zip(alpha, expected[2:], strict=True))


def test_hypotheses_that_share_an_image_step_as_if_each_had_its_own():
    layer, (x, A), _ = layer_and_inputs(AttentionLSTM, "attention_lstm")
    several = x.reshape(6, 4)  # three inputs for each of two images, in a row
    state = torch.linspace(-1, 1, 30, dtype=torch.float64).reshape(6, 5), torch.zeros(6, 5).double()
    h, (_, c), alpha = layer.step(several, state, A)
    expected_h, (_, expected_c), expected_alpha = layer.step(
        several, state, A.repeat_interleave(3, 0)
    )
    check_norm("h", h, expected_h, 1e-14)
    check_norm("c", c, expected_c, 1e-14)
    check_norm("alpha", alpha, expected_alpha, 1e-14)


@every_cell
def test_mixed_precision_stays_close_and_trains(make, name, plain, twin):
    layer, inputs, _ = layer_and_inputs(make, name)
    layer, inputs = layer.float(), [value.detach().float() for value in inputs]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        h = layer(*inputs)
    exact = layer(*inputs)
    h, exact = (h[0], exact[0]) if make is AttentionLSTM else (h, exact)
    check_norm("h", h.float(), exact, 0.05)
    for got, right in zip(
        gradients(h, *layer.parameters()), gradients(exact, *layer.parameters()), strict=True
    ):
        assert got.dtype == torch.float32
        check_norm("gradient", got, right, 0.1)


def test_only_what_wants_a_gradient_gets_one():
    layer = RNN(4, 5)
    layer.Wh.requires_grad_(False)
    layer(torch.randn(2, 3, 4), torch.zeros(2, 5)).sum().backward()
    assert layer.Wh.grad is None and layer.Wx.grad.abs().sum() > 0


@every_cell
def test_weights_start_as_torch_starts_its_own(make, name, plain, twin):
    layer, bound = make(64, 256), 1 / math.sqrt(256)
    if layer.gates == 4:  # but for the forget gate, which starts open
        i, f, o, g = layer.b.detach().chunk(4)
        assert (f == 1).all()
        layer.b = torch.nn.Parameter(torch.cat([i, o, g]))
    for weight in layer.parameters():
        assert weight.abs().max() <= bound
        assert 0.9 < weight.std() / (bound / math.sqrt(3)) < 1.1


def test_word_layers():
    embedding, affine = WordEmbedding(9, 4), TemporalAffine(4, 6)
    words = torch.tensor([[1, 2, 1]])
    vectors = embedding(words)
    assert torch.equal(vectors, embedding.W[words])
    torch.testing.assert_close(affine(vectors), vectors @ affine.W + affine.b)


@every_cell
def test_sizes_show_in_the_repr(make, name, plain, twin):
    assert repr(make(4, 5)) == f"{make.__name__}(4, 5)"
    assert repr(WordEmbedding(9, 4)) == "WordEmbedding(9, 4)"
    assert repr(TemporalAffine(4, 6)) == "TemporalAffine(4, 6)"
    assert make(4, 5).sizes == (4, 5)


def test_captions_that_share_an_image_run_as_if_each_had_its_own():
    layer, (_, A), _ = layer_and_inputs(AttentionLSTM, "attention_lstm")
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    several = A.detach().repeat_interleave(3, 0).requires_grad_()
    (h, alpha), (expected, expected_alpha) = layer(x, A), layer(x, several)
    check_norm("h", h, expected, 1e-14)
    check_norm("alpha", alpha, expected_alpha, 1e-14)
    (dA,), (right,) = gradients(h, A), gradients(expected, several)
    check_norm("dA", dA, right.reshape(2, 3, *right.shape[1:]).sum(1), 1e-12)


@pytest.mark.parametrize("images", [0, 4, 5])
def test_images_that_do_not_divide_the_rows_are_named(images):
    layer, A = AttentionLSTM(4, 5), torch.ones(images, 6, 5)
    state = torch.ones(6, 5), torch.ones(6, 5)
    for call in (
        lambda: layer(torch.ones(6, 3, 4), A),
        lambda: layer.step(state[0][:, :4], state, A),
    ):
        with pytest.raises(ValueError, match=rf"A must have N = 6 images.*not {images}"):
            call()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_weighted_captions_and_of_smoothed_words(smoothing):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 4, 7, dtype=torch.float64, generator=generator).requires_grad_()
    y = torch.randint(7, (3, 4), generator=generator)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    weights = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    ignored = torch.where(mask, y, -100)
    for given, each in ((None, torch.ones(3)), (weights, weights)):
        loss = layers.temporal_softmax_loss(scores, y, mask, smoothing, given)
        words = torch.nn.functional.cross_entropy(
            scores.transpose(1, 2), ignored, reduction="none", label_smoothing=smoothing
        )  # (N, T)
        expected = (words.sum(1) * each).sum() / 3
        check_norm("loss", loss, expected, 1e-12)
        check_norm("dscores", *gradients(loss, scores), *gradients(expected, scores), 1e-12)


@pytest.mark.parametrize("smoothing", [1.0, -0.1])
def test_a_smoothing_out_of_range_is_named(smoothing):
    scores, y = torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"^label_smoothing must be in \[0, 1\)"):
        layers.temporal_softmax_loss(scores, y, y == 0, smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_masked_scores_reach_neither_the_loss_nor_the_gradient(smoothing, weighted):
    scores = torch.randn(2, 3, 5)
    y, mask = torch.ones(2, 3, dtype=torch.long), torch.tensor([[1, 1, 0], [0, 0, 0]]).bool()
    weights = torch.tensor([0.5, 2.0]) if weighted else None
    clean = layers.temporal_softmax_loss(scores, y, mask, smoothing, weights)
    scores[~mask] = torch.nan
    scores.requires_grad_()
    loss = layers.temporal_softmax_loss(scores, y, mask, smoothing, weights)
    (dscores,) = gradients(loss, scores)
    check_norm("loss", loss, clean, 1e-6)
    assert (dscores[~mask] == 0).all() and dscores[mask].abs().sum() > 0


def test_without_the_engine_s_folder_the_textbook_goes_on(monkeypatch, capsys):
    for name in ("engine", "process"):
        monkeypatch.setitem(sys.modules, f"helpers.fast.{name}", None)  # as if it were not there
    with layers.use_engine("compiled"):
        assert "helpers.fast.engine" in capsys.readouterr().err
        assert LSTM(4, 5)(torch.ones(2, 3, 4), torch.ones(2, 5)).shape == (2, 3, 5)
    assert layers.prepare_process() is False


def test_importing_loads_nothing_of_the_engine():
    code = "import sys, helpers.captioner, helpers.training; print('helpers.fast' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr
