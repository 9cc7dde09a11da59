"""Image encoders: convolutional networks trained on ImageNet, which turn pictures into features."""

from helpers.encoder.image_encoder import ImageEncoder
from helpers.encoder.word_detector import WordDetector, load_word_detector
