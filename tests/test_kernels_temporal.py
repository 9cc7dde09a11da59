import numpy as np
import pytest
import torch
from oracles import assert_gradients

from helpers.checks import check, check_norm, numerical_gradient, rel_error
from helpers.kernels import (
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)

both_kinds = pytest.mark.parametrize("convert", [np.asarray, torch.tensor])


@pytest.mark.parametrize(("seed", "T"), [(0, 1), (1, 3), (2, 6)])
@pytest.mark.parametrize("name", ["temporal_affine", "word_embedding"])
def test_gradients(name, seed, T):
    assert_gradients(name, seed, 1e-7, T=T)


@both_kinds
def test_a_repeated_word_adds_up_its_gradients(convert):
    x, W = convert(np.array([[1, 1, 1]])), convert(np.zeros((3, 2)))
    _, cache = word_embedding_forward(x, W)
    dW = word_embedding_backward(convert(np.array([[[1.0, 2], [10, 20], [100, 200]]])), cache)
    assert dW.tolist() == [[0, 0], [111, 222], [0, 0]]


@pytest.mark.parametrize("bad", [-1, 3])
@both_kinds
def test_an_id_outside_the_vocabulary_is_named(convert, bad):
    with pytest.raises(ValueError, match=r"^x must hold ids in \[0, 3\)"):
        word_embedding_forward(convert(np.array([[0, bad]])), convert(np.zeros((3, 2))))


@pytest.mark.parametrize("x", [np.zeros((1, 2)), torch.zeros(1, 2, dtype=torch.int64), [[0, 1]]])
def test_ids_of_another_kind_are_named(x):
    with pytest.raises(TypeError, match=r"^x (must|is a Tensor, but W is a ndarray)"):
        word_embedding_forward(x, np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("W", "error"),
    [(np.zeros(3), ValueError), (np.zeros((3, 2), int), TypeError), ([[0.0]], TypeError)],
)
def test_bad_word_vectors_are_named(W, error):
    with pytest.raises(error, match=r"^W must"):
        word_embedding_forward(np.array([[0, 1]]), W)


def loss_inputs(seed=0, N=2, T=4, V=7):
    """Draw scores, targets and a mask that leaves out words here and there."""
    rng = np.random.default_rng(seed)
    mask = rng.random((N, T)) < 0.6
    mask[0, 0], mask[-1, -1] = True, False
    return rng.normal(size=(N, T, V)), rng.integers(0, V, (N, T)), mask


def torch_loss(scores, y, mask):
    """Return the loss and its gradient by torch's own cross-entropy, which ignores -100."""
    scores = torch.tensor(scores, requires_grad=True)
    y = torch.tensor(np.where(mask, y, -100))
    loss = torch.nn.functional.cross_entropy(scores.transpose(1, 2), y, reduction="sum")
    loss = loss / len(scores)
    return loss, torch.autograd.grad(loss, scores)[0]


@pytest.mark.parametrize(("seed", "T"), [(0, 1), (1, 4), (2, 5)])
@both_kinds
def test_loss_and_its_gradient(seed, T, convert):
    arrays = loss_inputs(seed, T=T)
    scores, y, mask = map(convert, arrays)
    loss, dscores = temporal_softmax_loss(scores, y, mask)
    plain, plain_gradient = torch_loss(*arrays)
    check_norm("loss", loss, plain, 1e-12)
    check_norm("dscores to autograd", dscores, plain_gradient, 1e-10)
    numeric = numerical_gradient(lambda s: temporal_softmax_loss(s, y, mask)[0], scores)
    check("dscores to central differences", dscores, numeric, 1e-7)


def test_equal_scores_cost_the_logarithm_of_the_vocabulary_per_word():
    y, mask = np.zeros((2, 3), dtype=int), np.ones((2, 3), dtype=bool)
    loss, _ = temporal_softmax_loss(np.zeros((2, 3, 7)), y, mask)
    assert rel_error(loss, 3 * np.log(7)) < 1e-14  # summed over time, averaged over the batch


@both_kinds
def test_padding_leaves_loss_and_gradient_unchanged(convert):
    """Masked positions may hold anything: not even an infinity or a NaN gets through."""
    scores, y, mask = loss_inputs()
    loss, dscores = temporal_softmax_loss(scores, y, mask)
    poison = np.concatenate([scores, np.full((2, 2, 7), np.nan)], axis=1)
    poison[~np.pad(mask, [(0, 0), (0, 2)])] = [np.inf, -np.inf, np.nan, 1e300, 0, 0, 0]
    padded = [poison, np.pad(y, [(0, 0), (0, 2)]), np.pad(mask, [(0, 0), (0, 2)])]
    again, gradient = temporal_softmax_loss(*map(convert, padded))
    check_norm("loss", again, loss, 1e-14)
    check_norm("dscores", gradient[:, :4], dscores, 1e-14)
    assert (gradient[:, 4:] == 0).all() and (gradient[~padded[2]] == 0).all()


@both_kinds
def test_without_any_word_the_loss_is_zero(convert):
    scores, y, mask = map(convert, loss_inputs())
    loss, dscores = temporal_softmax_loss(scores, y, mask & ~mask)
    assert loss == 0 and (dscores == 0).all()


def test_a_row_without_words_counts_in_the_batch():
    scores, y, mask = loss_inputs()
    mask[1] = False
    loss, dscores = temporal_softmax_loss(scores, y, mask)
    alone, _ = temporal_softmax_loss(scores[:1], y[:1], mask[:1])
    check_norm("loss", loss, alone / 2, 1e-14)
    assert (dscores[1] == 0).all()


@both_kinds
@pytest.mark.filterwarnings("error")
def test_huge_scores_do_not_overflow(convert):
    scores, y, mask = loss_inputs()
    for offset in (1e4, -1e4):
        loss, dscores = temporal_softmax_loss(*map(convert, (scores + offset, y, mask)))
        plain, plain_dscores = temporal_softmax_loss(scores, y, mask)
        check_norm("loss", loss, plain, 1e-10)
        check_norm("dscores", dscores, plain_dscores, 1e-10)


@both_kinds
def test_nothing_that_goes_in_is_modified(convert):
    before, after = (tuple(map(convert, loss_inputs())) for _ in range(2))
    temporal_softmax_loss(*after)
    assert all((b == a).all() for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_scores_is_kept(dtype):
    scores, y, mask = map(torch.tensor, loss_inputs())
    loss, dscores = temporal_softmax_loss(scores.to(dtype), y, mask)
    assert loss.dtype == dscores.dtype == dtype


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.full((2, 4), 7)}, ValueError, r"^y must hold ids in \[0, 7\)"),
        ({"y": np.zeros((2, 3), dtype=int)}, ValueError, "^y must have shape"),
        ({"y": np.zeros((2, 4))}, TypeError, "^y must hold integer"),
        ({"mask": np.ones((4, 2), dtype=bool)}, ValueError, "^mask must have shape"),
        ({"mask": np.ones((2, 4))}, TypeError, "^mask must hold booleans"),
        ({"mask": torch.ones(2, 4, dtype=torch.bool)}, TypeError, "^mask"),
        ({"mask": [[True] * 4] * 2}, TypeError, "^mask"),
        ({"scores": np.zeros((2, 4))}, ValueError, "^scores must have 3 dimensions"),
    ],
)
def test_a_bad_argument_is_named(change, error, message):
    scores, y, mask = loss_inputs()
    with pytest.raises(error, match=message):
        temporal_softmax_loss(**{"scores": scores, "y": y, "mask": mask} | change)
