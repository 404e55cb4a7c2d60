"""The end of a sweep: its table, on disk and on the screen, and which jobs have no result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.console import Console
from trainer.record import RunRow
from trainer.summary import shown_path
from trainer.sweep.ending import results_table
from trainer.sweep.finished import has_result
from trainer.sweep.jobs import Job, Sweep
from trainer.sweep.table import write_csv


def finish(
    jobs: Sequence[Job],
    rows: Mapping[int, RunRow | str],
    folder: Path,
    console: Console,
    current: Sweep,
) -> int:
    """Print the table of results, say which jobs have none, write it, and return the exit code.

    Raises:
        TrainerError: if it cannot be written; by then it was printed.
    """
    done = {n: row for n, row in rows.items() if isinstance(row, RunRow) and has_result(row)}
    values = jobs_values(jobs, swept_keys(jobs))
    console.table(results_table(values, done, console.terminal.width))
    console.say(f"results   {shown_path(folder)}")
    console.say(f"compare   python -m trainer.analysis.compare {shown_path(folder)}")
    lost = [job for job in jobs if job.number not in done]
    if lost:
        numbers = ", ".join(str(job.number) for job in lost)
        console.say(f"no result from {len(lost)} of {len(jobs)} jobs: {numbers}", style="red")
    if any(job.config is not None for job in lost):
        console.say(f"again     {current.again(folder)}")
    write_csv(folder / "table.csv", values, done)
    return int(bool(lost))


def tell_invalid(jobs: Sequence[Job], console: Console) -> None:
    """Say what is wrong with the jobs that will not be run."""
    varied = swept_keys(jobs)
    for job in jobs:
        if job.config is None:
            words = " ".join(words_apart(job, varied))
            console.say(f"job {job.number} ({words}): {job.error}", style="red")


def swept_keys(jobs: Sequence[Job]) -> list[str]:
    """Return the keys of words that are not the same in all jobs, `seed` last."""
    keys = list(dict.fromkeys(w.split("=", 1)[0].lstrip("+") for job in jobs for w in job.words))
    varied = [k for k in keys if len({value_of(job, k) for job in jobs}) > 1]
    return sorted(varied, key=lambda k: k == "seed")


def words_apart(job: Job, varied: Sequence[str]) -> list[str]:
    """Return the words in which a job differs from the others, all of them if none does."""
    differing = [w for w in job.words if w.split("=", 1)[0].lstrip("+") in varied]
    return differing or list(job.words)


def value_of(job: Job, key: str) -> str:
    """Return what a job's words say of a key."""
    return next(
        (w.split("=", 1)[1] for w in job.words if w.split("=", 1)[0].lstrip("+") == key), ""
    )


def jobs_values(jobs: Sequence[Job], keys: Sequence[str]) -> dict[int, dict[str, str]]:
    """Return the swept values of every job."""
    return {job.number: {k: value_of(job, k) for k in keys} for job in jobs}
