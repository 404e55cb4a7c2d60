"""A random part of each image, enlarged to the whole."""

from dataclasses import dataclass, replace

import numpy as np

from trainer.augment import AUGMENTS, Batch, Clock, ConfigError, draw_numbers
from trainer.augment._boxes import (
    Boxes,
    Range,
    between,
    check_range,
    first_that_fits,
    place,
    sides_of,
)
from trainer.augment._pixels import crop_and_resize

TRIES = 10  # boxes drawn for an image, of which the first that fits is taken, as in torchvision


@AUGMENTS.register("random_resized_crop")
@dataclass(frozen=True)
class RandomResizedCrop:
    """A box of random size, shape and place is cut out and resized to the size of the image.

    "Going Deeper with Convolutions", arXiv:1409.4842, section 6; the draws are those of
    torchvision's RandomResizedCrop: area uniform, ratio uniform in its logarithm; after ten boxes
    that do not fit, the largest central one of an allowed ratio. Interpolation is bilinear; since
    the size of the image stays, a part is never made smaller.

    Attributes:
        scale: least and greatest area of the part, as a share of the image.
        ratio: least and greatest width over height of the part.
    """

    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 1.3333333333333333)

    def __post_init__(self) -> None:
        check_range("augment.random_resized_crop.scale", self.scale, most=1.0)
        check_range("augment.random_resized_crop.ratio", self.ratio)
        if self.scale[0] == 1.0:
            raise ConfigError(
                "augment.random_resized_crop.scale=[1, 1] cuts nothing off: lower its first number"
            )

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if the image is too small to cut anything off."""
        if min(image_shape[1:]) < 2:
            raise ConfigError(
                "augment=random_resized_crop needs images of at least 2 pixels a side, "
                f"got {image_shape[1]}x{image_shape[2]}"
            )

    def boxes(self, batch: Batch, clock: Clock) -> Boxes:
        """Return the part of each image."""
        height, width = batch.images.shape[-2:]
        drawn = draw_numbers(
            batch, clock, "random_resized_crop.box", lambda g, n: g.random((n, 2 * TRIES + 2))
        )
        area = height * width * between(drawn[:, :TRIES], self.scale)
        low, high = self.ratio
        ratio = np.exp(between(drawn[:, TRIES:-2], (np.log(low), np.log(high))))
        wide, tall = sides_of(area, ratio)
        fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
        found, (tall, wide) = first_that_fits(fits, tall, wide)
        # else the whole image, but for what puts its ratio out of bounds
        tall = np.where(found, tall, min(height, round(width / low)))
        wide = np.where(found, wide, min(width, round(height * high)))
        top = np.where(found, place(drawn[:, -2], height - tall), (height - tall) // 2)
        left = np.where(found, place(drawn[:, -1], width - wide), (width - wide) // 2)
        return Boxes(top, top + tall, left, left + wide)

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with a part of every image in its place."""
        return replace(batch, images=crop_and_resize(batch.images, self.boxes(batch, clock)))
