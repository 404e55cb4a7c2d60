"""Cyclical learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainer.scheduler import (
    SCHEDULERS,
    Clock,
    ConfigError,
    Duration,
    Frame,
    Point,
    check_in,
    period_steps,
)
from trainer.scheduler._shape import against, check_momenta


@SCHEDULERS.register("cyclic")
@dataclass(frozen=True)
class Cyclic:
    """The learning rate climbs from `min_lr` to its peak and back, over and over.

    "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186; the values are those
    of `torch.optim.lr_scheduler.CyclicLR`. With t steps since warm-up and s the half cycle,
    cycle = floor(1 + t / (2 s)), x = |t / s - 2 cycle + 1|, lr = min + (peak - min) * max(0, 1 - x)
    * scale; where the way down has a length of its own, each half is a straight line likewise.

    Attributes:
        step_size: the way up.
        step_size_down: the way down; null is as long as the way up.
        mode: `triangular` keeps the height, `triangular2` halves it each cycle, `exp_range` shrinks
            it by `gamma` each time the schedule moves (`scheduler.every`).
        gamma: factor per move of `exp_range`, in (0, 1].
        base_momentum: least momentum (beta1), reached at the peak of the learning rate; null leaves
            momentum alone.
        max_momentum: greatest momentum, reached at the lowest learning rate; null leaves momentum
            alone.
    """

    step_size: Duration = Duration(25, "%")
    step_size_down: Duration | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0
    base_momentum: float | None = None
    max_momentum: float | None = None

    def __post_init__(self) -> None:
        check_in("(0, 1]", "scheduler.gamma", self.gamma)
        if self.gamma != 1.0 and self.mode != "exp_range":
            raise ConfigError(
                f"scheduler.gamma={self.gamma} has no effect on mode={self.mode}; "
                "it needs mode=exp_range"
            )
        check_momenta(self.base_momentum, self.max_momentum)

    @property
    def momentum_key(self) -> str | None:
        """The key that asks for a moving momentum."""
        return None if self.base_momentum is None else "scheduler.base_momentum"

    def build(self, frame: Frame) -> Wave:
        """Return the triangle wave over a run."""
        up = period_steps(frame.start, self.step_size, "scheduler.step_size")
        if self.step_size_down is None:
            return Wave(self, frame, up, up)
        down = period_steps(frame.start, self.step_size_down, "scheduler.step_size_down")
        return Wave(self, frame, up, down)


@dataclass(frozen=True)
class Wave:
    """The triangle wave over one run, `up` and `down` so many steps."""

    part: Cyclic
    frame: Frame
    up: float
    down: float

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the point of a step; momentum moves against the learning rate."""
        cycle = math.floor(1 + clock.since_warmup / (self.up + self.down))
        # steps since the cycle began
        into = clock.since_warmup - (cycle - 1) * (self.up + self.down)
        triangle = into / self.up if into <= self.up else (self.up + self.down - into) / self.down
        height = max(0.0, triangle) * self.scale(cycle, self.frame.moves(clock.step))
        momentum = against(height, self.part.base_momentum, self.part.max_momentum)
        return Point(floor + (1.0 - floor) * height, momentum)

    def scale(self, cycle: int, move: int) -> float:
        """Return the height of the triangle in the given cycle (counted from 1) and move."""
        if self.part.mode == "triangular2":
            return float(0.5 ** (cycle - 1))  # 1 / 2 ** n overflows after 1024 cycles
        return float(self.part.gamma**move) if self.part.mode == "exp_range" else 1.0
