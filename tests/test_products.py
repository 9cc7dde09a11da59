import pytest
import torch

from helpers.checks import rel_norm
from helpers.products import fast_products, keeps_float32

matmul = torch.backends.mkldnn.matmul


def test_products_keep_the_accuracy_of_float32():
    generator = torch.Generator().manual_seed(0)
    x, W = (torch.randn(shape, generator=generator) for shape in [(64, 256), (256, 512)])
    with fast_products():
        product = x @ W
    assert rel_norm(product, x.double() @ W.double()) < 1e-6  # of bfloat16 factors: 1e-3


def test_the_switch_is_on_inside_and_put_back_also_after_an_error():
    before = matmul.fp32_precision
    with pytest.raises(KeyError), fast_products():
        assert matmul.fp32_precision == ("bf16" if keeps_float32() else before)
        raise KeyError
    assert matmul.fp32_precision == before


def test_what_the_user_has_chosen_comes_back():
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "ieee"
        with fast_products():
            pass
        assert matmul.fp32_precision == "ieee"
    finally:
        matmul.fp32_precision = before
