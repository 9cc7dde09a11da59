import numpy as np
import pytest
from oracles import assert_gradients, random_inputs

from helpers.checks import check_norm
from helpers.kernels import (
    attention_lstm_forward,
    attention_lstm_step_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    lstm_forward,
    lstm_step_forward,
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["dot_product_attention", "attention_lstm_step"])
def test_step_gradients(name, seed):
    assert_gradients(name, seed, 1e-7)


@pytest.mark.parametrize(("seed", "T"), [(0, 1), (1, 3), (2, 6)])
def test_sequence_gradients(seed, T):
    assert_gradients("attention_lstm", seed, 1e-6, T=T)


def test_one_position_takes_all_the_attention():
    inputs = random_inputs("dot_product_attention", P=1)
    attn, alpha, cache = dot_product_attention_forward(**inputs)
    assert (alpha == 1).all() and (attn == inputs["A"][:, 0]).all()
    dprev_h, _ = dot_product_attention_backward(np.ones_like(attn), cache)
    assert (dprev_h == 0).all()


@pytest.mark.parametrize("scale", [1, 1e4])
@pytest.mark.filterwarnings("error")
def test_weights_are_positive_and_sum_to_one_also_for_huge_scores(scale):
    inputs = random_inputs("attention_lstm")
    _, alpha, _ = attention_lstm_forward(**inputs | {"A": scale * inputs["A"]})
    assert (alpha >= 0).all()
    np.testing.assert_allclose(alpha.sum(axis=2), 1, rtol=1e-14)


def test_attention_follows_a_permutation_of_the_positions():
    inputs = random_inputs("dot_product_attention")
    order = [3, 1, 5, 0, 4, 2]
    attn, alpha, _ = dot_product_attention_forward(**inputs)
    again, permuted, _ = dot_product_attention_forward(inputs["prev_h"], inputs["A"][:, order])
    check_norm("attn", again, attn, 1e-14)
    check_norm("alpha", permuted, alpha[:, order], 1e-14)


def test_sequence_equals_the_repeated_step():
    inputs = random_inputs("attention_lstm", T=4)
    h, alphas, _ = attention_lstm_forward(**inputs)
    prev_h = prev_c = inputs["A"].mean(axis=1)
    weights = [inputs[key] for key in ("Wx", "Wh", "Wattn", "b")]
    for t in range(4):
        attn, alpha, _ = dot_product_attention_forward(prev_h, inputs["A"])
        step = attention_lstm_step_forward(inputs["x"][:, t], prev_h, prev_c, attn, *weights)
        prev_h, prev_c, _ = step
        check_norm(f"h[:, {t}]", h[:, t], prev_h, 1e-14)
        check_norm(f"alpha[:, {t}]", alphas[:, t], alpha, 1e-14)


def test_without_its_weights_the_attention_lstm_is_an_lstm():
    inputs = random_inputs("attention_lstm")
    inputs["Wattn"] = np.zeros_like(inputs["Wattn"])
    h, _, _ = attention_lstm_forward(**inputs)
    mean = inputs["A"].mean(axis=1)
    weights = [inputs[key] for key in ("Wx", "Wh", "b")]
    check_norm("h", h, lstm_forward(inputs["x"], mean, *weights, c0=mean)[0], 1e-14)
    step, _, _ = lstm_step_forward(inputs["x"][:, 0], mean, mean, *weights)
    check_norm("h[:, 0]", h[:, 0], step, 1e-14)
