"""When a run is saved, what goes into a checkpoint, and which checkpoints stay."""

import threading
import time
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from torch import nn

from trainer.checkpoint import format as checkpoint
from trainer.config.run_config import CheckpointConfig
from trainer.core.errors import Diverged
from trainer.core.units import crossed
from trainer.state import Run, save_state


class Action(IntEnum):
    """What is due between two steps; of what several processes bring the greatest holds."""

    NOTHING = 0
    SAVE = 1
    STOP = 2  # save, then end the run
    FAIL = 3  # raise the error that the background met


class Saver:
    """Saves one run; `step` is the one saved last, 0 before the first. Every manifest says `facts`
    besides its files."""

    def __init__(
        self, run: Run, root: Path, config: CheckpointConfig, facts: Mapping[str, Any]
    ) -> None:
        self.run, self.root, self.config, self.facts = run, root, config, facts
        self.is_main = run.strategy.world.rank == 0
        # one of an epoch that was not evaluated yet does not stand for one that was
        self.step = run.state.step - run.is_trained()
        self._time_s = time.monotonic()
        self._writing: threading.Thread | None = None
        self._failure: BaseException | None = None

    def is_due(self) -> bool:
        """Return whether the time for a checkpoint has come, as far as this process can tell."""
        every = self.config.every
        if every.unit == "s":
            return self.is_main and time.monotonic() - self._time_s >= every.value
        per = self.run.data.steps_per_epoch if every.unit == "ep" else 1
        return crossed(self.step, self.run.state.step, max(1, round(every.value * per)))

    def save(self) -> None:
        """Write a checkpoint of this step, then delete those no longer wanted; in the background,
        once the one before is done, if that was chosen.

        Called by all processes; the first one writes.

        Raises:
            Diverged: if a number that it would hold is not finite, in any process.
            DiskError: if the disk is full or read-only, for this checkpoint or the one before.
        """
        run = self.run
        averaged = run.average.eval_model()
        is_bad = not (are_finite(run.model) and are_finite(averaged))
        if run.strategy.all_max(int(is_bad)):  # statistics are each process's own
            raise Diverged(run.state.step - 1, "weights or statistics")
        state = save_state(run)
        self.step, self._time_s = run.state.step, time.monotonic()
        if not self.is_main:
            return
        self.join()
        files = checkpoint.pack(
            weights=run.model.state_dict(),
            averaged=None if averaged is None else averaged.state_dict(),
            state=state,
            classes=self.facts.get(checkpoint.CLASSES, ()),
        )
        step, best = run.state.step, steps_of(run.state.best)
        if not self.config.background:
            self._write(step, files, best)
            return

        def work() -> None:
            try:
                self._write(step, files, best)
            except BaseException as error:
                self._failure = error

        self._writing = threading.Thread(target=work, name="checkpoint")
        self._writing.start()

    def _write(self, step: int, files: Mapping[str, bytes], best: Sequence[int]) -> None:
        """Write a checkpoint; only once it verifies, delete others."""
        written = checkpoint.write(self.root, step, files, self.facts)
        keep = self.config.keep.number
        keep = None if keep is None else max(2, keep)
        checkpoint.prune(self.root, keep=keep, best=best, known=(written.path,))

    def action(self, is_stopped: bool) -> Action:
        """Return what is due as far as this process can tell, which may have received a signal."""
        if self._failure is not None:
            return Action.FAIL
        if is_stopped:
            return Action.STOP
        return Action.SAVE if self.is_due() else Action.NOTHING

    def wait(self) -> None:
        """Wait for the background, whatever it met."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None

    def join(self) -> None:
        """Wait for the background, and raise what it met."""
        self.wait()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Delete checkpoints beyond the number that stays once a run is finished; the best always
        do. Called by all processes; the first one deletes."""
        self.join()
        if not self.is_main:
            return
        best = steps_of(self.run.state.best)
        checkpoint.prune(self.root, keep=self.config.keep.number, best=best)


def steps_of(best: Sequence[tuple[float, int]]) -> tuple[int, ...]:
    """Return the steps of the best scores, the best first."""
    return tuple(step for _, step in best)


def are_finite(model: nn.Module | None) -> bool:
    """Return whether all weights and statistics of a model, if there is one, are finite."""
    tensors = [] if model is None else model.state_dict().values()
    return all(bool(t.isfinite().all()) for t in tensors)
