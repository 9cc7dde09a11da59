import numpy as np
import pytest
import torch

from helpers.checks import rel_norm
from helpers.kernels.products import (
    add_product,
    as_numpy,
    as_tensor,
    fast_products,
    keeps_float32,
    multiplied_by_torch,
    subtract_product,
)

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


def test_the_trial_is_not_misled_by_autocast():
    keeps_float32.cache_clear()
    with torch.autocast("cpu", torch.bfloat16):
        inside = keeps_float32()
    keeps_float32.cache_clear()
    assert inside == keeps_float32()


def test_a_kernel_of_float32_arrays_sees_tensors_and_its_caller_arrays():
    x = np.ones(3, np.float32)
    seen = []

    @multiplied_by_torch
    def kernel(a, pair, last=None):
        seen.extend([a, *pair, last])
        return a + pair[0], (pair[1], None)

    total, (second, nothing) = kernel(x, (x, x), last=x)
    assert all(isinstance(each, torch.Tensor) for each in seen)
    assert isinstance(total, np.ndarray) and total.tolist() == [2, 2, 2]
    assert np.shares_memory(second, x) and nothing is None


@pytest.mark.parametrize("other", [np.ones(3), torch.ones(3), 1.0])
def test_a_kernel_of_anything_else_sees_it_as_it_is(other):
    seen = []
    multiplied_by_torch(lambda *each: seen.extend(each))(np.ones(3, np.float32), other)
    assert isinstance(seen[0], np.ndarray) and seen[1] is other


@pytest.mark.filterwarnings("error")
def test_arrays_that_torch_cannot_view_are_copied():
    x = np.arange(6, dtype=np.float32)
    fixed = x.copy()
    fixed.flags.writeable = False
    for array in (x[::-1], fixed, np.broadcast_to(np.float32(3), (2, 2))):
        assert as_tensor(array).tolist() == array.tolist()
    assert np.shares_memory(as_tensor(x[::2]).numpy(), x)


def test_what_autograd_follows_is_not_viewed_by_numpy():
    with pytest.raises(RuntimeError, match="requires grad"):
        as_numpy(torch.ones(2, requires_grad=True))
    narrow = torch.ones(2, dtype=torch.bfloat16)
    assert as_numpy(narrow) is narrow


@pytest.mark.parametrize("convert", [np.array, torch.tensor])
def test_products_are_added_and_subtracted_in_place(convert):
    rng = np.random.default_rng(0)
    W, x, out, y = (rng.normal(size=shape) for shape in [(4, 3), (3, 2), (4, 2), (4, 2)])
    given = convert(out.T).T  # by columns
    add_product(given, convert(W), convert(x))
    np.testing.assert_allclose(given, out + W @ x, rtol=1e-12)
    subtract_product(given, convert(out), convert(y), out=given)
    np.testing.assert_allclose(given, out + W @ x - out * y, rtol=1e-12)


def test_a_narrower_factor_is_added_to_what_keeps_its_dtype():
    out, W, x = torch.zeros(4, 2), torch.ones(4, 3, dtype=torch.bfloat16), torch.ones(3, 2)
    with torch.autocast("cpu", torch.bfloat16):
        add_product(out, W, x)
    assert out.dtype == torch.float32 and (out == 3).all()
