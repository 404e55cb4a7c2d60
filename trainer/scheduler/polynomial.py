"""Polynomial decay."""

from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, Point, check_in


@SCHEDULERS.register("polynomial")
@dataclass(frozen=True)
class Polynomial:
    """The learning rate falls from its peak to `min_lr` with a power of what is left of the run.

    With `min_lr=0` the values are those of `torch.optim.lr_scheduler.PolynomialLR` over the run.

    Attributes:
        power: exponent, 0 or more; 1 is a straight line.
    """

    power: float = 1.0

    def __post_init__(self) -> None:
        check_in("[0, inf)", "scheduler.power", self.power)

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return floor + (1 - floor) * (1 - progress) ** power."""
        return Point(floor + (1.0 - floor) * (1.0 - clock.progress) ** self.power)
