"""The runs of a study as a sweep: those that are finished are not run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.core.errors import Stopped, TrainerError
from trainer.record.runs import RunRow
from trainer.sweep.runner import run_jobs

AGAIN = "the same command goes on with what is missing"


def run_all(
    jobs: Sequence[Sequence[str]], *, folder: Path | None = None, quiet: bool = False
) -> list[RunRow]:
    """Run jobs as a sweep does, and return what they recorded, in their order.

    Args:
        jobs: words of each.
        folder: of the sweep, empty if it exists; a new one under `outputs/` by default.
        quiet: print nothing.

    Raises:
        ConfigError: if none of them is valid.
        Stopped: after a signal.
        TrainerError: if a job has no result; the same call again runs what is missing.
    """
    try:
        rows = run_jobs(jobs, folder=folder, quiet=quiet)
    except Stopped as error:  # the sweep's own line would go on with one stage of several
        raise Stopped(f"stopped; {AGAIN}", error.signum) from error
    lost = [
        (overrides, row) for overrides, row in zip(jobs, rows, strict=True) if isinstance(row, str)
    ]
    if lost:
        overrides, reason = lost[0]
        raise TrainerError(
            f"{len(lost)} of {len(jobs)} runs have no result; the first is {' '.join(overrides)}: "
            f"{reason}. {AGAIN.capitalize()}"
        )
    return [row for row in rows if isinstance(row, RunRow)]
