"""A captioner: photographs to sentences."""

import dataclasses

from helpers import decoding
from helpers.features import encode_images
from helpers.pretrained.fusion import FusedCaptioner


class Captioner:
    """An image encoder and a captioning model that belong together.

    Inputs:
        encoder: ImageEncoder, or PublishedEncoder
        model: CaptioningRNN trained on this encoder's features, or LSTMDecoder
        detector: WordDetector on the encoder's features, or None; it may be taken away later
    """

    def __init__(self, encoder, model, detector=None):
        self.encoder, self.model, self.detector = encoder.eval(), model.eval(), detector

    def caption(self, images, width=1, **options):
        """Describe pictures.

        Inputs: images: one picture or N, as paths, PIL images, or arrays (height, width, channels)
            or alike, see `images.pictures`; width: of the beam; options: of `decoding.several`
        Returns: list of N `Caption`s. Raises: as `images.pictures` and `decoding.several`
        """
        return [captions[0] for captions in self.captions(images, width, **options)]

    def captions(self, images, width=5, **options):
        """Describe pictures in several ways: with count=3 the best three, with samples=3 by chance.

        Returns: for each of N pictures a list of `Caption`s, best first; the rest as `caption`
        """
        features = encode_images(self.encoder, images)
        return decoding.several(self.decoder(features), features, width, **options)

    def decoder(self, features):
        """Return what decodes features (N, C) or (N, P, C): the model, and the detector if any."""
        if self.detector is None:
            return self.model
        return FusedCaptioner(self.model, self.detector, self.detector.information(features))

    def locate(self, images, captions):
        """Tell where in N PIL images the encoder sees the words of N `Caption`s.

        That is no attention: the encoder learned to tell from each position alone which words
        people use of a picture, and shows here where it finds them.

        Returns: the `Caption`s with these maps in the place of their own, (T, P) each
        Raises: ValueError for a captioner without a detector, or other numbers of images
        """
        if self.detector is None:
            raise ValueError("this captioner has no word detector: finetune trains one")
        if len(images) != len(captions):
            raise ValueError(f"{len(images)} images, {len(captions)} captions")
        located, words = [], self.model.vocabulary.idx_to_word
        for grid, caption in zip(encode_images(self.encoder, images), captions, strict=True):
            maps = self.detector.maps(grid, [words[i] for i in caption.ids])
            located.append(dataclasses.replace(caption, alpha=maps))
        return located
