"""What one process finds out and all must know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trainer.distributed import Strategy
from trainer.errors import TrainerError

T = TypeVar("T")


def from_first(strategy: Strategy, find: Callable[[], T]) -> T:
    """Return what the first process finds, in every process; only it needs the files.

    Args:
        strategy: of the run.
        find: called in the first process alone; what it returns is plain data.

    Raises:
        TrainerError: what `find` raised in the first process, in every process.
    """
    found: T | TrainerError | None = None
    if strategy.world.rank == 0:
        try:
            found = find()
        except TrainerError as error:
            found = error
    found = strategy.share(found)
    if isinstance(found, TrainerError):
        raise found
    return found
