"""Random erasing."""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from trainer.augment import (
    AUGMENTS,
    Batch,
    Clock,
    ConfigError,
    check_in,
    draw_noise,
    draw_numbers,
)
from trainer.augment._boxes import (
    Boxes,
    Range,
    between,
    check_range,
    first_that_fits,
    place,
    sides_of,
)
from trainer.augment._pixels import fill_value

TRIES = 10  # boxes drawn for an image, of which the first that fits is taken


@AUGMENTS.register("random_erasing")
@dataclass(frozen=True)
class RandomErasing:
    """A box of random size, shape and place is erased from some of the images.

    "Random Erasing Data Augmentation", arXiv:1708.04896. As in the authors' code a box whose sides
    do not fit is drawn again, and only then placed inside the image (the paper's text draws place
    and size together again). After ten boxes that do not fit, where the authors try a hundred, the
    image is left alone.

    Attributes:
        probability: of an image to be erased from, in (0, 1].
        scale: least and greatest area of a box, as a share of the image.
        ratio: least and greatest height over width of a box, uniform between them.
        fill: what it becomes: `random`, every pixel and channel uniform on its own (which the paper
            found best), the `mean` of the training images, or `zeros`.
    """

    probability: float = 0.5
    scale: Range = (0.02, 0.4)
    ratio: Range = (0.3, 3.3333333333333335)
    fill: Literal["random", "mean", "zeros"] = "random"

    def __post_init__(self) -> None:
        check_in("[0, 1]", "augment.random_erasing.probability", self.probability)
        check_range("augment.random_erasing.scale", self.scale, most=1.0)
        check_range("augment.random_erasing.ratio", self.ratio)

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if no box, being smaller than the image both ways, could fit."""
        if min(image_shape[1:]) < 2:
            raise ConfigError(
                "augment=random_erasing needs images of at least 2 pixels a side, "
                f"got {image_shape[1]}x{image_shape[2]}"
            )

    def boxes(self, batch: Batch, clock: Clock) -> Boxes:
        """Return the box of each image, empty where nothing is erased."""
        height, width = batch.images.shape[-2:]
        drawn = draw_numbers(
            batch, clock, "random_erasing.box", lambda g, n: g.random((n, 2 * TRIES + 3))
        )
        area = height * width * between(drawn[:, :TRIES], self.scale)
        tall, wide = sides_of(area, between(drawn[:, TRIES:-3], self.ratio))
        tall, wide = tall.clip(1), wide.clip(1)
        found, sides = first_that_fits((tall < height) & (wide < width), tall, wide)
        tall, wide = (side * (found & (drawn[:, -3] < self.probability)) for side in sides)
        top = place(drawn[:, -2], height - tall)
        left = place(drawn[:, -1], width - wide)
        return Boxes(top, top + tall, left, left + wide)

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with a box of some images erased."""
        images = batch.images
        if self.fill == "random":
            content = draw_noise(batch, clock, "random_erasing.noise").to(images.dtype)
        else:
            content = fill_value(batch, self.fill, images.dtype)
        erased = torch.where(self.boxes(batch, clock).mask(images), content, images)
        return replace(batch, images=erased)
