"""`task=lr_range`: which learning rate to train with."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from trainer.core.environment import World
from trainer.core.errors import ConfigError, Stopped
from trainer.core.units import Duration
from trainer.record.console import Console
from trainer.record.runs import RunRow, read_run
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.execute import folder_for, is_finished
from trainer.run.identity import facts_of
from trainer.run.recording import Recording, recorded
from trainer.run.request import RunRequest
from trainer.strategy.collectives import broadcast
from trainer.task._files import save_picture
from trainer.task._lr_range_fit import LrSweep, find, ramp
from trainer.task._lr_range_report import figure_of, report, results, write_csv
from trainer.task._lr_range_train import climb
from trainer.task.base import TASKS, title_of


@TASKS.register("lr_range")
@dataclass(frozen=True)
class LrRange:
    """Trains while the learning rate rises from step to step, until the loss leaves, and suggests
    one from where the loss fell.

    "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, whose range test rises
    linearly and looks at the accuracy; here, as in fastai's finder, the rise is exponential, over
    decades, and the training loss is looked at. Deviations from fastai's: losses are smoothed
    after the sweep by lines fitted around each step, so that nothing lags behind; the sweep ends by
    means over a few steps, not by one batch.

    It is a run of its own, from the same initial weights, data and random streams that training
    with the same words would begin with: no other run is touched. The schedule is left aside;
    everything else is as configured.

    Attributes:
        min_lr: `optim.lr` of the first step; groups keep their ratios to it.
        max_lr: of the last, if the sweep comes that far.
        steps: of the sweep.
        diverge_factor: the sweep ends where the loss is this many times its least.
        smooth: the width of the smoothing, in steps or as a share of the sweep.
        rule: `steepest` suggests where the loss falls fastest, `minimum_tenth` a tenth of where it
            is least.
    """

    min_lr: float = 1e-6
    max_lr: float = 10.0
    steps: int = 200
    diverge_factor: float = 4.0
    smooth: Duration = Duration(4, "%")
    rule: Literal["steepest", "minimum_tenth"] = "steepest"

    def __post_init__(self) -> None:
        if not 0.0 < self.min_lr < self.max_lr:
            raise ConfigError(
                "task.min_lr must be positive and below task.max_lr, "
                f"got {self.min_lr:g} and {self.max_lr:g}"
            )
        if self.steps < 10:
            raise ConfigError(f"task.steps must be at least 10, got {self.steps}")
        if self.diverge_factor <= 1.0:
            raise ConfigError(f"task.diverge_factor must be above 1, got {self.diverge_factor}")
        if self.smooth.unit == "ep":
            raise ConfigError(
                f"task.smooth must be in steps (st) or a share (%), got {self.smooth}"
            )
        if not 1 <= self.width <= self.steps / 4:
            raise ConfigError(
                f"task.smooth={self.smooth} is {self.width} of {self.steps} steps: it must be at "
                "least 1 and at most a quarter of them"
            )

    @property
    def width(self) -> int:
        """Width of the smoothing in steps."""
        return self.smooth.steps(1, self.steps)

    def perform(self, request: RunRequest) -> RunRow:
        """Sweep, record and suggest; return the record.

        Raises:
            TrainerError: for everything that a user can mend; where a folder exists, its summary
                says it too.
        """
        start_s = time.perf_counter() - request.startup_s
        world = World.from_environment()
        device, strategy, precision = prepare(request.config, world)
        console = Console(quiet=request.quiet or world.rank != 0)
        broadcast(strategy, lambda: is_finished(request))  # its folder can be made
        forked = torch.random.fork_rng([device] if device.type == "cuda" else [])
        with forked, console.listening():
            run, context = assemble(request.config, device, strategy, precision)
            request = replace(request, config=context.config)
            path = broadcast(strategy, lambda: folder_for(request))
            found: dict[str, Any] = {}

            def facts() -> Mapping[str, Any]:
                spent = {"startup": request.startup_s, "total": time.perf_counter() - start_s}
                seconds = {phase: round(value, 3) for phase, value in spent.items()}
                return {
                    **found,
                    "seconds": seconds,
                    **facts_of(run, request.config, context.source),
                }

            with (
                recorded(request, run, console, path) as recording,
                recording.summarized(facts),
            ):
                self.search(recording, found)
        strategy.all_max(0)  # processes end together: one that is gone would be missed
        if world.rank != 0:
            return RunRow(path, request.config.plain(), (), "completed")
        return read_run(path)

    def search(self, recording: Recording, found: dict[str, Any]) -> None:
        """Sweep, suggest and record; `found` receives what the summary says."""
        sweep = self.sweep(recording, found)
        finding = find(sweep, self.width)
        found["lr_range"] = results(sweep, finding, self.rule)
        if recording.is_main:
            path, console = recording.folder.path, recording.console
            write_csv(path / "lr_range.csv", sweep, finding)
            report(sweep, finding, self.rule, console=console, path=path)
        recording.write_summary("completed", 0, {})
        if recording.is_main:
            title = title_of(recording.request)
            file = recording.folder.path / "lr_range.png"
            save_picture(file, lambda: figure_of(sweep, finding, self.rule, title), console)

    def sweep(self, recording: Recording, found: dict[str, Any]) -> LrSweep:
        """Train through the learning rates, showing how far it is.

        Raises:
            Stopped: after a signal.
        """
        lrs = ramp(self.min_lr, self.max_lr, self.steps)
        with recording.console.terminal.status("") as status:

            def after_step(steps: int, loss: float) -> None:
                status.update(
                    f"step {steps}/{self.steps}  lr {lrs[steps - 1]:.3g}  loss {loss:.4f}"
                )
                found["steps"] = steps
                signum = recording.stop_signal()
                if signum:
                    raise Stopped(f"stopped at step {steps} of {self.steps}", signum)

            return climb(
                recording.run,
                lrs,
                peak=recording.request.config.optim.shared.lr,
                width=self.width,
                factor=self.diverge_factor,
                after_step=after_step,
            )
