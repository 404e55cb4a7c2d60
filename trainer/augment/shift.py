"""Small random shifts, without mirroring: for digits and letters."""

from dataclasses import dataclass, replace

from trainer.augment import AUGMENTS, Batch, Clock, ConfigError, check_in, draw
from trainer.augment._geometry import Border, moved


@AUGMENTS.register("shift")
@dataclass(frozen=True)
class Shift:
    """Move each image by up to `pixels` in both directions.

    Attributes:
        pixels: greatest shift, 0 or more.
        border: what comes in at the edge: `zeros` or the image's `reflect`ion.
    """

    pixels: int = 2
    border: Border = "zeros"

    def __post_init__(self) -> None:
        check_in("[0, inf)", "augment.shift.pixels", self.pixels)

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if nothing of an image might be left."""
        if self.pixels >= min(image_shape[1:]):
            raise ConfigError(
                f"augment.shift.pixels={self.pixels} can move the whole image out: the images have "
                f"{image_shape[1]}x{image_shape[2]} pixels"
            )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with every image moved."""
        corners = draw(
            batch, clock, "shift.corner", lambda g, n: g.integers(0, 2 * self.pixels + 1, (n, 2))
        )
        return replace(batch, images=moved(batch.images, corners, self.pixels, self.border))
