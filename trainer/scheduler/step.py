"""Step decay."""

import math
from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, Duration, Point, check_in, period_steps


@SCHEDULERS.register("step")
@dataclass(frozen=True)
class Step:
    """The learning rate is multiplied by `gamma` each `step_size`.

    The values are those of `torch.optim.lr_scheduler.StepLR`.

    Attributes:
        step_size: span between two drops, counted from the end of warm-up.
        gamma: factor of each drop, in (0, 1].
    """

    step_size: Duration = Duration(30, "%")
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_in("(0, 1]", "scheduler.gamma", self.gamma)

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return gamma ** (drops so far), not below the floor."""
        periods = clock.since_warmup / period_steps(clock, self.step_size, "scheduler.step_size")
        drops = math.floor(periods + 1e-9)  # a share of the run may fall short by a rounding error
        return Point(max(self.gamma**drops, floor))
