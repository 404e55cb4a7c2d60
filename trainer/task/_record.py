"""The folder that a task other than training leaves: like a run's, with a summary of its own."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.core.errors import Stopped, TrainerError
from trainer.core.files import reporting_disk
from trainer.core.signals import Stops
from trainer.data import Source
from trainer.record import provenance
from trainer.record.console import Console
from trainer.record.run_folder import Folder, make_folder
from trainer.run.identity import facts_of
from trainer.run.recording import unforeseen
from trainer.run.request import RunRequest
from trainer.state import Run
from trainer.strategy.collectives import broadcast, on_all_ranks
from trainer.strategy.failures import explained


@dataclass
class Record:
    """What a task writes while it runs.

    Attributes:
        path: its folder.
        run: the live parts it works with.
        results: what the summary says besides how it ended and where it was made.
    """

    path: Path
    run: Run
    stops: Stops = field(default_factory=Stops)
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return self.run.strategy.world.rank == 0

    def attend(self, what: str) -> None:
        """Raise Stopped, in all processes, if a signal asked any of them to stop."""
        signum = self.run.strategy.all_max(self.stops.signum)
        if signum:
            raise Stopped(f"stopped {what}", signum)


@contextlib.contextmanager
def recorded(
    request: RunRequest, run: Run, source: Source, console: Console, *, start_s: float
) -> Iterator[Record]:
    """Make the folder, give it to the task, and write how the task ended.

    Args:
        order: what is done.
        run: the live parts it is done with.
        source: the images they were built from.
        console: prints; what it says is kept in `run.log`.
        start_s: when it all began, on the clock of `time.perf_counter`.
    """
    made = broadcast(run.strategy, lambda: make_folder(request.folder, request.config.name))
    record, folder = Record(made, run), Folder(made)
    on_all_ranks(run.strategy, lambda: begin(request, folder, console) if record.is_main else None)
    for note in request.notes:
        console.say(note, style="yellow")
    status, code, message = "failed", 1, ""
    with record.stops:  # also while it ends: torchrun sends SIGTERM when another process failed
        try:
            run.strategy.begin_steps()
            yield record
            status, code = "completed", 0
        except TrainerError as error:
            status = "interrupted" if isinstance(error, Stopped) else "failed"
            code, message = error.exit_code, str(error)
            raise
        except BaseException as error:
            console.log(traceback.format_exc())
            told = unforeseen(explained(error), folder.path)
            console.log(getattr(told, "trace", ""))
            message = str(told)
            raise told from error
        finally:
            if record.is_main:
                ended = {"status": status, "exit_code": code, "message": message or None}
                console.log(message or status)
                facts = summary_of(request, record, source, total_s=time.perf_counter() - start_s)
                folder.write_summary({k: v for k, v in {**ended, **facts}.items() if v is not None})
            console.close()
            folder.close()


def begin(request: RunRequest, folder: Folder, console: Console) -> None:
    """Take the folder over: lock, configuration, log."""
    with reporting_disk(folder.path):
        folder.lock()
        folder.write_config(request.config.plain())
        difference = provenance.git_state()[1]
        if difference:
            (folder.path / "source.diff").write_text(difference)
        console.open_log(folder.path / "run.log")


def summary_of(
    request: RunRequest, record: Record, source: Source, *, total_s: float
) -> dict[str, Any]:
    """Return what was done with what, and where."""
    run = record.run
    return {
        "overrides": list(request.overrides),
        **record.results,
        "seconds": {"startup": round(request.startup_s, 3), "total": round(total_s, 3)},
        **facts_of(run, request.config, source),
        "git": provenance.git_state()[0],
    }
