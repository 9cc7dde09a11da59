"""Image encoders: frozen ImageNet backbones that turn pictures into features."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from helpers.encoder.backbones import BACKBONES
from helpers.encoder.efficientnet_lite import LAST_STAGE, EfficientNetLite
from helpers.files import DataError
from helpers.files.tensors import read_tensors


class ImageEncoder(nn.Module):
    """Encode pictures with a convolutional network trained on ImageNet, which stays as it is.

    Inputs:
        backbone: a key of `BACKBONES`
        weights: a file of weights to use instead of the backbone's own, as torch.save wrote it
        pool: average over positions
        stride: pixels from one position to the next: 32 for the last layer; 16, 8, 4 or 2 for an
            earlier one of an EfficientNet, whose positions have seen less of what is around them
        image_size: side S of the square pictures in pixels; None for the backbone's own
        tuned: a file of layers that `python -m helpers finetune` wrote, in the place of these
    Raises: ValueError for another backbone, stride or size; DataError for weights that fail.
    """

    def __init__(
        self, backbone="efficientnet_lite0", weights=None, pool=False, image_size=None,
        stride=32, tuned=None,
    ):  # fmt: skip
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, not {backbone!r}")
        if image_size and not (isinstance(image_size, int) and 1 <= image_size <= 4096):
            raise ValueError(f"image_size: expected pixels in [1, 4096], got {image_size!r}")
        spec = BACKBONES[backbone]
        self.backbone, self.pool, self.stride = backbone, pool, stride
        self.image_size = image_size or spec.image_size
        self.weights, self.tuned = (
            str(Path(file).resolve()) if file else None for file in (weights, tuned)
        )
        self.feature_dim = spec.feature_dim
        keep_normalisation(self, spec.mean, spec.std)
        self.network = spec.build(weights)
        strides = LAST_STAGE if isinstance(self.network, EfficientNetLite) else {32: None}
        if stride not in strides:
            known = ", ".join(map(str, strides))
            raise ValueError(f"stride must be one of {known} for this backbone, not {stride}")
        if stride != 32:
            layers = self.network.blocks[LAST_STAGE[stride]].modules()
            self.feature_dim = [x for x in layers if isinstance(x, nn.Conv2d)][-1].out_channels
        self.network.eval().requires_grad_(False)
        _fold_batch_norm(self.network)
        if tuned:
            _fill_layers(self.network, tuned)
        self.network.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def train(self, mode=True):
        """Stay in evaluation mode."""
        return super().train(False)

    def prepare(self, image):
        """Scale an RGB picture's short side to S, cut out the central square: uint8 (3, S, S)."""
        square = ImageOps.fit(image, (self.image_size,) * 2, Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)

    def forward(self, images):
        """Encode images, as for `normalise`.

        Returns: features, (N, P, C) with P = ceil(S / stride)², or (N, C) with `pool`
        """
        images = normalise(images, self)  # (N, 3, S, S)
        if self.stride == 32:
            grid = self.network.forward_features(images)  # (N, C, √P, √P)
        else:
            grid = self.network.up_to(images, self.stride)
        positions = grid.flatten(2).transpose(1, 2)  # (N, P, C)
        return positions.mean(1) if self.pool else positions

    def classify(self, images):
        """Score the 1,000 ImageNet classes. Inputs as `forward`. Returns: scores, (N, 1000)."""
        return self.network(normalise(images, self))

    def fingerprint(self):
        """Return a hash of the backbone's name, weights, image size, pooling and stride."""
        settings = f"{self.backbone} {self.image_size} {self.pool} {self.stride}"
        return fingerprint(settings, self.network)


def keep_normalisation(encoder, mean, std):
    """Register what `normalise` needs; it moves with the encoder and is not one of its weights."""
    encoder.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
    encoder.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)


def normalise(images, encoder):
    """Scale pictures to [0, 1] and normalise them with an encoder's mean and std.

    Inputs: images: (N, 3, S, S), uint8 in [0, 255] or float in [0, 1], RGB; S of the encoder
    Returns: float32, (N, 3, S, S). Raises: ValueError for another shape, dtype or range.
    """
    size = (3, encoder.image_size, encoder.image_size)
    if images.ndim != 4 or images.shape[1:] != size:
        raise ValueError(f"images must have shape (N, {size}), not {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        images = images.to(encoder.mean.dtype) / 255
    elif not images.is_floating_point():
        raise ValueError(f"images must be uint8 or float in [0, 1], not {images.dtype}")
    elif images.numel() and (images.min() < 0 or images.max() > 1):
        raise ValueError(
            f"float images must be in [0, 1], not {images.min():.3g} to {images.max():.3g}"
        )
    images = (images - encoder.mean) / encoder.std
    return images.contiguous(memory_format=torch.channels_last)


def fingerprint(settings, network):
    """Return a hash of some text and of a network's weights, 64 hex digits."""
    digest = hashlib.sha256(settings.encode())
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _fill_layers(network, file):
    """Put a file's layers into the place of a network's own, which has its norms folded."""
    layers = read_tensors(file, "fine-tune the encoder again")
    layers = {name: tensor.float() for name, tensor in layers.items()}
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if not layers or any(own.get(name) != tensor.shape for name, tensor in layers.items()):
        raise DataError(f"{file}: holds layers of another encoder")
    network.load_state_dict(layers, strict=False)


def _fold_batch_norm(module):
    """Fold each batch normalisation into the convolution before it, for inference."""
    previous_name, previous = "", None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            setattr(module, previous_name, fuse_conv_bn_eval(previous, child))
            setattr(module, name, nn.Identity())
        else:
            _fold_batch_norm(child)
        previous_name, previous = name, child
