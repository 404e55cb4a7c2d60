"""The model seam: networks that map normalised images (B, C, H, W) to logits (B, K)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from trainer.registry import Registry


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


MODELS: Registry[Model] = Registry("model", ModelKeys)
