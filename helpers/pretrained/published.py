"""The published checkpoints of ConvNet and LSTMDecoder, read so that nothing in them can run."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from helpers.encoder.backbones import IMAGENET
from helpers.encoder.image_encoder import fingerprint, keep_normalisation, normalise
from helpers.files import DataError, hash_file
from helpers.files.tensors import Unfilled, fill, read_tensors
from helpers.pretrained.captioner import Captioner
from helpers.pretrained.legacy_vocabulary import read_legacy_vocabulary
from helpers.pretrained.resnet_lstm import ConvNet, LSTMDecoder

FILES = {  # name: SHA-256
    "encoder-5-3000.pkl": "cc92a0a6606dab88ebe7188ac8f2eeca6cd40d7454d6aadc63aa84ba9e04e05f",
    "decoder-5-3000.pkl": "327db7d6adf6039ee28f94b6e3a8a2e818883ac30311c33cdcee8e80bfb9ba2c",
    "vocab.pkl": "dce4f8624dcef238adda5526bf066c9d21d98cbdd52d9b3878da35379680e03c",
}


class PublishedEncoder(nn.Module):
    """A ConvNet as an `ImageEncoder`: takes pictures as they are and normalises inside."""

    backbone, pool, image_size = "convnet", True, 224

    def __init__(self, network):
        super().__init__()
        self.network, self.feature_dim = network, network.linear.out_features
        keep_normalisation(self, **IMAGENET)

    def prepare(self, image):
        """Squeeze a PIL image, RGB, into a square, as for training: uint8 (3, 224, 224)."""
        square = image.resize((self.image_size,) * 2, Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)

    def forward(self, images):
        """Inputs: (N, 3, 224, 224), uint8 or float in [0, 1]. Returns: features (N, E)."""
        return self.network(normalise(images, self))

    def fingerprint(self):
        """Return a hash of the weights."""
        return fingerprint(self.backbone, self.network)


def load_published(folder, device="cpu"):
    """Load the published captioner from encoder-5-3000.pkl, decoder-5-3000.pkl and vocab.pkl.

    A warning names files that differ: words in another order fit the decoder as well.

    Raises: DataError naming the file that is missing, broken, hostile or of another model
    """
    files = [Path(folder) / name for name in FILES]
    for file in files:
        if not file.exists():
            raise DataError(f"{file}: no such file; put the published one there")
    for file, digest in zip(files, FILES.values(), strict=True):
        if (found := hash_file(file)) != digest:
            difference = f"SHA-256 {found[:12]}..., published {digest[:12]}..."
            remark = f"{difference}); damaged, or from another training run"
            warnings.warn(f"{file}: not the published {file.name} ({remark}", stacklevel=2)
    encoder_file, decoder_file, vocabulary_file = files
    vocabulary = read_legacy_vocabulary(vocabulary_file)
    encoder_state, decoder_state = read_tensors(encoder_file), read_tensors(decoder_file)
    try:
        V, E = decoder_state["embed.weight"].shape
        H = decoder_state["lstm.weight_hh_l0"].shape[1]
        features = len(encoder_state["linear.weight"])
    except (KeyError, ValueError, IndexError, TypeError) as error:
        both = f"{encoder_file} and {decoder_file}"
        raise DataError(f"{both}: not a ConvNet and an LSTMDecoder ({error!r})") from error
    if len(vocabulary) != V:
        raise DataError(
            f"{decoder_file}: its decoder has {V:,} words, the vocabulary beside it "
            f"{len(vocabulary):,}; they are of different models"
        )
    if features != E:
        raise DataError(f"{encoder_file}: gives {features} features where the decoder takes {E}")
    with Unfilled():
        network, model = ConvNet(E), LSTMDecoder(V, E, H, vocabulary)
    encoder = PublishedEncoder(fill(network, encoder_state, encoder_file))
    return Captioner(encoder.to(device), fill(model, decoder_state, decoder_file).to(device))
