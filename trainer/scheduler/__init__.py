"""The learning rate over a run.

An author of a schedule registers it in `SCHEDULERS`; see `Scheduler`, and `Builder` for one that
must know the run.
"""

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.units import Duration
from trainer.metrics import Scores
from trainer.scheduler._frame import Frame, Rate
from trainer.scheduler.base import (
    SCHEDULERS,
    Builder,
    MomentumCycler,
    Observer,
    Point,
    Schedule,
    Scheduler,
    SchedulerKeys,
    Watcher,
    momentum_of,
    period_steps,
    set_hyperparameters,
)

__all__ = ["SCHEDULERS", "Clock", "ConfigError", "Duration", "Point", "Rate", "SchedulerKeys"]
__all__ += ["Builder", "Frame", "MomentumCycler", "Observer", "Scheduler", "Scores", "Watcher"]
__all__ += ["Schedule", "check_in", "momentum_of", "period_steps", "set_hyperparameters"]
