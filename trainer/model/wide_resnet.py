"""Wide residual networks for CIFAR."""

from dataclasses import dataclass

from torch import nn

from trainer.model import MODELS, ConfigError, check_in
from trainer.model._blocks import global_average_pool, he_init
from trainer.model._preact import PreactBlock, bn_relu


@MODELS.register("wide_resnet")
@dataclass(frozen=True)
class WideResNet:
    """WRN-depth-widen_factor of "Wide Residual Networks", arXiv:1605.07146.

    A 3x3 convolution to 16 channels, three stages of n pre-activation blocks at 16, 32 and 64 times
    `widen_factor` channels, the second and third halving the map, BatchNorm, ReLU, global average
    pool, linear: 6n + 4 layers. Convolutions are drawn with `fan_out`, as in the authors' code.

    Attributes:
        depth: number of layers, 6n + 4: 10, 16, 22, 28, 40 ...
        widen_factor: multiplier of the channels.
        dropout: probability of zeroing a feature between a block's convolutions, in [0, 1).
    """

    depth: int = 28
    widen_factor: int = 10
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.depth < 10 or (self.depth - 4) % 6:
            raise ConfigError(
                f"model.depth must be 6n + 4 (10, 16, 22, 28, 34, 40 ...), got {self.depth}"
            )
        check_in("[1, inf)", "model.widen_factor", self.widen_factor)
        check_in("[0, 1)", "model.dropout", self.dropout)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        channels = 16
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], channels, 3, padding=1, bias=False)]
        for multiple, stride in ((16, 1), (32, 2), (64, 2)):
            width = multiple * self.widen_factor
            for i in range((self.depth - 4) // 6):
                step = stride if i == 0 else 1
                layers.append(PreactBlock(channels, width, step, dropout=self.dropout))
                channels = width
        layers += [bn_relu(channels), global_average_pool(), nn.Linear(channels, num_classes)]
        model = nn.Sequential(*layers)
        he_init(model, "fan_out")
        nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]  # the linear layer has one
        return model
