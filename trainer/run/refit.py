"""The parts of a run that depend on its length, made to fit another number of steps."""

import contextlib
import logging
from collections.abc import Callable, Iterator

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.time_plan import UNPLANNED
from trainer.core.units import Duration
from trainer.mix import Mixing
from trainer.optim import plan_group_schedules
from trainer.run.context import RunContext, Times
from trainer.run.effects import spans_of
from trainer.scheduler import Schedule
from trainer.state import Run

log = logging.getLogger("trainer")


class Refit:
    """Makes a run fit another total: its schedules, mixing, and when averages are taken.

    Args:
        run: its live parts.
        context: what it was built on.

    Attributes:
        total: that it fits at present.
    """

    def __init__(self, run: Run, context: RunContext) -> None:
        self.run, self.config = run, context.config
        self.steps_per_epoch = context.times["steps_per_epoch"]
        self.total = run.total
        self._warned: set[str] = set()
        self._warn_of_epochs()

    def __call__(self, total: int) -> None:
        """Make the run's parts fit a total.

        A part that has no room in it, as one that begins after so many epochs, stays as it was: the
        run is under way. One line says so, once.
        """
        self.total = self.run.total = total
        times = Times(total=total, steps_per_epoch=self.steps_per_epoch)
        for part in (self._schedule, self._group_schedules, self._mix, self._average):
            self._attempt(part, times)

    def _attempt(self, part: Callable[[Times], None], times: Times) -> None:
        try:
            with silent():  # what components say of a length was said of the first
                part(times)
        except ConfigError as error:
            if part.__name__ not in self._warned:
                self._warned.add(part.__name__)
                log.warning(
                    "%d steps are planned, which leave no room for what is written in epochs or "
                    "steps: %s. It stays as for a longer run; a share of the run, such as 10%%, "
                    "would follow",
                    times["total"],
                    error,
                )

    def _schedule(self, times: Times) -> None:
        peak = self.config.optim.shared.peak(self.config.batch_size)
        schedule = Schedule(self.config.scheduler, peak=peak, **times)
        schedule.load_state_dict(self.run.schedule.state_dict())
        self.run.schedule = schedule

    def _group_schedules(self, times: Times) -> None:
        rules = self.config.optim.shared.groups
        schedules = plan_group_schedules(self.run.optimizer, rules, **times)
        schedules.load_state_dict(self.run.group_schedules.state_dict())
        self.run.group_schedules = schedules

    def _mix(self, times: Times) -> None:
        self.run.mix = Mixing(self.config.mix, **times)

    def _average(self, times: Times) -> None:
        keys, clock = self.config.average.shared, Clock(0, **times)
        self.run.average_every = max(1, clock.steps(keys.eval_every))
        self.run.average.plan = self.config.average.component.plan(keys, clock)

    def _warn_of_epochs(self) -> None:
        """Say which durations may have no room in a run whose length is not known yet."""
        spans: dict[str, object] = {
            "scheduler.warmup": self.config.scheduler.shared.warmup,
            "average.start": self.config.average.shared.start,
            "mix.stop": self.config.mix.shared.stop,
            **spans_of("scheduler", self.config.scheduler.component),
        }
        named = [
            f"{key}={span}"
            for key, span in spans.items()
            if isinstance(span, Duration) and span.unit != "%" and span.value
        ]
        if named and self.total == UNPLANNED:
            log.info(
                "max_time: how many epochs fit is found out while training, and may be too few for "
                "%s; a share of the run, such as 10%%, always fits",
                ", ".join(named),
            )


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Let what the project's parts have to say go unsaid for a moment."""
    level = log.level
    log.setLevel(logging.CRITICAL)  # of all loggers below it as well
    try:
        yield
    finally:
        log.setLevel(level)
