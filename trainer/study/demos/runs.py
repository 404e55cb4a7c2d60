"""The runs of a demonstration: jobs of a sweep, or, where they are timed against each other, one
after the other in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.analysis.compare import Arm as RunArm
from trainer.api import compose
from trainer.core.errors import Diverged, Stopped
from trainer.record.console import Console
from trainer.record.runs import RunRow, read_run
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.study._jobs import run_all
from trainer.study.demos.spec import Demo, DemoArm, merged
from trainer.sweep.results import job_line


@dataclass(frozen=True)
class DemoJob:
    """One run that is timed.

    Attributes:
        label: of its arm.
        overrides: of its command line.
        folder: of its record.
    """

    label: str
    overrides: tuple[str, ...]
    folder: Path


def overrides_of(demo: Demo, arm: DemoArm, seed: int) -> tuple[str, ...]:
    """Return the whole command line of a run."""
    return merged((*demo.overrides(arm), "report_test=true", f"seed={seed}"))


def run_arms(demo: Demo, folder: Path, seeds: Sequence[int], *, quiet: bool) -> list[RunArm]:
    """Run every arm with every seed as a sweep does, seed by seed, so that a machine's moods hit
    all arms alike."""
    lines = [overrides_of(demo, arm, seed) for seed in seeds for arm in demo.arms]
    rows = run_all(lines, folder=folder, quiet=quiet)
    return arms_of(demo, [rows[i :: len(demo.arms)] for i in range(len(demo.arms))])


def arms_of(demo: Demo, rows: Sequence[Sequence[RunRow]]) -> list[RunArm]:
    """Return the arms of a demonstration with the runs of each."""
    return [RunArm(a.label, {}, tuple(runs)) for a, runs in zip(demo.arms, rows, strict=True)]


def timed_jobs(demo: Demo, folder: Path, seeds: Sequence[int]) -> list[list[DemoJob]]:
    """Return the runs of every arm, each of which gets a folder of its own."""
    return [
        [DemoJob(arm.label, overrides_of(demo, arm, s), folder / place / str(s)) for s in seeds]
        for place, arm in zip(places_of(demo), demo.arms, strict=True)
    ]


def places_of(demo: Demo) -> list[str]:
    """Return the names of the arms' folders."""
    plain = ["".join(c if c.isalnum() or c in ".-" else "_" for c in a.label) for a in demo.arms]
    return [f"{place}_{name}" for place, name in enumerate(plain)]


def read_timed(demo: Demo, arms: Sequence[Sequence[DemoJob]]) -> list[RunArm]:
    """Return what the runs of every arm recorded."""
    return arms_of(demo, [[read_run(job.folder) for job in jobs] for jobs in arms])


def run_here(job: DemoJob) -> None:
    """Run a job in this process; one that diverges is a result.

    Not as a sweep: workers would run jobs beside each other, and reuse one of a pair that was
    measured at another time.

    Raises:
        Stopped: after a signal.
        TrainerError: if it fails otherwise than by diverging.
    """
    try:
        execute(
            RunRequest(compose(*job.overrides), job.overrides, folder=str(job.folder), quiet=True)
        )
    except Diverged:
        pass
    except Stopped as error:
        again = "runs that are timed against each other begin anew with the same command"
        raise Stopped(f"stopped; {again}", error.signum) from error


def report_job(number: int, job: DemoJob, console: Console) -> None:
    """Print a line on a run that ended, as a sweep does."""
    console.say(job_line(number, [job.label, job.overrides[-1]], read_run(job.folder)))
