"""The mixing seam: batches of mixed examples with soft targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.registry import Registry


@dataclass(frozen=True)
class MixKeys:
    """Keys that every choice of `mix` has: none yet."""


class Mix(Protocol):
    """A component of this seam."""

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch with mixed `images` and soft `targets` (B, K).

        Draws come from `clock.stream("mix", ...)`: the same lambda for every micro-batch of a step.
        """


MIXES: Registry[Mix] = Registry("mix", MixKeys)
