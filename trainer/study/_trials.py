"""What was tried for each arm of a comparison, and the choice among it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.record.spread import Spread
from trainer.record.tables import csv_text


@dataclass(frozen=True)
class Trial:
    """One combination of values, tried.

    Attributes:
        arm: label of the arm.
        overrides: the values.
        spread: of the validation accuracy at the end of the runs that completed.
        is_chosen: whether it is the best of its arm.
    """

    arm: str
    overrides: tuple[str, ...]
    spread: Spread
    is_chosen: bool = False


def chosen(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials of which the best is marked: most completed runs, then the highest mean."""
    best = max(trials, key=lambda t: (t.spread.n, t.spread.mean or 0.0), default=None)
    return [replace(t, is_chosen=t is best) for t in trials]


def to_csv(trials: Sequence[Trial]) -> str:
    """Return a line for each trial; accuracies are shares."""
    rows: list[list[object]] = [["arm", "words", "n", "val_top1", "sd", "chosen"]]
    for t in trials:
        numbers = ["" if v is None else f"{v:.4f}" for v in (t.spread.mean, t.spread.sd)]
        mark = "yes" if t.is_chosen else ""
        rows.append([t.arm, " ".join(t.overrides), t.spread.n, *numbers, mark])
    return csv_text(rows)
