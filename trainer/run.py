"""One run from its configuration to its record: decides, assembles, walks."""

from __future__ import annotations

import time

from trainer.assemble import assemble
from trainer.console import Console
from trainer.distributed import World
from trainer.folder import check_folder, make_folder, removed_if_unused
from trainer.forking import begin_from, read_fork
from trainer.order import Order
from trainer.record import RunRow, read_run
from trainer.site import prepare
from trainer.summary import show_result, shown_path
from trainer.together import from_first
from trainer.walk import Walk

__all__ = ["Order", "execute"]


def execute(order: Order) -> RunRow:
    """Carry a run out and return its record.

    Raises:
        TrainerError: for everything that a user can mend; where a folder exists, its summary says
            it too.
    """
    start = time.perf_counter() - order.startup_s
    world = World.from_environment()
    device, strategy, precision = prepare(order.config, world)
    console = Console(quiet=order.quiet or world.rank != 0)
    if from_first(strategy, lambda: is_finished(order)):
        assert order.resume is not None
        row = read_run(order.resume)
        console.say(f"{shown_path(row.path)} is finished already")
        show_result(row, console)
        return row
    with console.listening():
        is_resumed = order.resume is not None
        fork = None if is_resumed else from_first(strategy, lambda: read_fork(order.config))
        run, source = assemble(
            order.config, device, strategy, precision, is_resumed=is_resumed, fork=fork
        )
        if fork is not None:
            begin_from(run, fork, order.config)
        path = from_first(
            strategy, lambda: order.resume or make_folder(order.folder, order.config.name)
        )
        with removed_if_unused(path):
            walk = Walk(order, run, source, path, console, start_s=start, fork=fork)
            walk.begin()
        return walk.walk()


def is_finished(order: Order) -> bool:
    """Return whether the run to go on with is complete; check the folder of one that begins."""
    if order.resume is None:
        check_folder(order.folder)
        return False
    return read_run(order.resume).status == "completed"
