"""The model seam: networks that map normalised images (B, C, H, W) to logits (B, K)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from trainer.core.registry import Registry


@dataclass(frozen=True)
class ModelKeys:
    """Keys that every choice of `model` has: none."""


class Model(Protocol):
    """A component of this seam."""

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return a freshly initialised network.

        The initial weights are drawn from torch's global generator, which the caller seeds.

        Args:
            image_shape: (C, H, W) of one image.
            num_classes: K, the width of the logits.

        Raises:
            ConfigError: if the network cannot take images of that shape.
        """


ALIASES = {"_cifar_resnet": ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")}
MODELS: Registry[Model] = Registry("model", ModelKeys, ALIASES)


def put_weights(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy all tensors of a state dict into a model, in place and in the model's number format.

    By name alone: `load_state_dict` of some networks (torchvision's mnasnet) asks for a version
    that no weights file keeps.
    """
    own = model.state_dict()
    assert own.keys() == tensors.keys(), "of the same network"
    with torch.no_grad():
        for name, tensor in own.items():
            assert tensor.shape == tensors[name].shape, name
            tensor.copy_(tensors[name])
