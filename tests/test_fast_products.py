import pytest
import torch

from helpers.fast import process


@pytest.fixture
def switch():
    """Give torch's switch, and put it back."""
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    yield matmul
    matmul.fp32_precision = before


@pytest.mark.parametrize(("vendor", "exact"), [("AuthenticAMD", True), ("AuthenticAMD", False)])
def test_onednn_multiplies_on_amd_where_it_rounds_nothing(
    vendor, exact, switch, tmp_path, monkeypatch
):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nvendor_id : {vendor}\n")
    monkeypatch.setattr(process, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(process, "keeps_float32", lambda: exact)
    before = switch.fp32_precision
    assert process.use_onednn() is exact
    assert switch.fp32_precision == ("bf16" if exact else before)


def test_elsewhere_the_switch_is_left_alone(switch, tmp_path, monkeypatch):
    before = switch.fp32_precision
    for path, text in ((tmp_path / "intel", "vendor_id : GenuineIntel\n"), (tmp_path / "no", "")):
        if text:
            path.write_text(text)
        monkeypatch.setattr(process, "CPUINFO", path)
        assert process.use_onednn() is False and switch.fp32_precision == before


def test_the_trial_tells_whether_factors_are_rounded_and_puts_the_switch_back(switch, monkeypatch):
    before = switch.fp32_precision
    switch.fp32_precision = "bf16"
    factor = torch.full((256, 256), 1 + 2**-12)
    exact = bool((factor @ torch.ones(256, 256) == 256 * factor).all())
    switch.fp32_precision = before
    assert process.keeps_float32() is exact and switch.fp32_precision == before
