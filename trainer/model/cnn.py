"""A small convolutional network for small images."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from trainer.model import MODELS, check_in
from trainer.model._blocks import Activation, conv_bn_act, global_max_pool
from trainer.model._ghost import require_ghost_batch

SMALLEST_MAP = 8  # a map whose shorter side is below this is not halved again
# Channels double after a pooling, up to 8 * width: large images need not make it a large network.
MOST_DOUBLINGS = 3


@MODELS.register("cnn")
@dataclass(frozen=True)
class Cnn:
    """Pairs of 3x3 convolutions between max poolings, one more, global max pool, linear.

    Our own plain design after VGG ("Very Deep Convolutional Networks for Large-Scale Image
    Recognition", arXiv:1409.1556) with BatchNorm (arXiv:1502.03167). The number of 2x2 poolings
    follows the image: the maps are halved while their shorter side is 8 or more, so 8x8 images are
    pooled once, 16x16 and 28x28 twice, 32x32 three times.

    Attributes:
        width: channels of the first convolutions; doubled after each pooling, up to 8 times this.
        act: nonlinearity after each BatchNorm; `celu` has alpha 0.3 as in cifar10-fast.
        ghost_batch: images that BatchNorm normalises together in training (arXiv:1705.08741), or
            None for all that a process takes at a time.
    """

    width: int = 32
    act: Activation = "relu"
    ghost_batch: int | None = None

    def __post_init__(self) -> None:
        check_in("[1, inf)", "model.width", self.width)
        require_ghost_batch(self.ghost_batch)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        channels, height, width = image_shape
        conv = partial(conv_bn_act, act=self.act, ghost_batch=self.ghost_batch)
        layers: list[nn.Module] = []
        side, stage = min(height, width), 0
        while side >= SMALLEST_MAP:
            out = self.width * 2 ** min(stage, MOST_DOUBLINGS)
            layers += [conv(channels, out), conv(out, out), nn.MaxPool2d(2)]
            channels, side, stage = out, side // 2, stage + 1
        out = self.width * 2 ** min(stage, MOST_DOUBLINGS)
        layers += [conv(channels, out), global_max_pool(), nn.Linear(out, num_classes)]
        return nn.Sequential(*layers)
