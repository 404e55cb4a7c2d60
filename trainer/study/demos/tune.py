"""Choosing each arm's values on `val`, with seeds that the demonstration does not use."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.analysis.compare import Arm as RunArm
from trainer.analysis.compare import Spread
from trainer.record import read_run
from trainer.study.demos.pool import Job, Say, run_chains, slug
from trainer.study.demos.spec import METRICS, Arm, Demo, merged

SEEDS = range(1000, 1006)  # the demonstration's own count from 0


@dataclass(frozen=True)
class Trial:
    """One combination of values, tried.

    Attributes:
        arm: label of the arm.
        words: the values.
        spread: of the validation accuracy at the end of the runs that completed.
        is_chosen: whether it is the best of its arm.
    """

    arm: str
    words: tuple[str, ...]
    spread: Spread
    is_chosen: bool = False


def tune(demo: Demo, folder: Path, workers: int, say: Say) -> list[Trial]:
    """Try every combination of every arm; the test images are not looked at."""
    plan = {
        (arm.label, words): [
            Job(
                merged((*demo.words(arm), *words, "report_test=false", f"seed={seed}")),
                folder / slug(arm.label) / slug("_".join(words)) / str(seed),
            )
            for seed in SEEDS
        ]
        for arm in demo.arms
        for words in arm.trials()
    }
    run_chains([(job,) for jobs in plan.values() for job in jobs], workers, say)
    trials = []
    for arm in demo.arms:
        tried = [
            Trial(arm.label, words, spread_of([job.folder for job in plan[arm.label, words]], arm))
            for words in arm.trials()
        ]
        trials += chosen(tried)
    return trials


def spread_of(folders: Sequence[Path], arm: Arm) -> Spread:
    """Return the spread of the validation accuracy that an arm is chosen by."""
    runs = RunArm(arm.label, {}, tuple(read_run(folder) for folder in folders))
    return Spread.of(list(runs.values(METRICS[arm.metric]).values()))


def chosen(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials of which the best is marked: most completed runs, then the highest mean."""
    best = max(trials, key=lambda t: (t.spread.n, t.spread.mean or 0.0), default=None)
    return [Trial(t.arm, t.words, t.spread, t is best) for t in trials]


def to_csv(trials: Sequence[Trial]) -> str:
    """Return a line for each trial; accuracies are shares."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["arm", "words", "n", "val_top1", "sd", "chosen"])
    for t in trials:
        numbers = ["" if v is None else f"{v:.4f}" for v in (t.spread.mean, t.spread.sd)]
        mark = "yes" if t.is_chosen else ""
        table.writerow([t.arm, " ".join(t.words), t.spread.n, *numbers, mark])
    return out.getvalue()
