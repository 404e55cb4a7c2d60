"""Results and errors of one process, made known to all."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from trainer.core.environment import World
from trainer.core.errors import TrainerError

T = TypeVar("T")


class Communicator(Protocol):
    """What processes communicate by: a strategy, or the group of one."""

    world: World

    def broadcast(self, value: Any) -> Any:
        """Return the first process's value in every process."""

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all processes by rank, in every process."""


def on_all_ranks(strategy: Communicator, act: Callable[[], T]) -> T:
    """Return what `act` returns in this process, once it has succeeded in all; its exchanges with
    others must not depend on its errors.

    Raises:
        TrainerError: in every process, its error in this one, or else in the first that failed.
    """
    result, failed = [], None
    try:
        result.append(act())
    except TrainerError as error:
        failed = error
    others = strategy.all_gather(failed)
    if failed is not None:
        raise failed
    for rank, other in enumerate(others):
        if other is not None:
            if rank:
                other.args = (f"rank {rank}: {other}",)
            raise other
    return result[0]


def broadcast(strategy: Communicator, find: Callable[[], T]) -> T:
    """Return in every process the plain data that `find` returns in the first; only that one needs
    the files.

    Raises:
        TrainerError: in every process, what `find` raised in the first.
    """
    found: T | TrainerError | None = None
    if strategy.world.rank == 0:
        try:
            found = find()
        except TrainerError as error:
            found = error
    found = strategy.broadcast(found)
    if isinstance(found, TrainerError):
        raise found
    return found
