"""Studies that the tests make up, and runs that trained nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.analysis.runs import made_run
from tests.command import TINY
from trainer.analysis.compare import Arm
from trainer.record.runs import EpochRow, RunRow
from trainer.record.spread import Spread
from trainer.study.runs import StudyRuns, Trial
from trainer.study.spec import study_of
from trainer.study.study import Study

TREE: dict[str, Any] = {
    "title": "Two",
    "question": "which?",
    "base": [w for w in TINY if not w.startswith("epochs")] + ["max_steps=2"],
    "arms": {"plain": {"overrides": ["optim.lr=0.1"]}, "trick": {"overrides": ["optim.lr=0.2"]}},
    "where": "python -m trainer optim.lr=0.2",
    "scales": {"minute": {}},
}
TUNED: dict[str, Any] = {
    "title": "Two",
    "question": "which?",
    "claim": "b",
    "seeds": 3,
    "trials": 12,
    "tune_seeds": [1000, 1001],
    "arms": {
        "a": {
            "overrides": ["optim=sgd"],
            "tune": {"optim.lr": "tag(log, interval(1e-3, 1e-1))"},
        },
        "b": {
            "overrides": ["optim=adam", "optim.eps=1e-07"],
            "tune": {"optim.lr": "tag(log, interval(1e-4, 1e-2))"},
        },
    },
    "scales": {"cpu": {}},
}


def made(**parts: Any) -> Study:
    """A study of two arms that have nothing to tune."""
    return study_of("two", {**TREE, **parts})


def tuned(**parts: Any) -> Study:
    """A study of two arms whose learning rates are drawn."""
    return study_of("two", {**TUNED, **parts})


def run(seed: int, top1: float | None, speeds: tuple[float, ...] = ()) -> RunRow:
    """A run as its folder would tell it; without a number it diverged."""
    status = "diverged" if top1 is None else "completed"
    rows = tuple(
        EpochRow(i + 1.0, i, 0.1, 1.0, 0.5, images_per_s=s, val_top1=top1)
        for i, s in enumerate(speeds or (1.0,))
    )
    test = None if top1 is None else {"top1": top1}
    return RunRow(Path("x"), {"seed": seed}, rows, status, test=test)


def arm(label: str, *numbers: float | None) -> Arm:
    return Arm(label, {}, tuple(run(seed, number) for seed, number in enumerate(numbers)))


def scored(label: str, *numbers: float | None) -> Arm:
    """Runs whose test accuracy is one point below the number; without a number they diverged."""
    runs = [
        made_run(seed, 0.5 if x is None else x, status="diverged" if x is None else "completed")
        for seed, x in enumerate(numbers)
    ]
    return Arm(label, {"optim": label}, tuple(runs))


def result(study: Study, numbers: dict[str, list[float]], values: dict[str, str]) -> StudyRuns:
    """What a study gave that trained nothing; untuned arms are five points worse."""
    arms = tuple(scored(label, *mine) for label, mine in numbers.items())
    untuned = tuple(scored(label, *(x - 0.05 for x in mine)) for label, mine in numbers.items())
    trials = tuple(
        Trial(label, (f"optim.lr={values[label]}",), Spread(0.9, 0.01, 2), is_chosen=True)
        for label in numbers
    )
    picked = {trial.arm: trial.overrides for trial in trials}
    return StudyRuns(study, trials, picked, arms, untuned)
