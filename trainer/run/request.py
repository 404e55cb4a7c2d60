"""What to run, and where its record goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer.config.run_config import RunConfig
from trainer.state import Run


@dataclass(frozen=True)
class RunRequest:
    """What to run, and where its record goes.

    Attributes:
        config: everything chosen.
        words: of the command line, canonical.
        notes: lines for the user.
        folder: the run's folder where it was asked for, else None.
        resume: folder of the run to go on with, or None.
        allow: in what the run may differ that is gone on with, as in `resume_allow`.
        quiet: print nothing (a job of a sweep, whose sweep prints for it).
        startup_s: seconds that the process needed before it came here.
        watch: given the live parts before the first step, to look on from another thread.
    """

    config: RunConfig
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str | None = None
    resume: Path | None = None
    allow: tuple[str, ...] = ()
    quiet: bool = False
    startup_s: float = 0.0
    watch: Callable[[Run], None] | None = None
