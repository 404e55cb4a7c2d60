"""Choosing each arm's values on `val`, with seeds that the demonstration does not use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.analysis.compare import Arm as RunArm
from trainer.analysis.compare import Spread
from trainer.record import read_run
from trainer.study._trials import Trial, chosen
from trainer.study.demos.pool import Job, Say, run_chains, slug
from trainer.study.demos.spec import METRICS, Arm, Demo, merged

SEEDS = range(1000, 1006)  # the demonstration's own count from 0


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
