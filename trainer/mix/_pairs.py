"""Whom each example is mixed with, and the random numbers of a mixing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core.clock import Clock
from trainer.data import Batch

Make = Callable[[np.random.Generator, int], NDArray[np.float64]]
Per = Literal["batch", "sample"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one micro-batch, and what is drawn for them.

    Attributes:
        batch: the micro-batch; its place in the step picks its share of the draws.
        clock: the step.
        per: whether a draw is one for the whole step (`batch`) or one per example (`sample`).
    """

    batch: Batch
    clock: Clock
    per: Per = "batch"

    def other(self) -> Batch:
        """Return each example's partner, in the examples' order.

        An independent draw of the training images where the data made one, else the micro-batch
        itself, permuted.
        """
        batch = self.batch
        if batch.partner is not None:
            return batch.partner
        order = torch.from_numpy(
            self.clock.stream("mix", "partners", batch.start).permutation(len(batch.labels))
        ).to(batch.labels.device, non_blocking=True)
        return replace(
            batch,
            images=batch.images[order],  # by index, which keeps the layout
            labels=batch.labels[order],
            targets=None if batch.targets is None else batch.targets[order],
        )

    def each(self, name: str, make: Make) -> NDArray[np.float64]:
        """Return random numbers (n, ...) of `make(generator, n)`: n is 1 with one draw for the
        whole step, else B. Every purpose has a name of its own.

        They are drawn for the whole step and sliced, so that they depend neither on the process
        nor on how many micro-batches there are.
        """
        generator = self.clock.stream("mix", name)
        if self.per == "batch":
            return make(generator, 1)
        start = self.batch.start
        return make(generator, self.batch.step_images)[start : start + len(self.batch.labels)]

    def step(self, name: str) -> float:
        """Return a uniform number of the step: the same for all its micro-batches."""
        return float(self.clock.stream("mix", name).random())
