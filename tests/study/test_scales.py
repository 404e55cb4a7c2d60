"""The scales that cannot be run here compose: no word of theirs is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.runs import made_run
from trainer.composition.search_path import Sources
from trainer.record.runs import RunRow
from trainer.record.sweep_file import JobOverrides
from trainer.study import grids, make, runs, stairs, timed
from trainer.study.flatness import finding
from trainer.study.flatness import study as flatness
from trainer.study.precision_table.table import PrecisionTable
from trainer.study.spec import load, names
from trainer.study.study import Study, changed
from trainer.sweep.jobs import Sweep, check_jobs

NAMES = [name for name in names("gpu") if name != "schedules"]
NUMBER = re.compile(r"(?<==)-?[\d.]+(e[+-]?\d+)?$")
SWEEP = Sweep(Sources())  # what jobs share is composed once
STAGES = {"arms": 2, "stairs": 2}  # sweeps, one after the other; of the others one
Checked = Callable[[Study], int]


class Enough(Exception):
    """Everything was asked for that would be run."""


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Checked:
    """Make a study up to where its last runs would begin; return how many were composed."""
    found: list[int] = []
    stages = 1

    def run_all(jobs: Sequence[Sequence[str]], *_: Any, **__: Any) -> list[RunRow]:
        # those that differ in numbers alone compose alike
        kinds = {tuple(NUMBER.sub("", word) for word in line): line for line in jobs}
        made = check_jobs([JobOverrides(tuple(line)) for line in kinds.values()], SWEEP)
        assert [job.error for job in made if job.config is None] == []
        found.append(len(jobs))
        if len(found) == stages:
            raise Enough
        return [made_run(seed, 0.5) for seed in range(len(jobs))]

    def train(study: Study, overrides: Sequence[str], folder: Path) -> RunRow:
        study.compose(*overrides)
        found.append(1)
        return made_run(0, 0.5, path=str(folder), epochs=200)

    def look(*places: object, **settings: object) -> None:
        raise Enough  # settings were read on the way here

    def at_equal_batch(table: PrecisionTable) -> None:
        found.append(1)
        raise Enough  # after `check`

    def run_arms(study: Study, *_: Any, **__: Any) -> None:
        found.append(study.seeds)
        raise Enough  # after the arms were composed

    for module in (runs, grids, stairs):
        monkeypatch.setattr(module, "run_all", run_all)
    monkeypatch.setattr(finding, "train", train)
    monkeypatch.setattr(flatness, "study", look)
    monkeypatch.setattr(PrecisionTable, "at_equal_batch", at_equal_batch)
    monkeypatch.setattr(timed, "run_arms", run_arms)
    monkeypatch.chdir(tmp_path)

    def check(study: Study) -> int:
        nonlocal stages
        stages = STAGES.get(study.draw, 1)
        with pytest.raises(Enough):
            make.make(study, tmp_path)
        return sum(found)

    return check


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_study_composes_at_the_scale_of_a_gpu(name: str, checked: Checked) -> None:
    study = load(name, "gpu")
    fewer = None if study.is_tuned else 1  # draws differ in numbers alone
    assert checked(changed(study, trials=fewer)) >= 1
