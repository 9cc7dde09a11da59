"""What runs on a GPU, on tensors that only claim to be there: one of the CPU among them fails."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write_files
from PIL import Image
from small import FEATURE_DIM, POSITIONS, VOCABULARY
from torch._subclasses import fake_impls
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from helpers import decoding
from helpers.captioner import CaptioningRNN
from helpers.encoder import ImageEncoder
from helpers.plots import words_considered

CELLS = ("rnn", "lstm", "attn")
TESTS = Path(__file__).parent
SENTENCES = (
    "a red dog runs on grass", "two black cats sleep on a bed",
    "a man rides a bike", "one bird flies over the sea",
)  # fmt: skip


class NoGenerator:
    """Stand in for torch.Generator, which looks whether its device is there."""

    def __init__(self, device=None):
        pass

    def manual_seed(self, seed):
        """Return no generator: the global one's numbers do as well, since there are none."""


@pytest.fixture(params=[{}, {"pool": True}, {"stride": 16}])
def encoder(request):
    """Build an encoder, of real weights on the CPU."""
    return ImageEncoder(**request.param)


@pytest.fixture
def cuda(monkeypatch):
    """Let tensors be made "on" a GPU that is not there. They have shapes and devices, no numbers.

    Where code asks for a number it gets 1.0, where it asks for a truth, False, and a mask chooses
    everything.
    """

    def nonzero(mode, function, mask):
        return mask.new_empty((mask.numel(), mask.ndim), dtype=torch.long)

    monkeypatch.setitem(fake_impls.op_implementations_dict, torch.ops.aten.nonzero.default, nonzero)
    monkeypatch.setattr(FakeTensor, "__bool__", lambda _: False)
    monkeypatch.setattr(FakeTensor, "item", lambda _: 1.0)
    monkeypatch.setattr(torch, "Generator", NoGenerator)
    monkeypatch.setattr(decoding, "_captions", captions)
    with FakeTensorMode(), torch.device("cuda"):
        yield torch.device("cuda", 0)


def captions(vocabulary, ids, log_probs, alpha):
    """Stand in for `decoding._captions`, which turns ids into text."""
    assert {ids.device.type, log_probs.device.type} == {"cuda"}
    assert alpha is None or alpha.device.type == "cuda"
    return [decoding.Caption("a dog", ["a", "dog"], [4, 5, 2], 0.0)] * len(ids)


def model_of(cell):
    """Build a captioner, and features of four images."""
    model = CaptioningRNN(VOCABULARY, cell, FEATURE_DIM, 7, 8, 0.5)
    shape = (4, POSITIONS, FEATURE_DIM) if cell == "attn" else (4, FEATURE_DIM)
    return model, torch.randn(shape)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss(cuda, cell):
    model, features = model_of(cell)
    model.standardise(features)
    loss = model(features, torch.ones(8, 9, dtype=torch.long), 0.1, torch.ones(8))
    assert loss.device == cuda
    with pytest.raises(RuntimeError, match="found at least two devices"):
        model(features.cpu(), torch.ones(8, 9, dtype=torch.long))


@pytest.mark.parametrize("cell", CELLS)
def test_decoding(cuda, cell):
    model, features = model_of(cell)
    assert len(decoding.greedy(model, features, 5)) == 4
    assert [len(each) for each in decoding.beam(model, features, 3, 0.7, 0, 5)] == [3] * 4


def test_encoding(encoder, cuda):
    mode = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    encoder = encoder._apply(lambda tensor: mode.from_tensor(tensor).to(cuda))
    torch.__future__.set_overwrite_module_params_on_conversion(False)
    assert encoder(torch.zeros(2, 3, 224, 224, dtype=torch.uint8)).device == cuda


def test_probabilities_are_drawn_wherever_and_however_they_are():
    probabilities = torch.rand(3, len(VOCABULARY), dtype=torch.bfloat16, requires_grad=True)
    words_considered(probabilities, VOCABULARY, [4, 5, 2]).savefig(io.BytesIO())


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_diverged_are_named_before_anything_is_drawn(cell):
    model, _ = model_of(cell)
    features = torch.full((4, POSITIONS, FEATURE_DIM), torch.nan)
    with pytest.raises(FloatingPointError, match="the scores are not numbers"):
        decoding.sample(model, features if cell == "attn" else features[:, 0])


@pytest.fixture
def captioned(tmp_path):
    """Write four pictures of noise to learn from, and two to look at."""
    rng, files = np.random.default_rng(0), {}
    for split, count in (("train", 4), ("val", 2)):
        said = [(k, SENTENCES[k] + " today" * again) for k in range(count) for again in range(2)]
        files[f"annotations/captions_{split}.json"] = {
            "images": [{"id": k, "file_name": f"{k}.png"} for k in range(count)],
            "annotations": [{"image_id": k, "caption": caption} for k, caption in said],
        }
        for k in range(count):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(picture, "PNG")
            files[f"{split}/{k}.png"] = picture.getvalue()
    write_files(tmp_path / "set", files)
    return tmp_path


def test_every_stage_on_a_device_that_mixes_with_nothing(captioned):
    """The commands, resuming and every way to decode say what they say on the CPU.

    A tensor of the CPU among those of the device would fail, as it does on a GPU.
    """
    python = [sys.executable, "-W", "error", TESTS / "every_stage.py", captioned]
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent), "PATH": ""}  # without Java
    done = subprocess.run(python, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cpu, device = json.loads(done.stdout.splitlines()[-1]).values()
    assert device == cpu
    codes = [text[:2] for text in cpu[: -len(CELLS)]]
    assert codes == ["0 "] * len(codes), cpu
