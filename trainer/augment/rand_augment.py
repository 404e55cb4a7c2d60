"""RandAugment."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.augment import (
    AUGMENTS,
    Batch,
    Clock,
    ConfigError,
    _color,
    _tones,
    check_in,
    draw_numbers,
    to_device,
)
from trainer.augment._pixels import Fill, Operation, by_choice, fill_value, rounded_like, transform

MOST = 30  # the greatest magnitude
OPERATIONS = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness"),
    *("color", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize"),
)
Signs = NDArray[np.float64]


@AUGMENTS.register("rand_augment")
@dataclass(frozen=True)
class RandAugment:
    """Each image goes through a few operations, drawn from fourteen, all of the same magnitude.

    "RandAugment: Practical automated data augmentation with a reduced search space",
    arXiv:1909.13719. Operations, ranges and the nearest-pixel sampling are torchvision's
    RandAugment, drawn for each image on its own; after each operation pixels are rounded to whole
    numbers. Of images of one channel, "color" changes nothing.

    Attributes:
        num_ops: operations one after the other.
        magnitude: of all of them, from 0 to 30; at 30 they shear by 0.3, move by 45% of the image,
            turn by 30 degrees, blend by a factor of 0.1 or 1.9, leave 4 bits of 8 and solarise
            everything. The first seven of these have a random sign.
        fill: what comes in from beyond the edge: `zeros`, or the `mean` of the training images.
    """

    num_ops: int = 2
    magnitude: int = 9
    fill: Fill = "zeros"

    def __post_init__(self) -> None:
        check_in("[0, inf)", "augment.rand_augment.num_ops", self.num_ops)
        if not 0 <= self.magnitude <= MOST:
            raise ConfigError(
                f"augment.rand_augment.magnitude must be from 0 to {MOST}, got {self.magnitude}"
            )

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if images are neither grey nor of three colours."""
        if image_shape[0] not in (1, 3):
            raise ConfigError(
                f"augment=rand_augment needs images of one or three channels, got {image_shape[0]}"
            )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch, every image after its operations."""
        count = (batch.step_images, self.num_ops)
        chosen = draw_numbers(
            batch,
            clock,
            "rand_augment.operation",
            lambda g, n: g.integers(0, len(OPERATIONS), count),
        )
        signs = draw_numbers(
            batch, clock, "rand_augment.sign", lambda g, n: g.integers(0, 2, count) * 2.0 - 1.0
        )
        images = batch.images
        outside = fill_value(batch, self.fill, torch.uint8).float()
        work = images.round().float() if images.is_floating_point() else images.float()
        for turn in range(self.num_ops):
            operations = self.operations(signs[:, turn], work, outside)
            work = by_choice(work, chosen[:, turn], operations).round_()
        return replace(batch, images=rounded_like(images, work))

    def operations(
        self, signs: Signs, images: torch.Tensor, outside: torch.Tensor
    ) -> list[Operation]:
        """Return what OPERATIONS names, at this magnitude and with signs (B,) of -1 or 1; `outside`
        (C, 1, 1) comes in from beyond the edge."""
        height, width = images.shape[-2:]
        level = self.magnitude / MOST
        matrices = inverse_maps(level * signs, height, width)
        factors = to_device(1.0 + 0.9 * level * signs, images)
        bits, threshold = 8 - round(4 * level), 255.0 * (1.0 - level)

        def moved(name: str) -> Operation:
            inverse = to_device(matrices[name], images)
            return lambda part, places: transform(part, inverse[places], outside)

        def blended(
            function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        ) -> Operation:
            return lambda part, places: function(part, factors[places])

        return [
            lambda part, places: part,
            *(moved(name) for name in OPERATIONS[1:6]),
            *(blended(f) for f in (_color.brightness, _color.saturation, _color.contrast)),
            blended(_tones.sharpness),
            lambda part, places: _tones.posterize(part, bits),
            lambda part, places: _tones.solarize(part, threshold),
            lambda part, places: _tones.autocontrast(part),
            lambda part, places: _tones.equalize(part),
        ]


def inverse_maps(level: Signs, height: int, width: int) -> dict[str, NDArray[np.float64]]:
    """Return for each geometric operation where pixels come from, (B, 2, 3) as `transform` wants;
    `level` (B,) is signed. Shears leave the upper left corner where it is, turns the centre."""
    names = OPERATIONS[1:6]
    maps = {name: np.tile(np.eye(2, 3), (len(level), 1, 1)) for name in names}
    shear, angle = 0.3 * level, np.deg2rad(30.0 * level)
    maps["shear_x"][:, 0, 1], maps["shear_x"][:, 0, 2] = shear, shear * height / 2
    maps["shear_y"][:, 1, 0], maps["shear_y"][:, 1, 2] = shear, shear * width / 2
    # whole pixels, towards zero
    maps["translate_x"][:, 0, 2] = -np.trunc(150 / 331 * width * level)
    maps["translate_y"][:, 1, 2] = -np.trunc(150 / 331 * height * level)
    maps["rotate"][:, 0, 0] = maps["rotate"][:, 1, 1] = np.cos(angle)
    maps["rotate"][:, 0, 1], maps["rotate"][:, 1, 0] = -np.sin(angle), np.sin(angle)
    return maps
