"""The course of one run: what is recorded, saved and stopped between the loop's yields."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.saver import FAILED, SAVE, Saver
from trainer.core.errors import DiskError, Stopped, TrainerError
from trainer.core.files import reporting_disk
from trainer.core.signals import Stops
from trainer.data.base import Source
from trainer.loop import EpochRecord, add_seconds, final_scores, fit
from trainer.record import provenance
from trainer.record.console import Console, command_to_resume, show_result
from trainer.record.run_folder import Folder
from trainer.record.runs import RunRow, read_run
from trainer.record.tensorboard import TensorBoard
from trainer.run.fork import Fork
from trainer.run.identity import Identity
from trainer.run.progress import RunProgress
from trainer.run.recording import STATUS, claim, cut, unforeseen
from trainer.run.request import RunRequest
from trainer.run.resume import restore
from trainer.run.summary import first_images, opening, plain_scores, results_of, to_row
from trainer.state import Run
from trainer.strategy.collectives import on_all_ranks
from trainer.strategy.failures import explained


class Runner:
    """The course of one run: what happens between the loop's yields.

    Args:
        order: what to run.
        run: its live parts.
        source: the images it was built from.
        path: the run's folder.
        console: prints; silent in all processes but the first.
        start_s: when it all began, on the clock of `time.perf_counter`.
        fork: the state that a new run begins with, or None.
    """

    def __init__(
        self,
        request: RunRequest,
        run: Run,
        source: Source,
        path: Path,
        console: Console,
        *,
        start_s: float,
        fork: Fork | None = None,
    ) -> None:
        self.request, self.run, self.console, self.fork = request, run, console, fork
        self.identity = Identity(request, run, source)
        self.is_main = run.strategy.world.rank == 0
        self.folder = Folder(path)
        self.config = request.config.plain()
        self.start_s = start_s
        run.state.seconds["startup"] = request.startup_s
        self.stops = Stops()
        self.tensorboard: TensorBoard | None = None

    def begin(self) -> None:
        """Take the folder over: lock, configuration, log; then go on from a checkpoint, if there is
        one to go on from."""
        try:
            with reporting_disk(self.folder.path):
                self.take_over()
        except BaseException:
            self.close()
            raise

    def take_over(self) -> None:
        """Begin, without putting back what was taken if that fails."""
        request, folder, console, run = self.request, self.folder, self.console, self.run
        on_all_ranks(run.strategy, lambda: claim(request, folder, console, run))
        for note in self.request.notes:
            self.console.say(note, style="yellow")
        if self.request.resume is not None:
            restore(self.run, self.folder.checkpoints, self.identity, self.console)
            on_all_ranks(run.strategy, lambda: cut(folder, run, self.config))
        elif self.fork is not None:
            self.identity.lineage["forked_from"] = dict(self.fork.told)
            step = self.run.state.step
            self.console.say(
                f"forked from {self.fork.told['run']} at step {step} of {self.run.total}"
            )
        saving, facts = self.request.config.checkpoint, self.identity.manifest()
        self.saver = Saver(self.run, self.folder.checkpoints, saving, facts)
        if self.fork is not None:
            self.save()  # from here on the run it came from is not needed
        if self.is_main:
            purge = self.run.state.step if self.request.resume else None
            self.tensorboard = TensorBoard(self.folder.path / "tensorboard", purge)
        self.run.wants_pause = lambda clock: self.asked() != 0
        self.run.hears_stop = lambda: self.run.strategy.hears(self.stops.signum != 0)

    def close(self) -> None:
        """Close every file and give the folder back."""
        with contextlib.ExitStack() as last:  # each, whatever befalls the others
            last.callback(self.folder.close)
            if self.tensorboard is not None:
                last.callback(self.tensorboard.close)
            last.callback(self.console.close)

    def walk(self) -> RunRow:
        """Train to the end, recording as the loop yields, and return the record."""
        with self.stops:  # also while it ends: torchrun sends SIGTERM when another process failed
            try:
                with reporting_disk(self.folder.path):
                    self.train()
            except TrainerError as error:
                self.end(STATUS.get(type(error), "failed"), error.exit_code, str(error))
                raise
            except BaseException as error:
                raise self.failed(error) from error
            finally:
                self.close()
        path = self.folder.path
        return read_run(path) if self.is_main else RunRow(path, self.config, (), "completed")

    def train(self) -> None:
        """Train, with what is done between the loop's yields."""
        self.console.say(opening(self.run, self.request.config, self.folder.path))
        self.console.start(RunProgress(self.run).line)
        self.run.strategy.begin_steps()
        with contextlib.closing(fit(self.run)) as events:  # and workers that read ahead
            for event in events:
                if isinstance(event, EpochRecord):
                    self.record(event)
                self.attend()
        self.finish()

    def failed(self, error: BaseException) -> TrainerError:
        """Record an error that nobody foresaw, or that a process is lost; return it as it is
        told."""
        with contextlib.suppress(OSError):
            self.console.log("".join(traceback.format_exception(error)))
        told = unforeseen(explained(error), self.folder.path, self.run)
        with contextlib.suppress(OSError):
            self.console.log(getattr(told, "trace", ""))
        self.end("failed", 1, str(told))
        return told

    def asked(self) -> int:
        """Return what all processes agree is due now: 0 nothing, SAVE a checkpoint, above it a stop
        by the signal of so much more; raise what a checkpoint in the background met, in all."""
        asked = self.run.strategy.all_max(self.saver.wish(self.stops.signum))
        if asked == FAILED:
            on_all_ranks(self.run.strategy, self.saver.join)
        return asked

    def attend(self) -> None:
        """Save or stop, if that is due; raises Stopped after a signal."""
        run, asked = self.run, self.asked()
        if asked == 0 or (asked == SAVE and self.saver.step == run.state.step):
            return
        if run.state.step > 0 and self.saver.step != run.state.step:
            self.save()
        if asked > SAVE:
            on_all_ranks(run.strategy, self.saver.join)
            again = command_to_resume(self.folder.path)
            where = f"stopped at step {run.state.step} of {run.total}"
            raise Stopped(f"{where}; to go on:\n  {again}", asked - SAVE)

    def record(self, event: EpochRecord) -> None:
        """Write an epoch's row, and a checkpoint if it is the best so far."""
        run = self.run
        row = to_row(event, run)
        on_all_ranks(run.strategy, lambda: self.folder.add_row(row) if self.is_main else None)
        if self.is_main:
            self.console.epoch(row, run.total / run.data.steps_per_epoch)
        if self.tensorboard is not None:
            self.tensorboard.row(row)
        best = run.state.best_val_top1
        if row.val_top1 is not None and (best is None or row.val_top1 > best):
            run.state.best_val_top1, run.state.best_step = row.val_top1, row.step
            if row.step < run.total:  # the last step is saved anyway
                self.save()

    def save(self) -> None:
        """Write a checkpoint of this step."""
        self.count_time()
        on_all_ranks(self.run.strategy, self.saver.save)

    def count_time(self) -> None:
        """Bring the run's total up to date, resumed parts included."""
        now = time.perf_counter()
        add_seconds(self.run, total=now - self.start_s)
        self.start_s = now

    def finish(self) -> None:
        """Evaluate on the test images, write the last checkpoint and the summary, and print the
        table."""
        run = self.run
        averaged, tested = final_scores(run, self.request.config.report_test, self.attend)
        is_new = averaged is not None and run.average.is_stale  # its statistics, since just now
        if is_new or self.saver.step != run.state.step:
            self.save()
        weights = checkpoint.digest(
            run.model.state_dict(), averaged.state_dict() if averaged is not None else {}
        )
        on_all_ranks(run.strategy, self.saver.finish)
        self.console.stop()
        if not self.is_main:
            return
        scores = {name: plain_scores(found) for name, found in tested.items()}
        self.write_summary("completed", 0, {**scores, "weights_sha256": weights})
        row = read_run(self.folder.path)
        if self.tensorboard is not None:
            self.tensorboard.finish(first_images(self.run), row)
        show_result(row, self.console)

    def end(self, status: str, exit_code: int, message: str) -> None:
        """Record that the run did not complete; where even that cannot be written, why it did not
        is what is told."""
        self.console.stop()
        self.saver.wait()
        with contextlib.suppress(OSError, DiskError):
            self.console.log(message)
            if not self.is_main:
                return
            self.write_summary(status, exit_code, {"message": " ".join(message.split())})

    def write_summary(self, status: str, exit_code: int, more: Mapping[str, Any]) -> None:
        """Write how the run ended."""
        self.count_time()
        facts = {
            "status": status,
            "overrides": list(self.request.overrides),
            **more,
            **results_of(self.run),
            **self.identity.facts(),
            "git": provenance.git_state()[0],
            "exit_code": exit_code,
        }
        self.folder.write_summary({k: v for k, v in facts.items() if v is not None})
