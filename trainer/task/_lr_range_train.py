"""Training while the learning rate rises from step to step."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from trainer.core.clock import Clock
from trainer.core.errors import Diverged
from trainer.core.registry import Choice
from trainer.loop import train_epoch
from trainer.scheduler import Point, Schedule, SchedulerKeys
from trainer.state import Run
from trainer.task._lr_range_fit import LrSweep, has_diverged


@dataclass(frozen=True)
class Climb:
    """A schedule that goes through given learning rates, one each step."""

    lrs: tuple[float, ...]
    peak: float

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the step's learning rate as a factor of the peak."""
        return Point(self.lrs[min(clock.step, len(self.lrs) - 1)] / self.peak)


def climb(
    run: Run,
    lrs: Sequence[float],
    *,
    peak: float,
    width: int,
    factor: float,
    after_step: Callable[[int, float], None],
) -> LrSweep:
    """Train one step with each learning rate until the loss leaves, and return the losses.

    Args:
        run: freshly assembled; its schedule is replaced, the loop is the one that trains.
        lrs: what `optim.lr` stands for at each step.
        peak: `optim.lr`.
        width: steps over which the loss is averaged to see whether it leaves.
        factor: it leaves where it is so many times its least.
        after_step: called with the steps done and the last loss.
    """
    total = max(run.total, len(lrs))  # durations of other parts keep their meaning
    schedule = Schedule(
        Choice("lr_range", SchedulerKeys(), Climb(tuple(lrs), peak)),
        peak=peak,
        total=total,
        steps_per_epoch=run.data.steps_per_epoch,
    )
    climbing = replace(run, schedule=schedule, total=total)
    climbing.state.meter = climbing.new_meter()
    losses: list[float] = []
    for loss in losses_of(climbing):
        losses.append(loss)
        after_step(len(losses), loss)
        diverged = has_diverged(losses, width, factor)
        if diverged or len(losses) == len(lrs):
            break
    return LrSweep(tuple(lrs[: len(losses)]), tuple(losses), diverged)


def losses_of(run: Run) -> Iterator[float]:
    """Train without end, yielding the loss of each step; it ends where a number is not finite."""
    state = run.state
    while True:
        try:
            for _ in train_epoch(run, lambda clock: True):
                yield last_loss(run)
        except Diverged:  # found at the epoch's end: a gradient or a weight, if not the loss
            yield math.inf
            return
        yield last_loss(run)
        state.meter = run.new_meter()


def last_loss(run: Run) -> float:
    """Return the mean loss of the last step's images over all processes; synchronises."""
    meter = run.state.meter
    return float(run.strategy.all_sum(meter.losses[len(meter.sizes) - 1]))
