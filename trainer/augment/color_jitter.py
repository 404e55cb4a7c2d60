"""Random brightness, contrast, saturation and hue."""

from dataclasses import dataclass, replace

import numpy as np

from trainer.augment import AUGMENTS, Batch, Clock, ConfigError, _color, draw, draw_numbers
from trainer.augment._pixels import Operation, by_choice, rounded_like

KINDS = {
    "brightness": _color.brightness,
    "contrast": _color.contrast,
    "saturation": _color.saturation,
    "hue": _color.hue,
}


@AUGMENTS.register("color_jitter")
@dataclass(frozen=True)
class ColorJitter:
    """Each image gets a brightness, contrast, saturation and hue of its own, in its own order.

    As torchvision's ColorJitter, after "Some Improvements on Deep Convolutional Neural Network
    Based Image Classification", arXiv:1312.5402. Between the four nothing is rounded.

    Attributes:
        brightness: the factor is uniform from 1 - this (at least 0) to 1 + this; `contrast` and
            `saturation` likewise.
        hue: the shift is uniform up to this share of the colour circle either way, in [0, 0.5].
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0

    def __post_init__(self) -> None:
        for kind in KINDS:
            strength, most = getattr(self, kind), 0.5 if kind == "hue" else float("inf")
            if not 0.0 <= strength <= most:
                allowed = "in [0, 0.5]" if kind == "hue" else "0 or more"
                raise ConfigError(f"augment.color_jitter.{kind} must be {allowed}, got {strength}")

    @property
    def active(self) -> tuple[str, ...]:
        """What is jittered."""
        return tuple(kind for kind in KINDS if getattr(self, kind))

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if images are neither grey nor of three colours, or a colour is asked
        of grey ones."""
        channels = image_shape[0]
        for kind in self.active:
            if channels != 3 and (channels != 1 or kind in ("saturation", "hue")):
                needed = "three" if kind in ("saturation", "hue") else "one or three"
                raise ConfigError(
                    f"augment.color_jitter.{kind}={getattr(self, kind)} needs images of {needed} "
                    f"channels, these have {channels}: set it to 0"
                )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch, every image jittered."""
        active = self.active
        order = draw_numbers(
            batch,
            clock,
            "color_jitter.order",
            lambda g, n: g.permuted(np.tile(np.arange(len(active)), (n, 1)), axis=1),
        )
        operations = [self._operation(kind, batch, clock) for kind in active]
        images = batch.images
        work = images if images.is_floating_point() else images.float()
        for turn in range(len(active)):
            work = by_choice(work, order[:, turn], operations)
        return replace(batch, images=rounded_like(images, work))

    def _operation(self, kind: str, batch: Batch, clock: Clock) -> Operation:
        strength, neutral = getattr(self, kind), 0.0 if kind == "hue" else 1.0
        low = neutral - strength if kind == "hue" else max(neutral - strength, 0.0)
        factors = draw(
            batch,
            clock,
            f"color_jitter.{kind}",
            lambda g, n: g.uniform(low, neutral + strength, n),
        )
        function = KINDS[kind]
        return lambda images, places: function(images, factors[places])
