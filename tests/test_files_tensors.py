"""One reader and one writer of tensors."""

import pytest
import torch
from old_files import Payload
from torch import nn

from helpers.files import DataError
from helpers.files.tensors import Unfilled, fill, read_tensors, write_tensors

STATE = {"a.weight": torch.arange(6.0).view(2, 3).T, "n": torch.tensor(3)}


@pytest.mark.parametrize("end", ["safetensors", "pth"])
def test_tensors_come_back(tmp_path, end):
    file = tmp_path / f"w.{end}"
    write_tensors(file, STATE) if end == "safetensors" else torch.save(STATE, file)
    torch.testing.assert_close(read_tensors(file), STATE)


@pytest.mark.parametrize(
    "content",
    [
        {"module.a.weight": STATE["a.weight"], "module.n": STATE["n"]},  # of DataParallel
        {"epoch": 3, "state_dict": STATE},
    ],
)
def test_checkpoints_of_training_scripts_are_read(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    torch.testing.assert_close(read_tensors(tmp_path / "w.pth"), STATE)


@pytest.mark.parametrize("content", [[1], {"a": 1}, {1: torch.zeros(1)}, torch.zeros(1)])
def test_what_is_not_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"w\.pth: refused, it does not hold named tensors alone"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("end", ["safetensors", "pth"])
def test_what_is_damaged_or_missing_is_named(tmp_path, end):
    file = tmp_path / f"w.{end}"
    with pytest.raises(DataError, match=rf"w\.{end}: (cannot be read|refused).*buy another"):
        read_tensors(file, "buy another")
    file.write_bytes(b"\xff" * 100)  # a header of 2^64 bytes
    with pytest.raises(DataError, match=rf"w\.{end}: refused.*fetch it again"):
        read_tensors(file)


def test_nothing_runs(tmp_path):
    torch.save({"a": Payload(tmp_path / "ran")}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="refused"):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_a_module_is_filled_in_float32():
    layer = nn.Linear(3, 2)
    half = {name: tensor.half() for name, tensor in layer.state_dict().items()}
    with Unfilled():
        empty = nn.Linear(3, 2)
        assert torch.empty(3).uniform_().device.type == "meta"
    assert empty.weight.device.type == "meta"
    filled = fill(empty, half, "w")
    assert filled.weight.dtype == torch.float32 and filled.weight.device.type == "cpu"
    torch.testing.assert_close(filled.weight, layer.weight, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("damage", [{"weight": torch.zeros(2, 4)}, {"more": torch.zeros(1)}])
def test_another_network_is_named(damage):
    state = nn.Linear(3, 2).state_dict() | damage
    with pytest.raises(DataError, match=r"x\.pth: holds the weights of another network .*; mine"):
        fill(nn.Linear(3, 2), state, "x.pth", "mine")
