"""Trained captioners: this project's own on disk, and the published ResNet-152 captioner."""

from helpers.pretrained.captioner import Captioner
from helpers.pretrained.folders import DEFAULT, find_captioner, load_captioner, save_captioner
from helpers.pretrained.published import load_published
from helpers.pretrained.resnet_lstm import ConvNet, LSTMDecoder
