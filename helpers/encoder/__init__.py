"""Image encoders: convolutional networks trained on ImageNet, which turn pictures into features."""

from helpers.encoder.image_encoder import ImageEncoder, load_pixels

__all__ = ["ImageEncoder", "load_pixels"]
