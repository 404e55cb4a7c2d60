"""From stored images to what a network takes."""

from dataclasses import dataclass, replace
from typing import Self

import torch

from trainer.data.base import Batch


@dataclass(frozen=True)
class Normalize:
    """Subtract the mean and divide by the standard deviation of the training images, per channel.

    Attributes:
        mean: (1, C, 1, 1), in the units of the stored images ([0, 255]).
        scale: (1, C, 1, 1), one over the standard deviation in those units.
        memory_format: layout of the images that come out.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    memory_format: torch.memory_format

    @classmethod
    def of(
        cls,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        device: torch.device,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> Self:
        """Return the normalisation for channel statistics in [0, 1]."""
        shape = (1, len(mean), 1, 1)
        means = torch.tensor(mean, dtype=dtype, device=device).mul(255).view(shape)
        scales = torch.tensor(std, dtype=dtype, device=device).mul(255).reciprocal().view(shape)
        return cls(means, scales, memory_format)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with normalised floating-point images (B, C, H, W), and its partner."""
        images = batch.images.to(
            self.mean.device, self.mean.dtype, memory_format=self.memory_format
        )
        if images is batch.images:  # an augmentation made it floating point: leave its tensor alone
            images = images.clone(memory_format=self.memory_format)
        partner = None if batch.partner is None else self(batch.partner)
        return replace(batch, images=images.sub_(self.mean).mul_(self.scale), partner=partner)
