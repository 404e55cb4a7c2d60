"""One run from its configuration to its record: decides, assembles, walks."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from trainer.checkpoint import format as checkpoint
from trainer.core.environment import World
from trainer.record.console import Console, show_result, shown_path
from trainer.record.run_folder import Folder, check_folder, make_folder, removed_if_unused
from trainer.record.runs import RunRow, read_run
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.fork import begin_from, read_fork
from trainer.run.request import Order
from trainer.run.runner import Walk
from trainer.strategy.collectives import from_first
from trainer.strategy.process_group import JOINED

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
    resume = from_first(strategy, lambda: order.resume or left(order))
    order = replace(order, resume=resume)
    if from_first(strategy, lambda: is_finished(order)):
        return tell_again(order, console)
    with console.listening():
        is_resumed = order.resume is not None
        fork = None if is_resumed else from_first(strategy, lambda: read_fork(order.config))
        run, source = assemble(
            order.config, device, strategy, precision, is_resumed=is_resumed, fork=fork
        )
        if fork is not None:
            begin_from(run, fork, order.config)
        if order.watch is not None:
            order.watch(run)
        path = from_first(strategy, lambda: folder_for(order))
        with removed_if_unused(path):
            walk = Walk(order, run, source, path, console, start_s=start, fork=fork)
            walk.begin()
        return walk.walk()


def tell_again(order: Order, console: Console) -> RunRow:
    """Print the results of a run that is complete, and return its record."""
    assert order.resume is not None
    if World.from_environment().rank != 0:  # the folder may be on another machine
        return RunRow(order.resume, order.config.plain(), (), "completed")
    row = read_run(order.resume)
    Folder(row.path).tidy()
    console.say(f"{shown_path(row.path)} is finished already")
    show_result(row, console)
    return row


def left(order: Order) -> Path | None:
    """Return the folder of the run that an earlier attempt of this torchrun was at, if it can be
    gone on with; jobs of a sweep are begun anew."""
    group = JOINED.get()
    text = None if group is None or order.quiet else group.recall()
    words, path = json.loads(text) if text else ([], "")
    is_it = (
        path and tuple(words) == order.words and checkpoint.newest(Path(path) / "checkpoints")[0]
    )
    return Path(path) if is_it else None


def folder_for(order: Order) -> Path:
    """Return the folder of a run, made if it begins; a later attempt will find it."""
    path = order.resume or make_folder(order.folder, order.config.name)
    group = JOINED.get()
    if group is not None:
        group.remember(json.dumps([order.words, str(path)]))
    return path


def is_finished(order: Order) -> bool:
    """Return whether the run to go on with is complete; check the folder of one that begins."""
    if order.resume is None:
        check_folder(order.folder)
        return False
    return read_run(order.resume).status == "completed"
