"""VGG-16 for CIFAR."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from trainer.model import MODELS, check_in
from trainer.model._blocks import global_average_pool, he_init, require_size

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
HIDDEN = 512


@MODELS.register("vgg16")
@dataclass(frozen=True)
class Vgg16:
    """Configuration D of VGG with a small classifier for 32x32 images, as in SWA's public code.

    "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556, changed
    as in github.com/timgaripov/swa, the code of arXiv:1803.05407: 512 hidden units, not 4096.
    BatchNorm by default, that code's VGG16BN; the scores of the SWA paper are of its VGG16, which
    is `norm=none`. As there, convolutions keep their bias and are drawn with `fan_out`.

    Deviation: the last maps of images above 32x32, which that code refuses, are averaged to 1x1.

    Attributes:
        norm: `batch` for BatchNorm after each convolution, `none` to leave it out.
        dropout: probability of zeroing a feature before each hidden linear layer, in [0, 1).
    """

    norm: Literal["batch", "none"] = "batch"
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_in("[0, 1)", "model.dropout", self.dropout)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) -> logits (B, K).

        Raises:
            ConfigError: for images under 32x32, which five poolings leave nothing of.
        """
        require_size("vgg16", image_shape, 32)
        channels = image_shape[0]
        layers: list[nn.Module] = []
        for widths in STAGES:
            for width in widths:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if self.norm == "batch":
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        layers.append(global_average_pool())
        for _ in range(2):
            layers += [nn.Dropout(self.dropout), nn.Linear(channels, HIDDEN), nn.ReLU(inplace=True)]
            channels = HIDDEN
        model = nn.Sequential(*layers, nn.Linear(channels, num_classes))
        he_init(model, "fan_out")
        return model
