"""Step decay at chosen moments."""

from dataclasses import dataclass
from typing import Self

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Duration, Frame, Point, check_in
from trainer.scheduler._frame import ROUNDING


@SCHEDULERS.register("multistep")
@dataclass(frozen=True)
class MultiStep:
    """The learning rate is multiplied by `gamma` at each milestone.

    The values are those of `torch.optim.lr_scheduler.MultiStepLR`.

    Attributes:
        milestones: moments of the drops, counted from the first step of the run, warm-up included;
            one that stands twice drops twice.
        gamma: factor of each drop, in (0, 1].
    """

    milestones: tuple[Duration, ...] = (Duration(30, "%"), Duration(60, "%"), Duration(80, "%"))
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_in("(0, 1]", "scheduler.gamma", self.gamma)
        if not self.milestones:
            raise ConfigError(
                "scheduler.milestones must name at least one moment, such as [50%]; "
                "scheduler=constant has none"
            )

    def build(self, frame: Frame) -> Self:
        """Return the schedule itself; a milestone outside the run after warm-up is refused."""
        for i, milestone in enumerate(self.milestones):
            at = frame.start.exact_steps(milestone)
            if not frame.start.warmup < at < frame.start.total:
                where = "after warm-up" if at <= frame.start.warmup else "before the run's end"
                raise ConfigError(
                    f"scheduler.milestones[{i}]={milestone} must come {where}: the run has "
                    f"{frame.start.total} steps, {frame.start.warmup} of them warm-up"
                )
        return self

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return gamma ** (milestones so far), not below the floor."""
        now = clock.step + ROUNDING
        drops = sum(clock.exact_steps(milestone) <= now for milestone in self.milestones)
        return Point(max(self.gamma**drops, floor))
