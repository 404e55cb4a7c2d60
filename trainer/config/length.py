"""How long a run is, as far as its configuration says it, and what has room in it."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from trainer.core.errors import ConfigError
from trainer.core.time_plan import TimePlan
from trainer.core.units import Duration, TimeSpan
from trainer.core.weights_source import Origin


@dataclass(frozen=True)
class Length:
    """The keys of a run's length."""

    epochs: float
    max_steps: int | None
    max_time: TimeSpan | None
    time_plan: TimePlan | None

    def checked(self, *, fork: Origin | None, task: str, schedulers: Collection[str]) -> Self:
        """Return the length; raise ConfigError if it is given twice, or is a time that does not
        suit what else was chosen."""
        key = "time_plan" if self.max_time is None else "max_time"
        value = self.time_plan if self.max_time is None else self.max_time
        if value is None:
            return self
        if self.max_time is not None and self.time_plan is not None:
            raise ConfigError(
                "max_time plans the steps anew, time_plan repeats those of a run that had it: set "
                "one of them to null"
            )
        if self.max_steps is not None:
            raise ConfigError(
                f"{key}={value} and max_steps={self.max_steps} both say when the run ends: set one "
                "of them to null"
            )
        if fork is not None:
            raise ConfigError(
                f"{key} plans a whole run from its first step, and fork={fork} begins at another: "
                f"write {key}=null and epochs= or max_steps="
            )
        if task != "train" and self.max_time is not None:
            raise ConfigError(
                f"max_time={self.max_time} is for task=train, which finds out how many steps fit; "
                f"task={task} does not train to the end: write epochs= or max_steps="
            )
        if "torch" in schedulers:
            raise ConfigError(
                f"scheduler=torch is written in numbers of steps (scheduler.args), which {key} "
                "only plans while the run trains: choose a schedule that follows the run's length, "
                "such as scheduler=cosine"
            )
        return self

    def share(self, duration: Duration) -> tuple[float, str]:
        """Return the share of the run that a duration is, 0 where only the data or the time could
        tell, and the length of the run in words."""
        if duration.unit == "st":
            max_steps = self.max_steps
            return duration.value / max_steps if max_steps is not None else 0.0, f"{max_steps=}"
        is_open = self.max_time is not None or self.time_plan is not None
        epochs = math.inf if is_open else self.epochs
        share = duration.value / (100 if duration.unit == "%" else epochs)
        return share, f"epochs={epochs:g}"


def check_fits(key: str, duration: Duration, length: Length) -> None:
    """Raise ConfigError if something starts after the run's end, as far as its length can tell that
    without the data."""
    share, run = length.share(duration)
    if share >= 1.0:
        raise ConfigError(f"{key}={duration} is as long as the run ({run}) or longer: shorten it")


def check_ends(key: str, duration: Duration, length: Length) -> None:
    """Raise ConfigError if something would end only after the run does; arguments as above."""
    share, run = length.share(duration)
    if share > 1.0:
        raise ConfigError(f"{key}={duration} is longer than the run ({run}): shorten it")
