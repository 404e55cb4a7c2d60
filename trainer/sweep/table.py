"""What is told of a sweep's jobs: a line each on the screen, a row each on disk, spread over
seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.console import percent
from trainer.errors import TrainerError
from trainer.files import replace_text
from trainer.record import RunRow
from trainer.sheets import csv_text

Values = Mapping[int, Mapping[str, str]]
SCORES = ("val_top1", "avg_val_top1", "test_top1", "test_avg_top1")


@dataclass(frozen=True)
class Spread:
    """Mean and spread of one number over seeds.

    Attributes:
        mean: over the runs.
        sd: sample standard deviation, None for one run.
        n: runs.
    """

    mean: float
    sd: float | None
    n: int

    @property
    def se(self) -> float | None:
        """Standard error of the mean, None for one run."""
        return None if self.sd is None else self.sd / math.sqrt(self.n)

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Return the spread of at least one number."""
        return cls(
            statistics.fmean(numbers),
            statistics.stdev(numbers) if len(numbers) > 1 else None,
            len(numbers),
        )


def scores_of(row: RunRow) -> dict[str, float]:
    """Return the final scores that a run has, by name."""
    last = row.epochs[-1] if row.epochs and row.status == "completed" else None
    found = {
        "val_top1": last.val_top1 if last else None,
        "avg_val_top1": last.avg_val_top1 if last else None,
        "test_top1": (row.test or {}).get("top1"),
        "test_avg_top1": (row.test_avg or {}).get("top1"),
    }
    return {name: value for name, value in found.items() if value is not None}


def job_line(number: int, words: Sequence[str], row: RunRow | str) -> str:
    """Return one line about a job that ended."""
    told = " ".join(words)
    if isinstance(row, str):
        return f"job {number}  failed  {told}: {row}"
    scores = "  ".join(f"{name} {percent(value)}" for name, value in scores_of(row).items())
    train_s = row.seconds.get("train", 0.0)
    return f"job {number}  {row.status}  {told}  {scores}  {train_s:.1f} s training"


def write_csv(file: Path, values: Values, rows: Mapping[int, RunRow]) -> None:
    """Write one line per job: its number, what it varied, how it ended, and its scores.

    Raises:
        DiskError: if the disk is full or read-only; a table that is there stays as it was.
        TrainerError: if the folder is gone, or may not be written any more.
    """
    keys = list(next(iter(values.values())))
    lines: list[list[object]] = [["job", *keys, "status", *SCORES, "train_s"]]
    for number, varied in values.items():
        row = rows.get(number)
        scores = scores_of(row) if row else {}
        status = row.status if row else "failed"
        train_s = row.seconds.get("train", "") if row else ""
        lines.append(
            [number, *varied.values(), status, *(scores.get(s, "") for s in SCORES), train_s]
        )
    try:
        replace_text(file, csv_text(lines))
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise TrainerError(f"cannot write {file}: {reason}") from error
