"""EfficientNet-Lite is timm's, number for number."""

import pytest
import timm
import torch

from helpers.encoder.efficientnet_lite import LAST_STAGE, EfficientNetLite


@pytest.fixture(scope="module")
def twins():
    """Return timm's Lite2 and ours with its weights, both with moving statistics of their own."""
    torch.manual_seed(0)
    theirs, ours = timm.create_model("tf_efficientnet_lite2").eval(), EfficientNetLite(2).eval()
    for name, tensor in theirs.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("size", range(5))
def test_names_and_shapes_are_timms(size):
    with torch.device("meta"):
        theirs = timm.create_model(f"tf_efficientnet_lite{size}").state_dict()
        ours = EfficientNetLite(size).state_dict()
    assert [(k, v.shape) for k, v in ours.items()] == [(k, v.shape) for k, v in theirs.items()]


@pytest.mark.parametrize("side", [64, 65])  # TensorFlow pads them differently
def test_features_and_scores_are_timms(twins, side):
    theirs, ours = twins
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))
        torch.testing.assert_close(ours.forward_features(images), theirs.forward_features(images))
        grids = theirs.forward_intermediates(images, intermediates_only=True)
        for grid, stride in zip(grids, LAST_STAGE, strict=True):
            torch.testing.assert_close(ours.up_to(images, stride), grid)
