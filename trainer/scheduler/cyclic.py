"""Cyclical learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainer.duration import Clock, Duration
from trainer.errors import ConfigError
from trainer.scheduler.base import SCHEDULERS, Point, period_steps


@SCHEDULERS.register("cyclic")
@dataclass(frozen=True)
class Cyclic:
    """The learning rate climbs from `min_lr` to its peak and back, over and over.

    "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186; the values are those
    of `torch.optim.lr_scheduler.CyclicLR`. With t steps since warm-up and s the half cycle,
    cycle = floor(1 + t / (2 s)), x = |t / s - 2 cycle + 1|, lr = min + (peak - min) * max(0, 1 - x)
    * scale.

    Attributes:
        step_size: half a cycle: the way up (the way down is as long).
        mode: `triangular` keeps the height, `triangular2` halves it each cycle, `exp_range` shrinks
            it by `gamma` each step.
        gamma: factor per step of `exp_range`, in (0, 1].
        base_momentum: least momentum (beta1), reached at the peak of the learning rate; null leaves
            momentum alone.
        max_momentum: greatest momentum, reached at the lowest learning rate; null leaves momentum
            alone.
    """

    step_size: Duration = Duration(25, "%")
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0
    base_momentum: float | None = None
    max_momentum: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.gamma <= 1.0:
            raise ConfigError(f"scheduler.gamma must be in (0, 1], got {self.gamma}")
        if self.gamma != 1.0 and self.mode != "exp_range":
            raise ConfigError(
                f"scheduler.gamma={self.gamma} has no effect on mode={self.mode}; "
                "it needs mode=exp_range"
            )
        if (self.base_momentum is None) != (self.max_momentum is None):
            raise ConfigError(
                "scheduler.base_momentum and scheduler.max_momentum go together: "
                "set both or neither"
            )
        for key in ("base_momentum", "max_momentum"):
            value: float | None = getattr(self, key)
            if value is not None and not 0.0 <= value < 1.0:
                raise ConfigError(f"scheduler.{key} must be in [0, 1), got {value}")

        least, greatest = self.base_momentum, self.max_momentum
        if least is not None and greatest is not None and least > greatest:
            raise ConfigError(
                f"scheduler.base_momentum={least} must not be above "
                f"scheduler.max_momentum={greatest}: momentum is least where the lr peaks"
            )

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the point of the triangle wave; momentum moves against the learning rate."""
        half = period_steps(clock, self.step_size, "scheduler.step_size")
        cycle = math.floor(1 + clock.step / (2 * half))
        x = abs(clock.step / half - 2 * cycle + 1)
        height = max(0.0, 1.0 - x) * self.scale(cycle, clock.step)
        lr_scale = floor + (1.0 - floor) * height
        if self.base_momentum is None or self.max_momentum is None:
            return Point(lr_scale)
        return Point(
            lr_scale, self.max_momentum - (self.max_momentum - self.base_momentum) * height
        )

    def scale(self, cycle: int, step: int) -> float:
        """Return the height of the triangle in the given cycle (counted from 1) and step."""
        if self.mode == "triangular2":
            return float(0.5 ** (cycle - 1))  # 1 / 2 ** n overflows after 1024 cycles
        return float(self.gamma**step) if self.mode == "exp_range" else 1.0
