"""What a scheduler sets over a run, and what torch's class of the same name does."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trainer.core.clock import Clock
from trainer.core.registry import Choice
from trainer.core.units import Duration
from trainer.scheduler._frame import Rate
from trainer.scheduler.base import Point, Schedule, SchedulerKeys

PEAK = 0.3


def span(text: str) -> Duration:
    return Duration.parse(text, "key")


def schedule(part, total: int, steps_per_epoch: int = 1, *, peak=PEAK, **keys) -> Schedule:
    """The schedule of a run; shared keys as a user writes them."""
    read = {"warmup": Duration, "every": Duration, "min_lr": Rate}
    shared = SchedulerKeys(**{k: read[k].parse(v, f"scheduler.{k}") for k, v in keys.items()})
    choice = Choice("name", shared, part)
    return Schedule(choice, peak=peak, total=total, steps_per_epoch=steps_per_epoch)


def points(part, total: int, steps_per_epoch: int = 1, **keys) -> list[Point]:
    """The points of steps 0 to `total`, the last being what is left after the run."""
    made = schedule(part, total, steps_per_epoch, **keys)
    return [made(Clock(t, total, steps_per_epoch)) for t in range(total + 1)]


def factors(part, total: int, steps_per_epoch: int = 1, **keys) -> list[float]:
    return [p.lr_scale for p in points(part, total, steps_per_epoch, **keys)]


def momenta(trace: list[Point]) -> list[float | None]:
    return [p.momentum for p in trace]


def scales(trace: list[Point]) -> list[float]:
    return [p.lr_scale for p in trace]


def torch_points(make: Callable[..., object], count: int, peak: float = PEAK) -> list[Point]:
    """The first `count` points of a scheduler of torch, stepped once between two of them."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=peak, momentum=0.9)
    scheduler = make(optimizer)
    trace = []
    for _ in range(count):
        group = optimizer.param_groups[0]
        trace.append(Point(group["lr"] / peak, group["momentum"]))
        optimizer.step()
        scheduler.step()
    return trace


def torch_factors(make: Callable[..., object], count: int) -> list[float]:
    return scales(torch_points(make, count))
