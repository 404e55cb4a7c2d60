"""How a run takes its folder over, and how it is told that it failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.checkpoint.format import clear
from trainer.core.errors import Diverged, LostProcess, Stopped, TrainerError
from trainer.core.files import reporting_disk
from trainer.record import provenance
from trainer.record.console import Console, command_to_resume
from trainer.record.run_folder import Folder
from trainer.run.request import RunRequest
from trainer.state import Run

STATUS: dict[type[TrainerError], str] = {Diverged: "diverged", Stopped: "interrupted"}


def claim(request: RunRequest, folder: Folder, console: Console, run: Run) -> None:
    """Lock the folder and write what is known before the first step; the first process alone.

    Raises:
        ConfigError: if another program is writing this run.
        DiskError: if the disk is full or read-only.
    """
    if run.strategy.world.rank != 0:
        return
    with reporting_disk(folder.path):
        folder.lock()
        if request.resume is None:
            folder.write_config(request.config.plain())
            difference = provenance.git_state()[1]
            if difference:
                (folder.path / "source.diff").write_text(difference)
        console.open_log(folder.path / "run.log")


def cut(folder: Folder, run: Run, config: Mapping[str, Any]) -> None:
    """Drop what was recorded after the checkpoint that a run goes on from; the first process
    alone."""
    if run.strategy.world.rank == 0:
        with reporting_disk(folder.path):
            folder.reopen(run.state.meter.first, config)  # rows end where this epoch begins
            clear(folder.checkpoints)


def unforeseen(error: BaseException, path: Path, run: Run | None = None) -> TrainerError:
    """Return an error that nobody foresaw as it is told: in one line, and where to read more.

    Args:
        error: as `rollcall.explained` returned it.
        path: the run's folder.
        run: its live parts, where it trains and can be gone on with.
    """
    log = path / "run.log"
    if isinstance(error, LostProcess):
        where = f"{error} (see {log})"
        if run is not None:
            where = f"{error}; the run ended at step {run.state.step} of {run.total} (see {log})"
        if (path / "checkpoints").is_dir():
            where += f"; to go on from its last checkpoint:\n  {command_to_resume(path)}"
        told: TrainerError = LostProcess(where, error.trace)
    else:
        text = str(error) if isinstance(error, TrainerError) else f"{type(error).__name__}: {error}"
        told = TrainerError(f"{text} (see {log})")
    told.is_own = isinstance(error, TrainerError) and error.is_own
    return told
