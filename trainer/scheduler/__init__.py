"""The learning rate over a run.

An author of a schedule registers it in `SCHEDULERS`; see `Scheduler`, and `Builder` for one that
must know the run. Imports no torch.
"""

from typing import TYPE_CHECKING, Any

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.units import Duration
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

if TYPE_CHECKING:
    from trainer.metrics import Scores

__all__ = ["SCHEDULERS", "Clock", "ConfigError", "Duration", "Point", "Rate", "SchedulerKeys"]
__all__ += ["Builder", "Frame", "MomentumCycler", "Observer", "Scheduler", "Scores", "Watcher"]
__all__ += ["Schedule", "check_in", "momentum_of", "period_steps", "set_hyperparameters"]


def __getattr__(name: str) -> Any:
    """Return `Scores`, which brings torch, where an author asks for it."""
    if name == "Scores":
        from trainer.metrics import Scores

        return Scores
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
