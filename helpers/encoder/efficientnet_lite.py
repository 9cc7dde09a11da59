"""EfficientNet-Lite (Tan and Le 2019, "EfficientNet"; no squeeze-and-excitation, ReLU6).

Names, numbers and paddings are those of timm's `tf_efficientnet_lite`, to which the tests hold it.
It stands here because importing timm costs 200 MB and as much time as describing a photograph.
"""

import math

from torch import nn
from torch.nn.functional import pad, relu6

STAGES = (  # blocks, kernel, stride, expansion, channels C
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}
LAST_STAGE = {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}  # pixels between positions -> its last stage


def rounded(channels):
    """Round a number of channels to a multiple of 8, and down by a tenth at most."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


class Convolution(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: P positions become ceil(P / stride).

    With stride 2 the padding may be one larger on the right and below.
    """

    def __init__(self, channels, out, kernel=1, stride=1, groups=1):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels, out, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x):
        """Inputs: x (N, C, rows, columns). Returns: (N, out, ceil(rows / stride), ...)."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            missing = [max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in x.shape[2:]]
            top, left = (n // 2 for n in missing)
            x = pad(x, (left, missing[1] - left, top, missing[0] - top))
        return super().forward(x)


def normalisation(channels):
    """Return a batch normalisation with TensorFlow's settings."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class FirstBlock(nn.Module):
    """A depthwise convolution, then one of single positions."""

    def __init__(self, channels, out, kernel, stride, expansion=1):
        super().__init__()
        self.conv_dw = Convolution(channels, channels, kernel, stride, groups=channels)
        self.bn1 = normalisation(channels)
        self.conv_pw, self.bn2 = Convolution(channels, out), normalisation(out)

    def forward(self, x):
        """Inputs: x (N, C, rows, columns). Returns: (N, out, rows, columns)."""
        return self.bn2(self.conv_pw(relu6(self.bn1(self.conv_dw(x)))))


class Block(nn.Module):
    """An inverted residual: more channels, a depthwise convolution, few channels again."""

    def __init__(self, channels, out, kernel, stride, expansion):
        super().__init__()
        wide = channels * expansion
        self.conv_pw, self.bn1 = Convolution(channels, wide), normalisation(wide)
        self.conv_dw = Convolution(wide, wide, kernel, stride, groups=wide)
        self.bn2 = normalisation(wide)
        self.conv_pwl, self.bn3 = Convolution(wide, out), normalisation(out)
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        """Inputs: x (N, C, rows, columns). Returns: (N, out, rows / stride, columns / stride)."""
        a = relu6(self.bn1(self.conv_pw(x)))  # (N, 6C, rows, columns)
        a = relu6(self.bn2(self.conv_dw(a)))
        a = self.bn3(self.conv_pwl(a))
        return x + a if self.residual else a


class EfficientNetLite(nn.Module):
    """Classify pictures, or give the features before that. Inputs: size: 0 to 4."""

    def __init__(self, size):
        super().__init__()
        width, depth = SCALES[size]
        self.conv_stem, self.bn1 = Convolution(3, 32, 3, 2), normalisation(32)
        self.blocks, channels = nn.Sequential(), 32
        for number, (repeats, kernel, stride, expansion, out) in enumerate(STAGES):
            out, stage = rounded(out * width), nn.Sequential()
            block = FirstBlock if number == 0 else Block
            for _ in range(math.ceil(repeats * depth) if 0 < number < 6 else repeats):
                stage.append(block(channels, out, kernel, stride, expansion))
                channels, stride = out, 1
            self.blocks.append(stage)
        self.conv_head, self.bn2 = Convolution(channels, 1280), normalisation(1280)
        self.classifier = nn.Linear(1280, 1000)

    def up_to(self, images, stride):
        """Run the stages up to a stride, from images (N, 3, S, S) to (N, C, S / stride, ...)."""
        x = relu6(self.bn1(self.conv_stem(images)))
        return self.blocks[: LAST_STAGE[stride] + 1](x)

    def forward_features(self, images):
        """Inputs: images (N, 3, S, S), normalised. Returns: features, (N, 1280, S / 32, S / 32)."""
        return relu6(self.bn2(self.conv_head(self.up_to(images, 32))))

    def forward(self, images):
        """Inputs: images (N, 3, S, S), normalised. Returns: scores of ImageNet's classes."""
        return self.classifier(self.forward_features(images).mean((2, 3)))
