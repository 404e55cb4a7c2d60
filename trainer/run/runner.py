"""Training one run: what is recorded, saved and stopped between the loop's yields."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.saver import Action, Saver
from trainer.core.command import command_line, on_each_machine
from trainer.core.errors import Stopped
from trainer.core.signals import StopWhileWaiting
from trainer.data.base import Source
from trainer.evaluation.mistakes import Errors
from trainer.evaluation.watched import rises, value_of
from trainer.loop import EpochRecord, EvaluationStopped, add_seconds, final_scores, fit
from trainer.metrics import Scores, guessing
from trainer.record.console import command_to_resume, epoch_line, show_result, shown_path
from trainer.record.runs import RunRow, read_run
from trainer.record.tensorboard import TensorBoard
from trainer.run.early_stop import how_it_stopped, out_of_patience
from trainer.run.errors_shown import show_errors
from trainer.run.fork import Fork
from trainer.run.identity import Identity
from trainer.run.recording import Recording
from trainer.run.resume import restore
from trainer.run.summary import (
    RunProgress,
    absurd_epochs,
    epochs_of,
    first_images,
    learnt_by_heart,
    opening,
    plain_scores,
    results_of,
    to_row,
)
from trainer.strategy.collectives import on_all_ranks


class Runner:
    """Trains one run.

    Args:
        recording: of the run.
        source: the images that the run was built from.
        start_s: when it all began, on the clock of `time.perf_counter`.
    """

    def __init__(self, recording: Recording, source: Source, *, start_s: float) -> None:
        self.recording, self.run = recording, recording.run
        self.console, self.folder = recording.console, recording.folder
        self.config = recording.request.config
        self.identity = Identity(recording.request, self.run, source)
        self.source, self.start_s = source, start_s
        self.run.state.seconds["startup"] = recording.request.startup_s
        self.tensorboard: TensorBoard | None = None
        self.val: Scores | None = None  # of the epoch recorded last

    def begin(self, fork: Fork | None) -> None:
        """Put the run where it begins: at its first step, at a checkpoint, or at a fork's step.

        Raises:
            NotFound: if no checkpoint verifies.
            ConfigError: if the checkpoint cannot be resumed bit for bit here.
        """
        run, resume = self.run, self.recording.request.resume
        if resume is not None:
            restore(run, self.folder.checkpoints, self.identity, self.console)
            on_all_ranks(run.strategy, self.recording.rewind)
        elif fork is not None:
            self.identity.lineage["forked_from"] = dict(fork.origin)
            self.console.say(
                f"forked from {fork.origin['run']} at step {run.state.step} of {run.total}"
            )
        facts = self.identity.manifest()
        self.saver = Saver(run, self.folder.checkpoints, self.config.checkpoint, facts)
        self.recording.closing.callback(self.saver.wait)
        if fork is not None:
            self.save()  # from here on the run it came from is not needed
        if self.recording.is_main:
            purge = None if resume is None else run.state.step
            self.tensorboard = TensorBoard(self.folder.path / "tensorboard", purge)
            self.recording.closing.callback(self.tensorboard.close)

    def train(self) -> None:
        """Train to the end, recording as the loop yields.

        Raises:
            Stopped: after a signal and a checkpoint.
            TrainerError: for any other reason not to complete; the summary holds it.
        """
        run = self.run
        with self.recording.summarized(self.facts):
            self.console.say(opening(self.run, self.config, self.folder.path))
            self.console.start(RunProgress(self.run).line)
            loop = fit(self.run, pause=lambda clock: bool(self.action()), stop=self.is_stopped)
            try:
                with contextlib.closing(loop) as events:  # and workers that read ahead
                    for event in events:
                        if isinstance(event, EpochRecord):
                            self.record(event)
                        self.save_or_stop()
                        if run.state.patience.get("stopped"):
                            break
                self.finish()
            except (EvaluationStopped, StopWhileWaiting):
                self.save_or_stop()

    def is_stopped(self) -> bool:
        """Return whether this process received a signal."""
        return self.recording.stops.signum != 0

    def action(self) -> Action:
        """Return what all processes agree to do now; raise what failed in the background, in all
        of them."""
        action = Action(self.run.strategy.all_max(self.saver.action(self.is_stopped())))
        if action is Action.FAIL:
            on_all_ranks(self.run.strategy, self.saver.join)
        return action

    def save_or_stop(self) -> None:
        """Save or stop, if that is due; raises Stopped after a signal."""
        run, action = self.run, self.action()
        if action and run.state.step > 0 and self.saver.step != run.state.step:
            self.save()
        if action is Action.STOP:
            on_all_ranks(run.strategy, self.saver.join)
            again = f"; to go on{on_each_machine()}:\n  {command_to_resume(self.folder.path)}"
            raise Stopped(
                f"stopped at step {run.state.step} of {run.total}{again if run.state.step else ''}",
                self.recording.stop_signal(),
            )

    def record(self, event: EpochRecord) -> None:
        """Write an epoch's row, and a checkpoint if it is among the best so far; end the run where
        it no longer improves."""
        run, is_main = self.run, self.recording.is_main
        self.val = event.val
        row = to_row(event, run)
        on_all_ranks(run.strategy, lambda: self.folder.add_row(row) if is_main else None)
        if is_main:
            self.console.say(epoch_line(row, epochs_of(run)))
        if self.tensorboard is not None:
            self.tensorboard.row(row)
        if row.val_top1 is not None:
            run.state.best_val_top1 = max(row.val_top1, run.state.best_val_top1 or 0.0)
        chosen_by = self.config.checkpoint
        value = value_of(event.val, chosen_by.metric)
        is_best = run.state.note_best(
            value, row.step, chosen_by.best, is_larger=rises(chosen_by.metric)
        )
        if row.step < run.total and out_of_patience(self.config.early_stop, row, run):
            run.state.patience["stopped"] = row.step
            run.total = row.step
        if is_best and row.step < run.total:  # the last step is saved anyway
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
        errors = Errors.none(run.data.num_classes)
        tested = final_scores(run, self.config.report_test, self.is_stopped, errors.look)
        errors = errors.gathered(run.strategy)
        averaged = run.average.eval_model()
        is_new = averaged is not None and run.average.is_stale  # its statistics, since just now
        if is_new or self.saver.step != run.state.step:
            self.save()
        weights = checkpoint.digest(
            run.model.state_dict(), averaged.state_dict() if averaged is not None else {}
        )
        on_all_ranks(run.strategy, self.saver.finish)
        self.console.stop()
        if not self.recording.is_main:
            return
        for line in how_it_stopped(self.config.early_stop, run):
            self.console.say(line, style="yellow")
        scores: dict[str, Any] = {name: plain_scores(found) for name, found in tested.items()}
        which, classes = "averaged" if "test_avg" in tested else "final", self.source.classes
        if errors.counts.any():
            scores["errors"] = errors.plain(classes, which)
        self.recording.write_summary("completed", 0, {**scores, "weights_sha256": weights})
        row = read_run(self.folder.path)
        self.say_doubt(tested.get("test"), row)
        show_result(row, self.console)
        if self.tensorboard is not None:
            self.tensorboard.finish(lambda: first_images(run), row)
        if errors.counts.any():
            show_errors(
                *(errors, classes),
                folder=self.folder.path,
                step=run.state.step,
                weights=which,
                tensorboard=self.tensorboard,
            )

    def say_doubt(self, test: Scores | None, row: RunRow) -> None:
        """Say in one line, with the likely cause, if the training loss was absurd for long, or the
        trained weights do no better than a guess on the validation images or, without any, the test
        images."""
        data, steps = self.run.data, self.run.state.step
        has_val = self.val is not None
        what, counts = ("validation", data.val_counts) if has_val else ("test", data.test_counts)
        guess = guessing(self.val if has_val else test, counts)
        # of other losses nothing is known
        is_known = self.config.loss.name == "cross_entropy"
        absurd = absurd_epochs(row.epochs, data.num_classes) if is_known else 0
        search = command_line("task=lr_range", f"repeat={shown_path(self.folder.path)}")
        if absurd:
            text = (
                f"the training loss was more than twice that of a guess in {absurd} of "
                f"{len(row.epochs)} epochs: optim.lr is too high, most likely; find one by {search}"
            )
        elif guess is not None and learnt_by_heart(row.epochs):
            text = (
                f"{what} {guess} after {steps} steps, though training images are known: these are "
                "too few or too different; more of them, augmentation or init_from=<run> may help"
            )
        elif guess is not None:
            text = (
                f"{what} {guess} after {steps} steps: optim.lr is too high or too low, most likely "
                f"(find one by {search}); else train longer, or look at the images and labels"
            )
        else:
            return
        self.console.say(text, style="yellow")

    def facts(self) -> Mapping[str, Any]:
        """Return what the summary says besides status and results, once nothing is written in the
        background."""
        self.saver.wait()
        self.count_time()
        return {**results_of(self.run), **self.identity.final_facts()}
