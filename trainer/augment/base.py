"""The augmentation seam: whole batches of images at once, on the training device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.registry import Choice, Registry


@dataclass(frozen=True)
class AugmentKeys:
    """Keys that every choice of `augment` has: none."""


class Augment(Protocol):
    """A component of this seam."""

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with augmented images.

        uint8 in, uint8 (or float in [0, 255]) out; the size may change.
        """


AUGMENTS: Registry[Augment] = Registry("augment", AugmentKeys)


class Chain:
    """The chosen augmentations, one after the other, in the order they were written."""

    def __init__(self, choices: tuple[Choice[AugmentKeys, Augment], ...]) -> None:
        self.parts = tuple(choice.component for choice in choices)

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the augmented batch; its partner is augmented likewise, with draws of its own."""
        for part in self.parts:
            batch = part(batch, clock)
        if batch.partner is None:
            return batch
        return replace(batch, partner=self(batch.partner, clock))


def draw(
    batch: Batch, clock: Clock, name: str, make: Callable[[np.random.Generator, int], np.ndarray]
) -> torch.Tensor:
    """Return this micro-batch's slice of random numbers that were drawn for its whole window.

    So a draw does not depend on the worker, the process, or how many of them there are.

    Args:
        batch: the micro-batch; its place in the window picks the slice.
        clock: the step.
        name: name of the draw, its own for every augmentation and purpose.
        make: `make(generator, n)` returns n draws, one per image of the window.
    """
    draws = ("augment", "partner", name) if batch.is_partner else ("augment", name)
    numbers = make(clock.stream(*draws), batch.window_size)
    mine = torch.from_numpy(numbers[batch.start : batch.start + len(batch.labels)])
    # from memory that is not pinned the copy is staged at once, and nobody has to wait for it
    return mine.to(batch.images.device, non_blocking=True)
