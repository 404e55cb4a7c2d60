"""What a run or another task writes into its folder, from its configuration to how it ended."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.checkpoint.format import clear
from trainer.core.command import on_each_machine
from trainer.core.errors import (
    DiskError,
    Diverged,
    LostProcess,
    LostWorker,
    Stopped,
    TrainerError,
)
from trainer.core.files import as_utf8, reporting_disk
from trainer.core.limits import understood
from trainer.core.signals import Stops, StopWhileWaiting, ends_of_children_ignored
from trainer.record import provenance
from trainer.record.console import Console, command_to_resume
from trainer.record.run_folder import Folder, now_text, removed_if_unused
from trainer.record.runs import read_summary
from trainer.run.request import RunRequest
from trainer.state import Run
from trainer.strategy.collectives import on_all_ranks
from trainer.strategy.failures import explained

STATUS: dict[type[TrainerError], str] = {Diverged: "diverged", Stopped: "interrupted"}


@contextlib.contextmanager
def recorded(request: RunRequest, run: Run, console: Console, path: Path) -> Iterator[Recording]:
    """Lock a folder, write what is known before the first step, and close every file at the end;
    remove the folder if nothing came to be written into it.

    Raises:
        ConfigError: if another program is writing this folder.
        DiskError: if the disk is full or read-only.
    """
    with removed_if_unused(path), reporting_disk(path), contextlib.ExitStack() as closing:
        recording = Recording(request, run, console, Folder(path), closing)
        closing.callback(recording.folder.close)
        closing.callback(console.close)
        on_all_ranks(run.strategy, recording.begin)
        for note in request.notes:
            console.say(note, style="yellow")
        try:
            yield recording
        except TrainerError as error:
            error.folder = path
            raise


@dataclass
class Recording:
    """The record of a run or another task, while it is written; made by `recorded`.

    All processes call the methods; only the first one writes.

    Attributes:
        closing: holds what is closed at the end.
        stops: signals that came within `summarized`.
        facts: returns what the summary says besides status and results.
        started: when this process began to record.
    """

    request: RunRequest
    run: Run
    console: Console
    folder: Folder
    closing: contextlib.ExitStack
    stops: Stops = field(default_factory=Stops)
    facts: Callable[[], Mapping[str, Any]] = dict
    started: str = field(default_factory=now_text)

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return self.run.strategy.world.rank == 0

    def begin(self) -> None:
        """Lock the folder and write configuration, `source.diff` and the log's first lines."""
        if not self.is_main:
            return
        with reporting_disk(self.folder.path):
            self.folder.lock()
            if self.request.resume is None:
                self.folder.write_config(self.request.config.plain())
                git, difference = provenance.git_state()
                if git is not None and "unknown" in git:
                    self.console.say(f"commit unknown: {git['unknown']}", style="yellow")
                if difference:
                    (self.folder.path / "source.diff").write_bytes(as_utf8(difference))
            self.console.open_log(self.folder.path / "run.log")

    def rewind(self) -> None:
        """Drop what was recorded after the checkpoint that the run goes on from."""
        if self.is_main:
            with reporting_disk(self.folder.path):
                # rows end where this epoch begins
                # a run that goes on began when its first attempt did, if that could say it
                self.started = str(read_summary(self.folder.path).get("started", self.started))
                self.folder.reopen(self.run.state.meter.first, self.request.config.plain())
                clear(self.folder.checkpoints)

    def stop_signal(self) -> int:
        """Return the greatest signal that any process received, 0 for none; the same for all."""
        return self.run.strategy.all_max(self.stops.signum)

    @contextlib.contextmanager
    def summarized(self, facts: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        """Write the summary of what fails or stops meanwhile, with `facts` besides status and
        results, and close the files at the end.

        What completes calls `write_summary` itself.

        Raises:
            TrainerError: what was raised, or one that names the log in place of any other error.
        """
        self.facts = facts
        self.stops.is_alone = self.run.strategy.world.size == 1
        with self.stops:  # also while it ends: torchrun sends SIGTERM when another process failed
            try:
                with reporting_disk(self.folder.path):
                    self.run.strategy.begin_steps()
                    yield
            except StopWhileWaiting as error:
                stopped = Stopped("stopped while it waited for images", self.stops.signum)
                self._end("interrupted", stopped.exit_code, str(stopped))
                raise stopped from error
            except TrainerError as error:
                self._end(STATUS.get(type(error), "failed"), error.exit_code, str(error))
                raise
            except BaseException as error:
                with ends_of_children_ignored():
                    known = understood(error)
                    if isinstance(known, LostWorker) or not isinstance(known, TrainerError):
                        raise self._failed(error) from error
                    self._log_trace(error)
                    self._end("failed", known.exit_code, str(known))
                    raise known from error
            finally:
                with ends_of_children_ignored():
                    self.closing.close()

    def write_summary(self, status: str, exit_code: int, results: Mapping[str, Any]) -> None:
        """Write how it ended; what is None in the results is left out."""
        if not self.is_main:
            return
        summary = {
            "status": status,
            "started": self.started,
            "ended": now_text(),
            "overrides": list(self.request.overrides),
            **results,
            **self.facts(),
            "git": provenance.git_state()[0],
            "exit_code": exit_code,
        }
        self.folder.write_summary({k: v for k, v in summary.items() if v is not None})

    def _end(self, status: str, exit_code: int, message: str) -> None:
        """Record that it did not complete, as far as the disk allows."""
        self.console.stop()
        with contextlib.suppress(OSError, DiskError):
            self.console.log(message)
            self.write_summary(status, exit_code, {"message": " ".join(message.split())})

    def _failed(self, error: BaseException) -> TrainerError:
        """Record a bug or the loss of a process, and return the error for the user."""
        self._log_trace(error)
        shown = self._with_log(explained(understood(error)))
        with contextlib.suppress(OSError):
            self.console.log(getattr(shown, "trace", ""))
        self._end("failed", 1, str(shown))
        return shown

    def _log_trace(self, error: BaseException) -> None:
        """Log where an error comes from, as far as the disk allows."""
        with contextlib.suppress(OSError):
            self.console.log("".join(traceback.format_exception(error)))

    def _with_log(self, error: BaseException) -> TrainerError:
        """Return an error in one line that names the log, and how to resume where that helps."""
        path, log = self.folder.path, self.folder.path / "run.log"
        if isinstance(error, LostProcess | LostWorker):
            text = f"{error}; the run ended at step {self.run.state.step} (see {log})"
            more = ("data.workers=0",) if isinstance(error, LostWorker) else ()
            if (path / "checkpoints").is_dir():
                again = f"{on_each_machine()}:\n  {command_to_resume(path, *more)}"
                text += f"; to go on from its last checkpoint{again}"
            elif more:
                text += f"; there is no checkpoint yet: start again with {' '.join(more)}"
            shown: TrainerError = LostProcess(text, getattr(error, "trace", ""))
        else:
            kind = "" if isinstance(error, TrainerError) else f"{type(error).__name__}: "
            shown = TrainerError(f"{kind}{error} (see {log})")
        shown.is_own = isinstance(error, TrainerError) and error.is_own
        return shown
