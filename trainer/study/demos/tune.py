"""Choosing each arm's values on `val`, with seeds that the demonstration does not use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.analysis.compare import Arm as RunArm
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.study._jobs import run_all
from trainer.study._trials import Trial, chosen
from trainer.study.demos.spec import METRICS, Demo, DemoArm, merged

SEEDS = range(1000, 1006)  # the demonstration's own count from 0


def tune(demo: Demo, folder: Path, *, quiet: bool = False) -> list[Trial]:
    """Try every combination of every arm; the test images are not looked at."""
    lines = [
        merged((*demo.overrides(arm), *overrides, "report_test=false", f"seed={seed}"))
        for arm in demo.arms
        for overrides in arm.trials()
        for seed in SEEDS
    ]
    rows = iter(run_all(lines, folder=folder, quiet=quiet))
    trials: list[Trial] = []
    for arm in demo.arms:
        tried = [
            Trial(arm.label, overrides, spread_of([next(rows) for _ in SEEDS], arm))
            for overrides in arm.trials()
        ]
        trials += chosen(tried)
    return trials


def spread_of(runs: Sequence[RunRow], arm: DemoArm) -> Spread:
    """Return the spread of the validation accuracy that an arm is chosen by."""
    values = RunArm(arm.label, {}, tuple(runs)).values(METRICS[arm.metric])
    return Spread.of(list(values.values()))
