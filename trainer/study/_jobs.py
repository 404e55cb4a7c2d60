"""The runs of a study as a sweep: those that are finished are not run again."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.errors import TrainerError
from trainer.record import RunRow
from trainer.sweep.runner import run_jobs


def run_all(jobs: Sequence[Sequence[str]], *, quiet: bool = False) -> list[RunRow]:
    """Run jobs as a sweep does, and return what they recorded, in their order.

    Args:
        jobs: words of each.
        quiet: print nothing.

    Raises:
        TrainerError: if a job has no result; the same call again runs what is missing.
    """
    rows = run_jobs(jobs, quiet=quiet)
    lost = [(words, row) for words, row in zip(jobs, rows, strict=True) if isinstance(row, str)]
    if lost:
        words, reason = lost[0]
        raise TrainerError(
            f"{len(lost)} of {len(jobs)} runs have no result; the first is {' '.join(words)}: "
            f"{reason}. The same command goes on with what is missing"
        )
    return [row for row in rows if isinstance(row, RunRow)]
