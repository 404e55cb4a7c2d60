"""A fully connected network."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from trainer.model import MODELS, check_in


@MODELS.register("mlp")
@dataclass(frozen=True)
class Mlp:
    """Flatten, then hidden layers of linear, BatchNorm and ReLU, then a linear layer.

    BatchNorm stands before the ReLU, as in its paper ("Batch Normalization: Accelerating Deep
    Network Training by Reducing Internal Covariate Shift", arXiv:1502.03167), but the linear layers
    keep their bias, which it makes idle.

    Attributes:
        hidden: width of each hidden layer; an empty list makes it a linear classifier.
        norm: `batch` for BatchNorm after each hidden linear layer, `none` to leave it out.
    """

    hidden: tuple[int, ...] = (256, 256)
    norm: Literal["batch", "none"] = "batch"

    def __post_init__(self) -> None:
        for i, width in enumerate(self.hidden):
            check_in("[1, inf)", f"model.hidden[{i}]", width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of exactly the given shape -> logits (B, K)."""
        channels, height, width = image_shape
        features = channels * height * width
        layers: list[nn.Module] = [nn.Flatten()]
        for out in self.hidden:
            layers.append(nn.Linear(features, out))
            if self.norm == "batch":
                layers.append(nn.BatchNorm1d(out))
            layers.append(nn.ReLU(inplace=True))
            features = out
        return nn.Sequential(*layers, nn.Linear(features, num_classes))
