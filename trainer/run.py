"""One run from its configuration to its record: assembles, walks the loop, saves, stops, sums up."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer import checkpoint, provenance
from trainer.assemble import assemble, prepare
from trainer.board import Board
from trainer.config import RunConfig
from trainer.console import Console, result_table
from trainer.data.base import Source
from trainer.distributed import World
from trainer.errors import ConfigError, Diverged, NotFound, Stopped, TrainerError
from trainer.loop import EpochRecord, averaged_model, crossed, evaluate, fit
from trainer.metrics import Scores
from trainer.record import (
    EpochRow,
    Folder,
    RunRow,
    check_folder,
    make_folder,
    read_lines,
    read_run,
    epoch_row,
    removed_if_unused,
)
from trainer.state import Run, load_state, save_state
from trainer.stops import Stops


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
        TrainerError: for everything that a user can mend; where a folder exists, its summary says it too.
    """
    start = time.perf_counter()
    world = World.from_environment()
    device, strategy, precision = prepare(order.config, world)
    if order.resume is not None and world.rank == 0:
        finished = read_run(order.resume)
        if finished.status == "completed":
            show_finished(finished)
            return finished
    if order.resume is None and world.rank == 0:
        check_folder(order.folder)
    run, source = assemble(order.config, device, strategy, precision)
    made: Path | TrainerError | None = None
    if world.rank == 0:
        try:
            made = order.resume or make_folder(order.folder, order.config.name)
        except TrainerError as error:
            made = error
    path = strategy.share(str(made) if isinstance(made, Path) else made)
    if isinstance(path, TrainerError):
        raise path
    console = Console(quiet=order.quiet or world.rank != 0)
    with removed_if_unused(Path(path)):
        walk = Walk(order, run, source, Path(path), console, start_s=start - order.startup_s)
        walk.begin()
    return walk.walk()


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
        self.last_save_s = time.monotonic()
        self.last_save_step = 0
        self.stops = Stops()
        self.board: Board | None = None
        self.facts = {
            "data": {"name": order.config.data.name, "fingerprint": source.fingerprint},
            "versions": provenance.versions(),
            "host": provenance.host(),
            "device": provenance.device_name(run.device),
            "precision": run.precision.name,
            "threads": order.config.threads,
            "world_size": run.strategy.world.size,
        }
        self.key = provenance.result_key(
            self.config,
            fingerprint=source.fingerprint,
            device=run.device.type,
            precision=run.precision.name,
            sources=provenance.sources_digest(order.config.plugins),
        )

    def begin(self) -> None:
        """Take the folder over: lock, configuration, log; then go on from a checkpoint, if there is one to go on from."""
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
            self.restore()
        if self.is_main:
            purge = self.run.state.window if self.order.resume else None
            self.board = Board(self.folder.path / "tensorboard", purge)
        self.run.wants_pause = lambda clock: self.asked() != 0

    def restore(self) -> None:
        """Go on from the newest checkpoint that verifies; one line says what was damaged.

        Raises:
            NotFound: if none verifies.
            ConfigError: if it was made by another configuration, version, number of threads or of processes.
        """
        parts: tuple[Any, ...] | TrainerError = ()
        if self.is_main:
            found, damaged = checkpoint.newest(self.folder.checkpoints)
            for bad in damaged:
                self.console.say(f"{bad.name} is damaged and was passed over", style="yellow")
            if found is None:
                parts = NotFound(
                    f"nothing to resume: no checkpoint in {self.folder.checkpoints} verifies"
                )
            else:
                parts = self.unfit(found.manifest) or (
                    found.state(),
                    found.weights(),
                    found.averaged(),
                )
        parts = self.run.strategy.share(parts)
        if isinstance(parts, TrainerError):
            raise parts
        load_state(self.run, *parts)
        if self.is_main:
            self.folder.cut_rows(self.run.state.window)
            self.console.say(f"resumed at step {self.run.state.window} of {self.run.total}")
        self.last_save_step = self.run.state.window

    def unfit(self, manifest: Mapping[str, Any]) -> ConfigError | None:
        """Return the error for a checkpoint that this process cannot continue bit for bit, or None if it can."""
        for name in ("threads", "world_size", "device", "precision"):
            if manifest[name] != self.facts[name]:
                return ConfigError(
                    f"the checkpoint was made with {name}={manifest[name]}, this is {name}={self.facts[name]}: "
                    f"it can only go on exactly with {name}={manifest[name]}"
                )
        for name in ("torch", "numpy", "trainer"):
            then, now = manifest["versions"].get(name), provenance.versions().get(name)
            if then != now:
                return ConfigError(
                    f"the checkpoint was made with {name} {then}, this is {name} {now}"
                )
        if manifest["data"] != self.facts["data"]:
            return ConfigError(
                f"the images have changed since the checkpoint was made: {self.order.config.data.name}"
            )
        return None

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
        """Return what all processes agree is due now: 0 nothing, 1 a checkpoint, above 1 a stop by that signal."""
        return self.run.strategy.agree(self.stops.signum or int(self.is_save_due()))

    def is_save_due(self) -> bool:
        """Return whether the time for a checkpoint has come."""
        every, step = self.order.config.checkpoint.every, self.run.state.window
        if every.unit == "s":
            return self.is_main and time.monotonic() - self.last_save_s >= every.value
        per = self.run.data.windows_per_epoch if every.unit == "ep" else 1
        return crossed(self.last_save_step, step, max(1, round(every.value * per)))

    def attend(self) -> None:
        """Save or stop, if that is due; raises Stopped after a signal."""
        asked = self.asked()
        if asked == 0 or (asked == 1 and self.last_save_step == self.run.state.window):
            return
        if self.run.state.window > 0 and self.last_save_step != self.run.state.window:
            self.save()
        if asked > 1:
            again = shlex.join([*command(), f"resume={self.folder.path}"])
            raise Stopped(
                f"stopped at step {self.run.state.window} of {self.run.total}; to go on:\n  {again}",
                asked,
            )

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
        """Write a checkpoint of this step, then delete those no longer wanted. Called by all processes."""
        run = self.run
        if not all(bool(p.isfinite().all()) for p in run.model.parameters()):
            raise Diverged(run.state.window, "weights")  # a checkpoint must never hold them
        self.count_time()
        state = save_state(run)
        self.last_save_s, self.last_save_step = time.monotonic(), run.state.window
        if not self.is_main:
            return
        averaged = run.average.eval_model()
        checkpoint.save(
            self.folder.checkpoints,
            run.state.window,
            weights=run.model.state_dict(),
            averaged=None if averaged is None else averaged.state_dict(),
            state=state,
            facts={"key": self.key, **self.facts},
        )
        keep = self.order.config.checkpoint.keep.number
        checkpoint.prune(
            self.folder.checkpoints,
            keep=None if keep is None else max(2, keep),
            best_step=run.state.best_step,
        )

    def count_time(self) -> None:
        """Bring the run's total up to date, resumed parts included."""
        now = time.perf_counter()
        self.run.state.seconds["total"] = (
            self.run.state.seconds.get("total", 0.0) + now - self.start_s
        )
        self.start_s = now

    def finish(self) -> None:
        """Evaluate on the test images, write the last checkpoint and the summary, and print the table."""
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
        keep = config.checkpoint.keep.number
        checkpoint.prune(self.folder.checkpoints, keep=keep, best_step=run.state.best_step)
        summary = self.summary("completed", 0, {**tested, "weights_sha256": weights})
        self.folder.write_summary(summary)
        self.draw(summary)
        self.show(summary)

    def summary(self, status: str, exit_code: int, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `summary.json` holds."""
        state = self.run.state
        best = None if state.best_step is None else f"checkpoints/step-{state.best_step:08d}"
        self.count_time()
        phases = ("startup", "data", "compile", "train", "average", "eval", "total")
        seconds = {k: state.seconds.get(k, 0.0) for k in phases}
        facts = {
            "status": status,
            "key": self.key,
            "overrides": list(self.order.words),
            **more,
            "best_val_top1": state.best_val_top1,
            "best_checkpoint": best,
            "steps": state.window,
            "seconds": {k: round(v, 3) for k, v in seconds.items()},
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

    def draw(self, summary: Mapping[str, Any]) -> None:
        """Put the pictures and the hparams row into TensorBoard."""
        if self.board is None:
            return
        run = self.run
        clock = run.clock().at(0)
        first = next(iter(run.data.train_windows(0, 0)))[0]
        mixed = run.mix(run.ready(run.augment(first, clock)), clock)
        self.board.images("images/train_as_the_network_sees_them", mixed.images[:32], 0)
        rows = read_lines(self.folder.path / "metrics.jsonl")
        last = epoch_row(rows[-1]) if rows else None
        results = {
            "best_val_top1": summary.get("best_val_top1"),
            "val_top1": last.val_top1 if last else None,
        }
        for key in ("test", "test_avg"):
            results |= {f"{key}_{name}": value for name, value in summary.get(key, {}).items()}
        self.board.hparams(
            self.config, {f"final/{k}": v for k, v in results.items() if v is not None}
        )

    def show(self, summary: Mapping[str, Any]) -> None:
        """Print the table, where the results are, and how to look at them."""
        rows = read_lines(self.folder.path / "metrics.jsonl")
        table = result_table(summary, epoch_row(rows[-1]) if rows else None)
        if table is not None:
            self.console.table(table)
        self.console.say(f"results   {shown_path(self.folder.path)}")
        self.console.say(
            f"curves    tensorboard --logdir {shlex.quote(shown_path(self.folder.path))}"
        )


def to_row(event: EpochRecord, run: Run) -> EpochRow:
    """Return a record of the loop as the row that is written."""
    val, averaged, train = event.val, event.avg_val, event.train
    return EpochRow(
        epoch=event.epoch,
        step=event.step,
        lr=event.lr,
        momentum=event.momentum,
        train_loss=train.loss,
        train_top1=train.top1,
        val_loss=val.loss if val else None,
        val_top1=val.top1 if val else None,
        val_top5=val.top5 if val else None,
        avg_val_loss=averaged.loss if averaged else None,
        avg_val_top1=averaged.top1 if averaged else None,
        images_per_s=train.num_images / event.train_s,
        train_s=event.train_s,
        average_s=event.average_s,
        eval_s=event.eval_s,
        grad_norm=train.grad_norm,
        skipped_steps=event.skipped_steps,
        max_memory_bytes=peak_memory(run.device),
    )


def plain_scores(scores: Scores | None) -> dict[str, float] | None:
    """Return scores as `summary.json` holds them."""
    if scores is None:
        return None
    named = {"loss": scores.loss, "top1": scores.top1, "top5": scores.top5}
    return {k: v for k, v in named.items() if v is not None}


def peak_memory(device: torch.device) -> int | None:
    """Return the device's peak memory in bytes, or the process's on a CPU; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def command() -> list[str]:
    """Return how this program was started, for a line to copy."""
    return ["trainer"] if Path(sys.argv[0]).name == "trainer" else ["python", "-m", "trainer"]


def shown_path(path: Path) -> str:
    """Return a path as seen from the working folder, where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def show_finished(row: RunRow) -> None:
    """Print the table of a run that is finished already."""
    console = Console()
    console.say(f"{shown_path(row.path)} is finished already")
    table = result_table(row.summary, row.epochs[-1] if row.epochs else None)
    if table is not None:
        console.table(table)
