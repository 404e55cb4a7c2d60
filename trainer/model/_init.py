"""What is done to a network's weights after they were drawn: nothing, identities, whitening.

A fixed part of a run, applied once, before anything else looks at the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError, unknown

NAMES = ("dirac", "whiten")  # in the order they are applied

EPSILON = 5e-4  # added to the eigenvalues, as in airbench

SPELLINGS = "default, dirac, whiten or [dirac,whiten]"

NUM_PATCHES = 5_000_000  # about those of 5,000 CIFAR images, as in airbench

CHUNK = 2**17  # patches at a time: with 147 numbers each, 154 MB

ImagesOf = Callable[[int], Iterable[torch.Tensor]]

Total = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Init(Written):
    """What is done to the weights that the network drew for itself.

    Written `default`, `dirac`, `whiten` or `[dirac,whiten]`; the order of a list does not matter.

    Attributes:
        names: of what is done, in its order; empty for `default`.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> Init:
        """Return what was written under `key`, in any order."""
        parts = value.strip("[] ").split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) for p in parts):
            raise ConfigError(f"{key} must be {SPELLINGS}, got {shown(value)}")
        names = [part.strip() for part in parts]
        for name in names:
            if name not in ("default", *NAMES):
                raise unknown(key, name, ("default", *NAMES))
        if names == ["default"]:
            return cls()
        if not names or "default" in names or len(set(names)) < len(names):
            raise ConfigError(f"{key} must be {SPELLINGS}, got {shown(value)}")
        return cls(tuple(name for name in NAMES if name in names))

    def __str__(self) -> str:
        if len(self.names) > 1:
            return f"[{','.join(self.names)}]"
        return self.names[0] if self.names else "default"

    def __call__(
        self,
        model: nn.Module,
        images_of: ImagesOf,
        image_shape: tuple[int, int, int],
        total: Total,
    ) -> None:
        """Change the weights in place, alike in every process; a collective operation.

        Args:
            model: freshly drawn.
            images_of: yields this process's share of so many clean training images, normalised,
                (B, C, H, W).
            image_shape: (C, H, W).
            total: returns the sum of a tensor over all processes.

        Raises:
            ConfigError: if the network is not one that this can be done to.
        """
        if "dirac" in self.names:
            dirac(model)
        if "whiten" in self.names:
            whiten(model, images_of, image_shape, total)


def dirac(model: nn.Module) -> None:
    """Make the first filters of every convolution hand on one channel of its input each.

    The identity in part: as many filters as there are input channels (or all, if those are fewer)
    become Dirac deltas without bias, the others stay as drawn. As in airbench, "94% on CIFAR-10 in
    3.29 Seconds on a Single GPU", arXiv:2404.00498, section 3.3; the idea is of "DiracNets",
    arXiv:1706.00388. What `torch.nn.init.dirac_` does to these filters, without its loop over them.

    Raises:
        ConfigError: if the network has no convolution.
    """
    convs = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    if not convs:
        raise ConfigError(
            "init=dirac changes convolutions, and this network has none; choose another model, "
            "such as model=cnn, or init=default"
        )
    with torch.no_grad():
        for conv in convs:
            filters = conv.weight.view(conv.groups, -1, *conv.weight.shape[1:])
            same = min(filters.shape[1], filters.shape[2])
            row, column = (side // 2 for side in conv.kernel_size)
            filters[:, :same] = 0.0
            filters[:, :same, :same, row, column] = torch.eye(same).to(filters)
            if conv.bias is not None:
                conv.bias.view(conv.groups, -1)[:, :same] = 0.0


def whiten(
    model: nn.Module, images_of: ImagesOf, image_shape: tuple[int, int, int], total: Total
) -> None:
    """Make the outputs of the first convolution uncorrelated, with variance 1, on training images.

    Its filters become the eigenvectors of the covariance of the images' patches, each divided by
    the root of its eigenvalue plus 0.0005, those of large variance first; where the layer has twice
    as many outputs, their negatives follow. Its bias stays as drawn. From about five million
    patches (5,000 CIFAR images), at every position that lies in the image. As in airbench,
    arXiv:2404.00498, section 3.2, after David Page, "How to Train Your ResNet 8", myrtle.ai, 2019.
    Deviations: the patches' mean is subtracted; the sign of each eigenvector, which is open, is
    fixed.

    Raises:
        ConfigError: if the first layer is not a convolution, or has too few or too many outputs, or
            the images are smaller than its filters.
    """
    conv = whitenable(model, image_shape)
    covariance = covariance_of_patches(conv, images_of, image_shape, total)
    values, vectors = torch.linalg.eigh(covariance)  # ascending; vectors in columns
    filters = (vectors / (values.clamp(min=0.0) + EPSILON).sqrt()).T.flip(0)
    # irrational weights: (anti)symmetric filters, for which others give 0, keep their side as well
    side = filters @ torch.arange(1.0, len(filters) + 1.0, dtype=filters.dtype).sqrt()
    filters = filters * torch.where(side < 0.0, -1.0, 1.0).unsqueeze(1)
    if conv.out_channels > len(filters):
        filters = torch.cat([filters, -filters])
    with torch.no_grad():
        conv.weight.copy_(filters.view(conv.weight.shape))


def whitenable(model: nn.Module, image_shape: tuple[int, int, int]) -> nn.Conv2d:
    """Return the network's first layer; raise ConfigError if it is none that can be whitened."""
    first = next(m for m in model.modules() if next(m.parameters(recurse=False), None) is not None)
    if not isinstance(first, nn.Conv2d) or first.in_channels != image_shape[0]:
        raise ConfigError(
            "init=whiten changes a convolution of the images, and this network begins with "
            f"{type(first).__name__}; choose another model, such as model=airnet, or init=default"
        )
    numbers = first.weight[0].numel()
    if first.out_channels not in (numbers, 2 * numbers):
        raise ConfigError(
            f"init=whiten needs a first convolution with {numbers} or {2 * numbers} outputs (one "
            f"or two for each number in a patch), and this network's has {first.out_channels}; "
            "set model.width, where there is one, or choose model=airnet"
        )
    if num_positions(first, image_shape) < 1:
        raise ConfigError(
            f"init=whiten: images of {image_shape[1]}x{image_shape[2]} are smaller than the first "
            "convolution's filters"
        )
    return first


def num_positions(conv: nn.Conv2d, image_shape: tuple[int, int, int]) -> int:
    """Return at how many places of an image the filters of a convolution lie within it."""
    rows, columns = (
        max(side - dilation * (kernel - 1), 0)
        for side, kernel, dilation in zip(
            image_shape[1:], conv.kernel_size, conv.dilation, strict=True
        )
    )
    return rows * columns


def covariance_of_patches(
    conv: nn.Conv2d, images_of: ImagesOf, image_shape: tuple[int, int, int], total: Total
) -> torch.Tensor:
    """Return the covariance (P, P), float64, of patches that the filters of a convolution see."""
    positions = num_positions(conv, image_shape)
    numbers = conv.weight[0].numel()
    moments = torch.zeros(numbers + 1, numbers + 1, dtype=torch.float64)
    for images in images_of(-(-NUM_PATCHES // positions)):
        for part in torch.split(images, max(1, CHUNK // positions)):
            # float64 on the CPU: not every device has it, and this is done once
            columns = F.unfold(part.cpu().double(), conv.kernel_size, conv.dilation)  # (B, P, L)
            patches = F.pad(columns.transpose(1, 2).flatten(0, 1), (0, 1), value=1.0)
            moments += patches.T @ patches  # their last row: sums, and the count
    moments = total(moments)
    moments /= moments[-1, -1].clone()
    mean = moments[-1, :-1]
    return moments[:-1, :-1] - torch.outer(mean, mean)
