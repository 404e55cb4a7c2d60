"""One run from its configuration to its record: walks the loop, saves, stops, sums up."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import checkpoint, provenance
from trainer.assemble import assemble, prepare
from trainer.board import Board
from trainer.config import RunConfig
from trainer.console import Console
from trainer.data.base import Source
from trainer.distributed import Strategy, World
from trainer.errors import Diverged, Stopped, TrainerError
from trainer.folder import Folder, check_folder, make_folder, removed_if_unused
from trainer.loop import EpochRecord, averaged_model, evaluate, fit
from trainer.record import RunRow, read_run
from trainer.restore import restore
from trainer.saver import Saver
from trainer.state import Run
from trainer.stops import Stops
from trainer.summary import (
    command_to_resume,
    facts_of,
    plain_scores,
    seconds_of,
    show_result,
    shown_path,
    to_row,
)


@dataclass(frozen=True)
class Order:
    """What to run, and where its record goes.

    Attributes:
        config: everything chosen.
        words: of the command line, canonical.
        notes: lines for the user.
        folder: the run's folder where it was asked for, else None.
        resume: folder of the run to go on with, or None.
        quiet: print nothing (a job of a sweep, whose sweep prints for it).
        startup_s: seconds that the process needed before it came here.
    """

    config: RunConfig
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str | None = None
    resume: Path | None = None
    quiet: bool = False
    startup_s: float = 0.0


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
    if told(strategy, lambda: is_finished(order)):
        assert order.resume is not None
        row = read_run(order.resume)
        console.say(f"{shown_path(row.path)} is finished already")
        show_result(row, console)
        return row
    run, source = assemble(order.config, device, strategy, precision)
    made = told(strategy, lambda: order.resume or make_folder(order.folder, order.config.name))
    with removed_if_unused(Path(made)):
        walk = Walk(order, run, source, Path(made), console, start_s=start)
        walk.begin()
    return walk.walk()


def told(strategy: Strategy, find: Callable[[], Path | bool]) -> str:
    """Return what the first process finds, as text, in every process; its errors are theirs too."""
    found: str | TrainerError = ""
    if strategy.world.rank == 0:
        try:
            found = str(find() or "")
        except TrainerError as error:
            found = error
    found = strategy.share(found)
    if isinstance(found, TrainerError):
        raise found
    return found


def is_finished(order: Order) -> bool:
    """Return whether the run to go on with is complete; check the folder of one that begins."""
    if order.resume is None:
        check_folder(order.folder)
        return False
    return read_run(order.resume).status == "completed"


class Walk:
    """The course of one run: what happens between the loop's yields.

    Args:
        order: what to run.
        run: its live parts.
        source: the images it was built from.
        path: the run's folder.
        console: prints; silent in all processes but the first.
        start_s: when it all began, on the clock of `time.perf_counter`.
    """

    def __init__(
        self,
        order: Order,
        run: Run,
        source: Source,
        path: Path,
        console: Console,
        *,
        start_s: float,
    ) -> None:
        self.order, self.run, self.console = order, run, console
        self.is_main = run.strategy.world.rank == 0
        self.folder = Folder(path)
        self.config = order.config.plain()
        self.start_s = start_s
        run.state.seconds["startup"] = order.startup_s
        self.stops = Stops()
        self.board: Board | None = None
        self.facts = facts_of(run, order.config, source)
        self.key = provenance.result_key(
            self.config,
            fingerprint=source.fingerprint,
            device=run.device.type,
            precision=run.precision.name,
            sources=provenance.sources_digest(order.config.plugins),
        )

    def begin(self) -> None:
        """Take the folder over: lock, configuration, log; then go on from a checkpoint, if there is
        one to go on from."""
        if self.is_main:
            self.folder.lock()
            if self.order.resume is None:
                self.folder.write_config(self.config)
                difference = provenance.git_state()[1]
                if difference:
                    (self.folder.path / "source.diff").write_text(difference)
            self.console.open_log(self.folder.path / "run.log")
            logging.getLogger("trainer").addHandler(self.console)
            logging.getLogger("trainer").setLevel(logging.INFO)
        for note in self.order.notes:
            self.console.say(note, style="yellow")
        if self.order.resume is not None:
            restore(self.run, self.folder.checkpoints, self.facts, self.console)
            if self.is_main:
                self.folder.cut_rows(self.run.state.window)
        self.saver = Saver(
            self.run,
            self.folder.checkpoints,
            self.order.config.checkpoint,
            {"key": self.key, **self.facts},
        )
        if self.is_main:
            purge = self.run.state.window if self.order.resume else None
            self.board = Board(self.folder.path / "tensorboard", purge)
        self.run.wants_pause = lambda clock: self.asked() != 0

    def walk(self) -> RunRow:
        """Train to the end, recording as the loop yields, and return the record."""
        try:
            with self.stops:
                self.console.start(self.run)
                for event in fit(self.run):
                    if isinstance(event, EpochRecord):
                        self.record(event)
                    self.attend()
                self.finish()
        except Diverged as error:
            self.end("diverged", error.exit_code, str(error))
            raise
        except Stopped as error:
            self.end("interrupted", error.exit_code, str(error))
            raise
        except TrainerError as error:
            self.end("failed", error.exit_code, str(error))
            raise
        except BaseException as error:
            self.console.log(traceback.format_exc())
            self.end("failed", 1, f"{type(error).__name__}: {error}")
            raise TrainerError(
                f"{type(error).__name__}: {error} (see {self.folder.path / 'run.log'})"
            ) from error
        finally:
            logging.getLogger("trainer").removeHandler(self.console)
            self.console.close()
            if self.board is not None:
                self.board.close()
            self.folder.close()
        return (
            read_run(self.folder.path)
            if self.is_main
            else RunRow(self.folder.path, self.config, (), "completed")
        )

    def asked(self) -> int:
        """Return what all processes agree is due now: 0 nothing, 1 a checkpoint, above 1 a stop by
        that signal."""
        return self.run.strategy.agree(self.stops.signum or int(self.saver.is_due()))

    def attend(self) -> None:
        """Save or stop, if that is due; raises Stopped after a signal."""
        run, asked = self.run, self.asked()
        if asked == 0 or (asked == 1 and self.saver.step == run.state.window):
            return
        if run.state.window > 0 and self.saver.step != run.state.window:
            self.save()
        if asked > 1:
            again = command_to_resume(self.folder.path)
            where = f"stopped at step {run.state.window} of {run.total}"
            raise Stopped(f"{where}; to go on:\n  {again}", asked)

    def record(self, event: EpochRecord) -> None:
        """Write an epoch's row, and a checkpoint if it is the best so far."""
        run = self.run
        row = to_row(event, run)
        if self.is_main:
            self.folder.add_row(row)
            self.console.epoch(row, run.total / run.data.windows_per_epoch)
        if self.board is not None:
            self.board.row(row)
        best = run.state.best_val_top1
        if row.val_top1 is not None and (best is None or row.val_top1 > best):
            run.state.best_val_top1, run.state.best_step = row.val_top1, row.step
            if row.step < run.total:  # the last step is saved anyway
                self.save()

    def save(self) -> None:
        """Write a checkpoint of this step."""
        self.count_time()
        self.saver.save()

    def count_time(self) -> None:
        """Bring the run's total up to date, resumed parts included."""
        now = time.perf_counter()
        self.run.state.seconds["total"] = (
            self.run.state.seconds.get("total", 0.0) + now - self.start_s
        )
        self.start_s = now

    def finish(self) -> None:
        """Evaluate on the test images, write the last checkpoint and the summary, and print the
        table."""
        run, config = self.run, self.order.config
        averaged, _ = averaged_model(run)
        tested: dict[str, Any] = {}
        if config.report_test:
            tested["test"] = plain_scores(evaluate(run, run.model, run.data.test_batches()))
            if averaged is not None:
                tested["test_avg"] = plain_scores(evaluate(run, averaged, run.data.test_batches()))
        self.save()
        weights = checkpoint.digest(
            run.model.state_dict(), averaged.state_dict() if averaged is not None else {}
        )
        self.console.stop()
        if not self.is_main:
            return
        self.saver.prune()
        summary = self.summary("completed", 0, {**tested, "weights_sha256": weights})
        self.folder.write_summary(summary)
        row = read_run(self.folder.path)
        self.draw(row)
        show_result(row, self.console)

    def summary(self, status: str, exit_code: int, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `summary.json` holds."""
        state = self.run.state
        best = None if state.best_step is None else f"checkpoints/step-{state.best_step:08d}"
        self.count_time()
        facts = {
            "status": status,
            "key": self.key,
            "overrides": list(self.order.words),
            **more,
            "best_val_top1": state.best_val_top1,
            "best_checkpoint": best,
            "steps": state.window,
            "seconds": seconds_of(self.run),
            **self.facts,
            "git": provenance.git_state()[0],
            "exit_code": exit_code,
        }
        return {k: v for k, v in facts.items() if v is not None}

    def end(self, status: str, exit_code: int, message: str) -> None:
        """Record that the run did not complete."""
        self.console.stop()
        self.console.log(message)
        if self.is_main:
            self.folder.write_summary(
                self.summary(status, exit_code, {"message": message.splitlines()[0]})
            )

    def draw(self, row: RunRow) -> None:
        """Put the pictures and the hparams row into TensorBoard."""
        if self.board is None:
            return
        run, last = self.run, row.epochs[-1] if row.epochs else None
        clock = run.clock().at(0)
        first = next(iter(run.data.train_windows(0, 0)))[0]
        mixed = run.mix(run.ready(run.augment(first, clock)), clock)
        self.board.images("images/train_as_the_network_sees_them", mixed.images[:32], 0)
        results = {
            "best_val_top1": row.best_val_top1,
            "val_top1": last.val_top1 if last else None,
            **{f"test_{name}": value for name, value in (row.test or {}).items()},
            **{f"test_avg_{name}": value for name, value in (row.test_avg or {}).items()},
        }
        final = {f"final/{k}": v for k, v in results.items() if v is not None}
        self.board.hparams(self.config, final)
