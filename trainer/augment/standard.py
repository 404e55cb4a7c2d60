"""The usual augmentation of small colour images: pad, crop, flip."""

from dataclasses import dataclass, replace

from trainer.augment import AUGMENTS, Batch, Clock, ConfigError, check_in, draw
from trainer.augment._geometry import Border, flip, moved


@AUGMENTS.register("standard")
@dataclass(frozen=True)
class Standard:
    """Pad on every side, crop at a random place, mirror with probability 1/2; each image alone.

    As in "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section 4.2.

    Attributes:
        padding: pixels added on every side, 0 or more.
        border: what they show: `zeros` or the image's `reflect`ion.
        flip: whether to mirror.
    """

    padding: int = 4
    border: Border = "zeros"
    flip: bool = True

    def __post_init__(self) -> None:
        check_in("[0, inf)", "augment.standard.padding", self.padding)

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if nothing of an image might be left."""
        if self.padding >= min(image_shape[1:]):
            raise ConfigError(
                f"augment.standard.padding={self.padding} can move the whole image out: the "
                f"images have {image_shape[1]}x{image_shape[2]} pixels"
            )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with every image cropped, half of them mirrored."""
        images, mirrored = batch.images, None
        if self.flip:
            mirrored = draw(batch, clock, "standard.flip", lambda g, n: g.random(n) < 0.5)
        if self.padding:
            corners = draw(
                batch,
                clock,
                "standard.corner",
                lambda g, n: g.integers(0, 2 * self.padding + 1, (n, 2)),
            )
            images = moved(images, corners, self.padding, self.border, mirrored)
        elif mirrored is not None:
            images = flip(images, mirrored)
        return replace(batch, images=images)
