"""One run from its configuration to its record."""

import json
import time
from dataclasses import replace
from pathlib import Path

from trainer.checkpoint import format as checkpoint
from trainer.composition.replay import read_recorded
from trainer.core.environment import World, copies_note
from trainer.record.console import Console, show_result, shown_path
from trainer.record.run_folder import Folder, check_folder, make_folder
from trainer.record.runs import RunRow, read_run
from trainer.run.assemble import assemble
from trainer.run.choices import as_recorded
from trainer.run.device import prepare
from trainer.run.fork import begin_from, read_fork
from trainer.run.linting import lint
from trainer.run.recording import recorded
from trainer.run.request import RunRequest
from trainer.run.runner import Runner
from trainer.strategy.collectives import broadcast
from trainer.strategy.process_group import JOINED


def execute(request: RunRequest) -> RunRow:
    """Carry a run out and return its record.

    Raises:
        TrainerError: for everything that a user can mend; where a folder exists, its summary says
            it too.
    """
    start_s = time.perf_counter() - request.startup_s
    world = World.from_environment()
    device, strategy, precision = prepare(request.config, world)
    console = Console(quiet=request.quiet or world.rank != 0)
    resume = broadcast(strategy, lambda: request.resume or unfinished_attempt(request))
    if request.resume is None and resume is not None:  # an attempt of before has chosen already
        attempt = broadcast(strategy, lambda: read_recorded(resume))
        request = replace(request, config=as_recorded(request.config, attempt))
    note = None if request.quiet or world.size > 1 or world.is_torchrun else copies_note()
    request = replace(request, resume=resume, notes=(*request.notes, *([note] if note else [])))
    if broadcast(strategy, lambda: is_finished(request)):
        return show_finished(request, console)
    with console.listening():
        is_resumed = request.resume is not None
        fork = None if is_resumed else broadcast(strategy, lambda: read_fork(request.config))
        run, context = assemble(
            request.config, device, strategy, precision, is_resumed=is_resumed, fork=fork
        )
        request = replace(request, config=context.config)
        if not (is_resumed or request.is_linted):
            lint(context, console)
        if fork is not None:
            begin_from(run, fork, request.config)
        if request.watch is not None:
            request.watch(run)
        path = broadcast(strategy, lambda: folder_for(request))
        with recorded(request, run, console, path) as recording:
            runner = Runner(recording, context.source, start_s=start_s)
            runner.begin(fork)
            runner.train()
    if world.rank != 0:  # the folder may be on another machine
        return RunRow(path, request.config.plain(), (), "completed")
    return read_run(path)


def show_finished(request: RunRequest, console: Console) -> RunRow:
    """Print the results of a run that is complete, and return its record."""
    assert request.resume is not None
    if World.from_environment().rank != 0:  # the folder may be on another machine
        return RunRow(request.resume, request.config.plain(), (), "completed")
    row = read_run(request.resume)
    Folder(row.path).tidy()
    console.say(f"{shown_path(row.path)} is finished already")
    show_result(row, console)
    return row


def unfinished_attempt(request: RunRequest) -> Path | None:
    """Return the folder in which an earlier attempt of this torchrun began the same run, if it can
    be resumed; None for jobs of a sweep, which begin anew."""
    group = JOINED.get()
    text = None if group is None or request.quiet else group.recall()
    overrides, path = json.loads(text) if text else ([], "")
    if not path or tuple(overrides) != request.overrides:
        return None
    return Path(path) if checkpoint.newest(Path(path) / "checkpoints")[0] else None


def folder_for(request: RunRequest) -> Path:
    """Return the folder of a run, made if it is new; a later attempt will find it."""
    path = request.resume or make_folder(
        request.folder, request.config.name, Path(request.config.outputs)
    )
    group = JOINED.get()
    if group is not None:
        group.remember(json.dumps([request.overrides, str(path)]))
    return path


def is_finished(request: RunRequest) -> bool:
    """Return whether the run to resume is complete; check the folder of a new one."""
    if request.resume is None:
        check_folder(request.folder, Path(request.config.outputs))
        return False
    return read_run(request.resume).status == "completed"
