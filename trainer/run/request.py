"""What to run, and where its record goes."""

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
        overrides: of the command line, canonical.
        notes: lines for the user.
        folder: the run's folder, or None for a new one under `config.outputs`.
        resume: folder of the run to resume, or None.
        allow: in what a resumed run may differ, as in `resume_allow`.
        quiet: print nothing (a job of a sweep, whose sweep prints for it).
        is_linted: whether what looks odd about it was said already, by its sweep.
        startup_s: seconds that the process needed before it came here.
        watch: called with the live parts before the first step, so that another thread can report
            progress.
    """

    config: RunConfig
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str | None = None
    resume: Path | None = None
    allow: tuple[str, ...] = ()
    quiet: bool = False
    is_linted: bool = False
    startup_s: float = 0.0
    watch: Callable[[Run], None] | None = None
