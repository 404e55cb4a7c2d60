"""The task seam: what is done with a configuration."""

import textwrap
from typing import Protocol

from trainer.config.groups import TASKS, TaskKeys
from trainer.config.run_config import RunConfig
from trainer.core.errors import ConfigError
from trainer.record.runs import RunRow
from trainer.run.request import RunRequest
from trainer.strategy.failures import reporting_failures

__all__ = ["TASKS", "Task", "TaskKeys", "check_trains", "perform", "title_of"]


class Task(Protocol):
    """A component of this seam."""

    def perform(self, request: RunRequest) -> RunRow | None:
        """Do what the task is for and return its record, None where it leaves none.

        Raises:
            TrainerError: for everything that a user can mend.
        """


def perform(request: RunRequest) -> RunRow | None:
    """Do the task that the configuration names."""
    task: Task = request.config.task.component
    with reporting_failures():
        return task.perform(request)


def title_of(request: RunRequest) -> str:
    """Return the overrides that a task is done with, wrapped, as the title of its pictures."""
    overrides = [w for w in request.overrides if not w.startswith("task")]
    return "\n".join(textwrap.wrap(" ".join(overrides) or "the default job", 90))


def check_trains(config: RunConfig, what: str, instead: str) -> None:
    """Raise ConfigError unless the task is to train, for which alone `what` makes sense; the user
    may do `instead`."""
    if config.task.name != "train":
        raise ConfigError(
            f"{what} is for task=train, but the configuration has task={config.task.name}: "
            f"{instead}"
        )
