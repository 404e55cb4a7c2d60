"""Cutout."""

from dataclasses import dataclass, replace

import torch

from trainer.augment import AUGMENTS, Batch, Clock, ConfigError, check_in, draw_numbers
from trainer.augment._boxes import Boxes, place
from trainer.augment._pixels import Fill, fill_value


@AUGMENTS.register("cutout")
@dataclass(frozen=True)
class Cutout:
    """A square of each image is blanked, anywhere, also partly outside.

    "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv:1708.04552: the
    centre is uniform over the pixels, and what lies outside is cut off. The paper takes squares of
    16 pixels for CIFAR-10, 8 for CIFAR-100 and 20 for SVHN.

    Attributes:
        size: side of the square in pixels, 0 or more; at most that of the image.
        fill: what it becomes: the `mean` of the training images as in the paper (which blanks
            after normalising), or `zeros`.
    """

    size: int = 8
    fill: Fill = "mean"

    def __post_init__(self) -> None:
        check_in("[0, inf)", "augment.cutout.size", self.size)

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if the square is larger than the image."""
        if self.size > min(image_shape[1:]):
            raise ConfigError(
                f"augment.cutout.size={self.size} is larger than the images, "
                f"{image_shape[1]}x{image_shape[2]} pixels: use a smaller square"
            )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with a square of every image blanked."""
        images = batch.images
        height, width = images.shape[-2:]
        centre = draw_numbers(batch, clock, "cutout.centre", lambda g, n: g.random((n, 2)))
        top = place(centre[:, 0], height - 1) - self.size // 2
        left = place(centre[:, 1], width - 1) - self.size // 2
        boxes = Boxes(top, top + self.size, left, left + self.size)
        blank = fill_value(batch, self.fill, images.dtype)
        return replace(batch, images=torch.where(boxes.mask(images), blank, images))
