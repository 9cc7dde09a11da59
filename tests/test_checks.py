import math
import re

import numpy as np
import pytest
import torch

from helpers.checks import (
    check,
    check_at_least,
    check_at_most,
    check_gradients,
    check_norm,
    numerical_gradient,
    published,
    rel_error,
    rel_norm,
)

ONE = np.ones((2, 3))
NAN = np.array([1.0, math.nan, 3.0])


def test_relative_error_is_the_largest_of_all_entries():
    assert rel_error(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == 0.5
    assert rel_error(0.0, 1e-9) == pytest.approx(0.1)  # the 1e-8 keeps zeros comparable
    assert rel_error(2, np.float32(2)) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64])
def test_relative_error_takes_torch_tensors_with_a_history(dtype):
    x = torch.ones(2, 3, dtype=dtype)
    if dtype.is_floating_point:
        x = x.requires_grad_() * 1
    assert rel_error(x, ONE) == 0


def test_relative_norm():
    assert rel_norm(np.array([3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(1 / 34**0.5)
    assert rel_norm(np.zeros(2), np.zeros(2)) == 0
    assert rel_norm(np.ones(2), np.zeros(2)) == math.inf


@pytest.mark.parametrize("x", [ONE, torch.ones(2, 3, dtype=torch.float64)])
def test_a_passing_check_prints_what_it_measured(x, capsys):
    check("dWx", x * (1 + 1e-9), ONE, 1e-8)
    check("dWx", x * (1 + 1e-9), ONE, 0.01)
    check_norm("dWx", x * (1 + 1e-12), ONE, 1e-10)
    check_at_least("validation BLEU-4", 0.45, 0.45)
    check_at_most("final loss", np.float32(0.05), 0.1)
    assert capsys.readouterr().out.splitlines() == [
        "dWx: relative error 5.0e-10 (below 1e-8)",
        "dWx: relative error 5.0e-10 (below 0.01)",
        "dWx: relative norm 1.0e-12 (below 1e-10)",
        "validation BLEU-4: 0.45 (at least 0.45)",
        "final loss: 0.05 (at most 0.1)",
    ]


def test_a_failing_check_names_shape_error_and_worst_entry():
    wrong = ONE.copy()
    wrong[1, 2] = 3
    message = r"^dWx: .* 5\.0e-01 is not below 1e-8, shape \(2, 3\), .*\[1, 2\]: got 3, expected 1$"
    with pytest.raises(AssertionError, match=message):
        check("dWx", wrong, ONE, 1e-8)
    with pytest.raises(AssertionError, match=r"dWx: relative norm 8\.2e-01 .* shape \(2, 3\)"):
        check_norm("dWx", wrong, ONE, 1e-8)


@pytest.mark.parametrize("checker", [check, check_norm])
@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (ONE, np.ones((3, 2)), r"the actual value has shape \(2, 3\), .* shape \(3, 2\)"),
        (ONE, np.ones(3), "shape"),  # which would broadcast
        (ONE, 1.0, "shape"),
        (np.ones((0, 3)), np.ones((0, 3)), "empty"),
        (NAN, NAN, "nan"),
        (NAN, np.ones(3), "nan"),
        (np.ones(3), NAN, "nan"),
        (np.array([math.inf]), np.array([math.inf]), "nan"),
        (ONE > 0, ONE > 0, "real numbers; got ndarray bool"),
        (ONE + 1j, ONE + 1j, "real numbers"),
        (np.array(["a"]), np.array(["a"]), "real numbers"),
        (None, ONE, "real numbers; got NoneType"),
        (ONE, 2 * ONE, "is not below|of the difference"),
        (-ONE, ONE, "is not below|of the difference"),
    ],
)
def test_what_cannot_be_compared_fails(checker, actual, expected, message):
    with pytest.raises(AssertionError, match=f"dWx: .*({message})"):
        checker("dWx", actual, expected, 1e-3)


@pytest.mark.parametrize("bound", [0.0, math.nan])
def test_a_bound_that_nothing_is_below_always_fails(bound):
    with pytest.raises(AssertionError):
        check("dWx", ONE, ONE, bound)


@pytest.mark.parametrize(
    "value", [0.4, math.nan, -math.inf, np.ones(2), np.ones(0), "1", None, True]
)
def test_a_number_below_its_bound_fails(value):
    with pytest.raises(AssertionError, match="BLEU-4"):
        check_at_least("BLEU-4", value, 0.45)


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf, np.ones(2), None])
def test_a_number_above_its_bound_fails(value):
    with pytest.raises(AssertionError, match="loss"):
        check_at_most("loss", value, torch.tensor(0.45).item())


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
def test_numerical_gradient_of_a_product_and_of_a_loss(convert):
    x, W = (
        convert(np.linspace(-1, 1, 6).reshape(2, 3)),
        convert(np.linspace(0, 2, 12).reshape(3, 4)),
    )
    df = convert(np.linspace(1, 3, 8).reshape(2, 4))
    gradient = numerical_gradient(lambda W: x @ W, W, df)
    assert type(gradient) is type(W)
    check("dW", gradient, x.T @ df, 1e-8)
    check("dx", numerical_gradient(lambda x: (x**3).sum(), x), 3 * x**2, 1e-7)


def test_numerical_gradient_restores_x_exactly_also_when_f_raises():
    def f(x):
        if x[1] > 0.7:
            raise RuntimeError("from f")
        return x.sum()

    x = np.array([0.1, 0.7])
    numerical_gradient(np.sum, x)
    with pytest.raises(RuntimeError, match="from f"):
        numerical_gradient(f, x)
    assert x.tolist() == [0.1, 0.7]


def test_numerical_gradient_moves_the_weights_of_a_model_and_of_a_view():
    layer = torch.nn.Linear(3, 2).double()
    x = torch.ones(1, 3, dtype=torch.float64)
    gradient = numerical_gradient(lambda _: layer(x).sum(), layer.weight)
    check("dweight", gradient, np.ones((2, 3)), 1e-8)
    view = np.arange(6.0).reshape(2, 3).T
    check(
        "dview",
        numerical_gradient(lambda x: x, view, 2 * np.ones((3, 2))),
        np.full((3, 2), 2),
        1e-8,
    )


@pytest.mark.parametrize(
    ("f", "x", "df", "error", "message"),
    [
        (np.sum, np.ones(2, dtype=np.float32), None, TypeError, "x must be float64.*float32"),
        (np.sum, [1.0], None, TypeError, "x must be an array; got list"),
        (np.tanh, np.ones(2), None, ValueError, r"f\(x\) has shape \(2,\), but df has shape \(\)"),
        (np.tanh, np.ones((2, 3)), np.ones(3), ValueError, "but df has shape"),
    ],
)
def test_numerical_gradient_refuses_what_it_cannot_do(f, x, df, error, message):
    with pytest.raises(error, match=message):
        numerical_gradient(f, x, df)


def test_published_values_come_as_arrays():
    inputs, expected = published("rnn_step_forward")
    assert inputs["x"].shape == (3, 10) and inputs["x"].dtype == np.float64
    assert inputs["x"][0, 0] == -0.4 and inputs["x"][-1, -1] == 0.7
    assert expected["next_h"].shape == (3, 4)


def test_published_grid_comes_with_its_positions_before_its_channels():
    grid = published("dot_product_attention_forward")[0]["A"]
    values = np.linspace(-0.4, 1.8, 2 * 5 * 16).reshape(2, 5, 4, 4)
    assert grid.shape == (2, 16, 5)
    assert (grid[1, 4 * 2 + 3] == values[1, :, 2, 3]).all()


def test_published_word_ids_are_integers():
    assert published("word_embedding_forward")[0]["x"].dtype == np.int64


def test_an_unknown_kernel_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="rnn_step_forward"):
        published("gru_forward")


def rows_of_product(x, w, ids):
    """Return (x w)[ids], the sums of x and a cache: one input is integer, one output unjudged."""
    product = x * w
    return product[ids], x.sum(0), (x, w, ids)


def rows_of_product_backward(dout, cache):
    x, w, ids = cache
    dproduct = np.zeros_like(x)
    np.add.at(dproduct, ids, dout)
    return dproduct * w, (dproduct * x).sum(0)


def with_a_wrong_weight_gradient(dout, cache):
    dx, dw = rows_of_product_backward(dout, cache)
    return dx, dw * 1.001


def product_inputs():
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    return {"x": x, "w": np.array([2.0, -1, 3]), "ids": np.array([0, 0, 3])}


def test_check_gradients_measures_both_oracles(capsys):
    check_gradients(rows_of_product, rows_of_product_backward, product_inputs())
    number = r"\d\.\de[+-]\d\d"
    for name, line in zip("xw", capsys.readouterr().out.splitlines(), strict=True):
        assert re.fullmatch(
            rf"d{name}: relative error {number} \(below 1e-7\); "
            rf"from autograd {number} \(below 1e-10\)",
            line,
        )


def test_check_gradients_names_the_one_that_differs(capsys):
    text = r"^dw: relative error 5\.0e-04 \(must be below 1e-7\); from autograd 1\.0e-03"
    with pytest.raises(AssertionError, match=text):
        check_gradients(rows_of_product, with_a_wrong_weight_gradient, product_inputs())
    assert capsys.readouterr().out.startswith("dx: ")  # the one before it is right


def test_check_gradients_allows_no_error_in_shape():
    with pytest.raises(AssertionError, match="dw: the actual value has shape"):
        check_gradients(
            rows_of_product,
            lambda dout, cache: (rows_of_product_backward(dout, cache)[0],) * 2,
            product_inputs(),
        )


def _in_place(x):
    out = 1 * x
    for n in range(len(x)):
        out[n] = out[n] ** 2
    return out, x


def test_gradients_of_a_kernel_in_place_are_checked_without_autograd(capsys):
    x = {"x": np.random.default_rng(0).normal(size=(3, 2))}
    check_gradients(_in_place, lambda dout, x: 2 * x * dout, x)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("autograd cannot follow") and "autograd" not in second
    with pytest.raises(AssertionError, match=r"dx: relative error .* \(must be below 1e-7\)$"):
        check_gradients(_in_place, lambda dout, x: 2.01 * x * dout, x)
