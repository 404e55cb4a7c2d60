"""Exponential decay."""

from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, Duration, Point, check_in, period_steps


@SCHEDULERS.register("exponential")
@dataclass(frozen=True)
class Exponential:
    """The learning rate falls by the factor `gamma` over each `period`, smoothly.

    With `period=1ep every=1ep` these are the values of `torch.optim.lr_scheduler.ExponentialLR`
    stepped once an epoch.

    Attributes:
        gamma: factor over one period, in (0, 1].
        period: span of one factor.
    """

    gamma: float = 0.1
    period: Duration = Duration(50, "%")

    def __post_init__(self) -> None:
        check_in("(0, 1]", "scheduler.gamma", self.gamma)

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return gamma ** (periods so far), not below the floor."""
        periods = clock.since_warmup / period_steps(clock, self.period, "scheduler.period")
        return Point(max(self.gamma**periods, floor))
