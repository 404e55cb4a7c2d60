"""When a run is saved, what goes into a checkpoint, and which checkpoints stay."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import checkpoint
from trainer.errors import Diverged
from trainer.loop import crossed
from trainer.saving import CheckpointConfig
from trainer.state import Run, save_state


class Saver:
    """Saves one run.

    Args:
        run: its live parts.
        root: its `checkpoints` folder.
        config: how often, and how many stay.
        facts: what every manifest says besides its files.

    Attributes:
        step: the step saved last; 0 before the first.
    """

    def __init__(
        self, run: Run, root: Path, config: CheckpointConfig, facts: Mapping[str, Any]
    ) -> None:
        self.run, self.root, self.config, self.facts = run, root, config, facts
        self.is_main = run.strategy.world.rank == 0
        self.step = run.state.window
        self._time_s = time.monotonic()

    def is_due(self) -> bool:
        """Return whether the time for a checkpoint has come, as far as this process can tell."""
        every = self.config.every
        if every.unit == "s":
            return self.is_main and time.monotonic() - self._time_s >= every.value
        per = self.run.data.windows_per_epoch if every.unit == "ep" else 1
        return crossed(self.step, self.run.state.window, max(1, round(every.value * per)))

    def save(self) -> None:
        """Write a checkpoint of this step, then delete those no longer wanted.

        Called by all processes; the first one writes.

        Raises:
            Diverged: if a weight is not finite: a checkpoint must never hold one.
            DiskError: if the disk is full or read-only.
        """
        run = self.run
        if not all(bool(p.isfinite().all()) for p in run.model.parameters()):
            raise Diverged(run.state.window, "weights")
        state = save_state(run)
        self.step, self._time_s = run.state.window, time.monotonic()
        if not self.is_main:
            return
        averaged = run.average.eval_model()
        checkpoint.save(
            self.root,
            run.state.window,
            weights=run.model.state_dict(),
            averaged=None if averaged is None else averaged.state_dict(),
            state=state,
            facts=self.facts,
        )
        self.prune(at_least=2)

    def prune(self, at_least: int = 1) -> None:
        """Delete checkpoints beyond the number that stays; the best always does."""
        keep = self.config.keep.number
        checkpoint.prune(
            self.root,
            keep=None if keep is None else max(at_least, keep),
            best_step=self.run.state.best_step,
        )
