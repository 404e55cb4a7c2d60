"""`task=train`: train one run and record it."""

from dataclasses import dataclass

from trainer.record.runs import RunRow
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.task.base import TASKS


@TASKS.register("train")
@dataclass(frozen=True)
class Train:
    """One run, from its first step to its record. It has no keys of its own."""

    def perform(self, request: RunRequest) -> RunRow:
        """Train and return the record."""
        return execute(request)
