"""The network of airbench, for CIFAR-10 in seconds."""

from dataclasses import dataclass

from torch import nn

from trainer.model import MODELS, check_in
from trainer.model._blocks import (
    Activation,
    Scale,
    activation,
    global_max_pool,
    require_size,
)

PATCH = 2  # side of the first convolution's filters, in pixels
DEEPER = 4  # channels of the second and third block over those of the first
EPSILON = 1e-12  # of BatchNorm, as in the author's code


@MODELS.register("airnet")
@dataclass(frozen=True)
class AirNet:
    """The network of "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498.

    Code: github.com/KellerJordan/cifar10-airbench; 1.97M parameters for CIFAR-10. A 2x2 convolution
    without padding to twice as many channels as its patches have numbers (24 for colour), whose
    weights are meant to be whitened and are not trained, its bias is; three blocks of two 3x3
    convolutions with BatchNorm, the first with 2x2 max pooling before its BatchNorm; global max
    pool; a linear layer without bias; the logits scaled down. BatchNorm has a bias and no trained
    scale. The paper's initial weights are `init=[dirac,whiten]`.

    Deviation: the last 3x3 max pooling is global, which is the same for 32x32 images.

    Attributes:
        width: channels of the first block; the second and third have 4 times as many.
        act: nonlinearity after the first convolution and each BatchNorm.
        bn_momentum: share of a batch's statistics in the running ones, in (0, 1]; the paper's 0.6
            is what is kept.
        logit_scale: constant factor on the logits.
        train_first: whether the weights of the first convolution are trained.
    """

    width: int = 64
    act: Activation = "gelu"
    bn_momentum: float = 0.4
    logit_scale: float = 1 / 9
    train_first: bool = False

    def __post_init__(self) -> None:
        check_in("[1, inf)", "model.width", self.width)
        check_in("(0, 1]", "model.bn_momentum", self.bn_momentum)
        check_in("(0, inf)", "model.logit_scale", self.logit_scale)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) -> logits (B, K).

        Raises:
            ConfigError: for images under 9x9, which three poolings leave nothing of.
        """
        require_size("airnet", image_shape, 9)
        channels = 2 * image_shape[0] * PATCH**2
        first = nn.Conv2d(image_shape[0], channels, PATCH)
        first.weight.requires_grad_(self.train_first)
        layers: list[nn.Module] = [first, activation(self.act)]
        for width in (self.width, DEEPER * self.width, DEEPER * self.width):
            layers += [_conv(channels, width), nn.MaxPool2d(2), *self._norm(width)]
            layers += [_conv(width, width), *self._norm(width)]
            channels = width
        layers += [global_max_pool(), nn.Linear(channels, num_classes, bias=False)]
        return nn.Sequential(*layers, Scale(self.logit_scale))

    def _norm(self, channels: int) -> list[nn.Module]:
        norm = nn.BatchNorm2d(channels, EPSILON, self.bn_momentum)
        norm.weight.requires_grad_(False)
        return [norm, activation(self.act)]


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
