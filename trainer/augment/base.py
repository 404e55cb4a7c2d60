"""The augmentation seam: whole batches of images at once, on the training device."""

from dataclasses import dataclass, replace
from typing import Protocol

from trainer.core.clock import Clock
from trainer.core.registry import Choice, Registry
from trainer.data import Batch


@dataclass(frozen=True)
class AugmentKeys:
    """Keys that every choice of `augment` has: none."""


class Augment(Protocol):
    """A component of this seam."""

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if images (C, H, W) are such that this could have no effect on them,
        or leave nothing of them."""

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with augmented images.

        uint8 in, uint8 (or float in [0, 255]) out; the size may change. Draws are those of
        `_draws.py`, which depend on an image's place in its step and on nothing else.
        """


AUGMENTS: Registry[Augment] = Registry("augment", AugmentKeys)


class Chain:
    """The chosen augmentations, one after the other, in the order they were written."""

    def __init__(self, choices: tuple[Choice[AugmentKeys, Augment], ...]) -> None:
        self.parts = tuple(choice.component for choice in choices)

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if one of them does not fit images (C, H, W)."""
        for part in self.parts:
            part.check(image_shape)

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the augmented batch; its partner is augmented likewise, with draws of its own."""
        for part in self.parts:
            batch = part(batch, clock)
        if batch.partner is None:
            return batch
        return replace(batch, partner=self(batch.partner, clock))
