"""What holds for every kernel alike: kinds, dtypes, purity, clear errors, published values."""

import ast
import copy
import inspect
import itertools
from pathlib import Path

import array_api_compat
import numpy as np
import pytest
import torch
from oracles import KERNELS, SHAPES, backward_of, forward_of, random_inputs, random_upstream
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from helpers import kernels
from helpers.checks import check, check_norm, published

DTYPES = {"f": torch.float32, "i": torch.int64}
every_kernel = pytest.mark.parametrize("name", SHAPES)


def run(name, inputs, convert=lambda array: array):
    """Return all outputs and gradients of a kernel pair, after converting the inputs."""
    inputs = [convert(array) for array in inputs.values()]
    *outputs, cache = forward_of(name)(*inputs)
    upstream = [convert(d) for d in random_upstream(name, outputs, seed=0)]
    gradients = backward_of(name)(*upstream, cache)
    return [*outputs, *(gradients if isinstance(gradients, tuple) else (gradients,))]


@every_kernel
def test_torch_tensors_give_what_numpy_arrays_give(name):
    inputs = random_inputs(name)
    for of_numpy, of_torch in zip(run(name, inputs), run(name, inputs, torch.tensor), strict=True):
        assert isinstance(of_numpy, np.ndarray) and isinstance(of_torch, torch.Tensor)
        check_norm(name, of_torch, of_numpy, 1e-13)


@every_kernel
@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
def test_float32_in_float32_out(name, convert):
    def single(array):
        return convert(array.astype(np.float32) if array.dtype == np.float64 else array)

    inputs = random_inputs(name)
    for narrow, wide in zip(run(name, inputs, single), run(name, inputs), strict=True):
        assert str(narrow.dtype).removeprefix("torch.") == "float32"
        check_norm(name, narrow, wide, 1e-5)


@every_kernel
@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
def test_nothing_that_goes_in_is_modified(name, convert):
    inputs = [convert(array) for array in random_inputs(name, seed=1).values()]
    kept = copy.deepcopy(inputs)
    *outputs, cache = forward_of(name)(*inputs)
    upstream = [convert(d) for d in random_upstream(name, outputs, seed=0)]
    kept_backward = copy.deepcopy((upstream, cache, outputs))
    backward_of(name)(*upstream, cache)
    now = [*inputs, *upstream, *cache, *outputs]
    for before, after in zip([*kept, *itertools.chain(*kept_backward)], now, strict=True):
        assert (before is None and after is None) or (before == after).all()


@every_kernel
def test_a_strided_input_gives_what_a_contiguous_one_gives(name):
    inputs = random_inputs(name)
    strided = {key: np.asfortranarray(array) for key, array in inputs.items()}
    for plain, turned in zip(run(name, inputs), run(name, strided), strict=True):
        check_norm(name, turned, plain, 1e-13)


@pytest.mark.parametrize(
    ("name", "key"), [(n, k) for n in SHAPES if n != "word_embedding" for k in SHAPES[n]]
)
def test_a_bad_argument_is_named(name, key):
    inputs = random_inputs(name)
    good = inputs[key]
    others = "|".join(inputs)  # a size clash may name either side
    for bad, error in [
        (good[..., None], ValueError),
        (good.astype(np.int64), TypeError),
        (good.tolist(), TypeError),
    ]:
        with pytest.raises(error, match=rf"^{key} "):
            forward_of(name)(*(inputs | {key: bad}).values())
    for bad in (torch.tensor(good), good.astype(np.float32)):
        with pytest.raises(TypeError, match=rf"\b{key} is a? ?\w+"):
            forward_of(name)(*(inputs | {key: bad}).values())
    with pytest.raises(ValueError, match=rf"^({others}) must have shape .*but its shape is"):
        longer = np.concatenate([good, good[..., :3]], axis=-1)
        forward_of(name)(*(inputs | {key: longer}).values())


@every_kernel
def test_a_gradient_of_the_wrong_shape_is_named(name):
    *outputs, cache = forward_of(name)(*random_inputs(name).values())
    upstream = random_upstream(name, outputs, seed=0)
    for wrong in (lambda d: d[..., :-1], lambda d: d[:1], lambda d: d[None]):
        with pytest.raises(ValueError, match=r"^d\w+ must have"):
            backward_of(name)(*map(wrong, upstream), cache)


UNPUBLISHED = ("lstm_gates", "attention_lstm", "temporal_affine")


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in UNPUBLISHED])
def test_published_values(name):
    inputs, expected = published(f"{name}_forward")
    order = list(SHAPES[name])
    outputs = forward_of(name)(*(inputs[key] for key in order))
    if name == "dot_product_attention":
        outputs = (outputs[0], outputs[1][0, :4])
    for (key, value), output in zip(expected.items(), outputs, strict=False):
        check(f"{name} {key}", output, value, 1e-7)


def test_kernels_share_the_namespace_of_their_inputs():
    h, _ = kernels.rnn_forward(*(torch.tensor(v) for v in random_inputs("rnn").values()))
    assert array_api_compat.is_torch_array(h)


SOURCES = sorted(Path(kernels.__file__).parent.glob("*.py"))


def test_kernels_know_nothing_but_mathematics():
    """Neither torch nor NumPy by name, no file and nothing else of helpers."""
    imported = set()
    for node in ast.walk(ast.parse("\n".join(path.read_text() for path in SOURCES))):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
    own = {name for name in imported if name.startswith("helpers.kernels.")}
    assert imported - own == {"math", "array_api_compat"}
    assert {path.stem for path in SOURCES} == {
        "__init__", "arguments", "rnn", "lstm", "attention", "temporal",
    }  # fmt: skip


def code_lines(function):
    """Count the lines of a function's body without its docstring, blanks and comments."""
    (node,) = ast.parse(inspect.getsource(function)).body
    start = node.body[1].lineno - 1
    lines = inspect.getsource(function).splitlines()[start:]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_short(name):
    assert code_lines(getattr(kernels, name)) <= 15


@every_kernel
def test_autograd_can_follow_a_kernel(name):
    inputs = {key: torch.tensor(value) for key, value in random_inputs(name).items()}
    followed = [value.requires_grad_() for value in inputs.values() if value.is_floating_point()]
    *outputs, cache = forward_of(name)(*inputs.values())
    upstream = [torch.tensor(d) for d in random_upstream(name, outputs, seed=0)]
    found = torch.autograd.grad(outputs[: len(upstream)], followed, upstream)
    gradients = backward_of(name)(*upstream, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for gradient, one in zip(gradients, found, strict=True):
        check_norm(name, gradient, one, 1e-12)


@every_kernel
def test_float64_stays_float64_inside_autocast(name):
    inputs = random_inputs(name)
    expected = run(name, inputs, torch.tensor)
    with torch.autocast("cpu", torch.bfloat16):
        for one, other in zip(run(name, inputs, torch.tensor), expected, strict=True):
            assert one.dtype == torch.float64 and (one == other).all()


@every_kernel
def test_kernels_stay_on_the_device_of_their_inputs(name):
    """Tensors without values stand for a GPU: one made on the CPU among them is an error."""
    with FakeTensorMode(shape_env=ShapeEnv()):
        inputs = [
            torch.empty(array.shape, dtype=DTYPES[array.dtype.kind], device="cuda")
            for array in random_inputs(name).values()
        ]
        *outputs, cache = forward_of(name)(*inputs)
        taken = len(inspect.signature(backward_of(name)).parameters) - 1
        gradients = backward_of(name)(*outputs[:taken], cache)
        outputs += gradients if isinstance(gradients, tuple) else [gradients]
        assert {output.device.type for output in outputs} == {"cuda"}
