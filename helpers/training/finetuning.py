"""Fine-tuning of an image encoder: its last layers learn which words people use of a picture.

ImageNet's classes are breeds and tools; captions speak of jumping, crowds and red shirts.
Wu et al. 2016, "What Value Do Explicit High Level Concepts Have in Vision to Language Problems?";
that a word need be seen at one position only is Fang et al. 2015's, "From Captions to Visual
Concepts and Back" (and the logarithm in place of their noisy or Pinheiro and Collobert's, 2015).
"""

from collections import Counter
from math import isqrt

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu6

from helpers.encoder import WordDetector
from helpers.encoder.efficientnet_lite import LAST_STAGE
from helpers.vocabulary import SPECIAL_WORDS

STRIDE = 16  # what comes after the encoder's last layer of this stride is tuned


class EncoderTail(nn.Module):
    """The layers of an ImageEncoder of stride `STRIDE` that come after it; they learn."""

    def __init__(self, encoder):
        super().__init__()
        network = encoder.network
        later = range(LAST_STAGE[STRIDE] + 1, len(network.blocks))
        self.blocks = nn.ModuleDict({str(number): network.blocks[number] for number in later})
        self.conv_head, self.bn2 = network.conv_head, network.bn2
        self.requires_grad_(True)

    def forward(self, features):
        """Go on where features (I, P, C) of stride `STRIDE` end, to (I, P', C') with P' = P / 4."""
        side = isqrt(features.shape[1])
        grid = features.transpose(1, 2).unflatten(2, (side, side))  # (I, C, √P, √P)
        for block in self.blocks.values():
            grid = block(grid)
        return relu6(self.bn2(self.conv_head(grid))).flatten(2).transpose(1, 2)

    def layers(self):
        """Return what was learned: dict from the encoder's names to float16 tensors."""
        return {name: tensor.half() for name, tensor in self.state_dict().items()}


class WordPredictor(nn.Module):
    """The tail of an encoder, with a linear layer for how probable each word is.

    Inputs: tail: EncoderTail; examples: CaptionExamples, for how frequent each word is;
        vocabulary: Vocabulary, whose `words` most frequent words, W, are predicted;
        dropout: probability of dropping a channel
    """

    def __init__(self, tail, examples, vocabulary, words=1000, dropout=0.3):
        super().__init__()
        self.vocabulary, self.tail = vocabulary, tail
        self.dropout = nn.Dropout(dropout)
        names = vocabulary.idx_to_word[len(SPECIAL_WORDS) :][:words]
        said = Counter(word for caption in examples.ids for word in set(caption))
        counts = [said[vocabulary.word_to_idx[name]] for name in names]
        frequency = (torch.tensor(counts) / len(examples)).clamp(1e-4, 1 - 1e-4)
        self.detector = WordDetector(names, tail.conv_head.out_channels, frequency)
        with torch.no_grad():  # at first each word has its frequency, whatever the picture
            self.detector.words.weight.zero_()
            self.detector.words.bias.copy_(frequency.logit())

    @torch.no_grad()
    def standardise(self, features):
        """Learn the mean and deviation of each channel, once, from features (I, P, C), float32."""
        positions = torch.cat([self.tail(part) for part in features.split(32)]).flatten(0, 1)
        self.detector.mean.copy_(positions.mean(0))
        self.detector.std.copy_(positions.std(0, correction=0).clamp(min=1e-2))

    def forward(self, features, captions, *_):
        """Return the loss of predicting which words the captions of an image hold.

        Inputs: features: grids of stride `STRIDE`, (I, P, C); captions: ids, (N, T + 1), of which
            K = N / I in a row belong to one image
        Returns: cross-entropy with the share of an image's captions that have the word, summed
            over words and averaged over images, in nats
        """
        return self.loss(self.predict(features), self.shares(captions, len(features)))

    def loss(self, logits, shares):
        """Inputs: (I, W) each. Returns: the loss as `forward` does."""
        return binary_cross_entropy_with_logits(logits, shares, reduction="sum") / len(logits)

    def shares(self, captions, images):
        """Tell in which share of I images' captions, ids (N, T + 1), each word stands, (I, W)."""
        said = torch.zeros(len(captions), len(self.vocabulary), device=captions.device)
        said.scatter_(1, captions, 1.0)  # (N, V)
        words = said[:, len(SPECIAL_WORDS) :][:, : self.detector.words.out_features]
        return words.unflatten(0, (images, -1)).mean(1)

    def predict(self, features):
        """Predict log-odds (I, W) of words, log mean exp of the scores of positions (I, P, C)."""
        positions = self.tail(features)  # (I, P', C')
        kept = self.dropout(torch.ones_like(positions[:, :1]))  # the same channels everywhere
        return self.detector.logits(positions, kept)

    def probabilities(self, features):
        """Return how probable each word is in captions of images (I, P, C), (I, W)."""
        return self.predict(features).sigmoid()


def mean_of(models):
    """Return a WordPredictor whose weights are the mean of those of several, which began alike.

    Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves
    accuracy without increasing inference time".
    """
    mean = torch.optim.swa_utils.AveragedModel(models[0], use_buffers=True)
    for model in models:
        mean.update_parameters(model)
    return mean.module


@torch.no_grad()
def word_scores(model, examples, batch_size=256):
    """Score a `WordPredictor` on `CaptionExamples` that it did not learn from.

    Returns: dict: "validation loss" in nats per image; "mAP", see `mean_average_precision`
    """
    model.eval()
    device = model.detector.words.weight.device
    loss, logits, shares = 0.0, [], []
    for batch in examples.batches(batch_size, 0, 0):
        features, captions = (tensor.to(device) for tensor in examples.__getitems__(batch))
        logits.append(model.predict(features))
        shares.append(model.shares(captions, len(features)))
        loss += model.loss(logits[-1], shares[-1]).item() * len(features)
    logits, shares = torch.cat(logits), torch.cat(shares)
    precision = mean_average_precision(logits, shares > 0)
    return {"validation loss": loss / len(logits), "mAP": precision}


def mean_average_precision(logits, present):
    """Tell how well pictures are ranked by each word that some picture has.

    Inputs: logits: (I, W); present: bool, (I, W)
    Returns: mean of the words' average precision, in [0, 1]; 0 where no picture has a word
    """
    if not present.any():
        return 0.0
    order = logits.argsort(0, descending=True)
    hits = present.gather(0, order).float()  # (I, W)
    ranks = torch.arange(1, len(hits) + 1, device=hits.device)[:, None]
    precision = (hits.cumsum(0) / ranks * hits).sum(0) / hits.sum(0).clamp(min=1)
    return precision[present.any(0)].mean().item()
