"""The scales that cannot be run here compose: no word of theirs is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.runs import made_run
from trainer.api import compose
from trainer.composition.search_path import Sources
from trainer.record.runs import RunRow
from trainer.record.sweep_file import JobOverrides
from trainer.study import demo
from trainer.study.comparisons import stages
from trainer.study.flatness import study as flatness
from trainer.study.precision_table.table import PrecisionTable
from trainer.study.reproduce import methods
from trainer.study.reproduction import studies, sweeps
from trainer.study.reproduction.registry import Item, items
from trainer.sweep.jobs import Sweep, check_jobs

NAMES = [item.name for item in items()]
NUMBER = re.compile(r"(?<==)-?[\d.]+(e[+-]?\d+)?$")
SWEEP = Sweep(Sources())  # what jobs share is composed once
STAGES = {"comparison": 2, "stairs": 2}  # sweeps, one after the other; of the others one
Checked = Callable[[Item, str], int]


class Enough(Exception):
    """Everything was asked for that would be run."""


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Checked:
    """Make an item up to where its last runs would begin; return how many were composed."""
    found: list[int] = []
    item_stages = 1

    def run_all(jobs: Sequence[Sequence[str]], **_: Any) -> list[RunRow]:
        # those that differ in numbers alone compose alike
        kinds = {tuple(NUMBER.sub("", word) for word in line): line for line in jobs}
        made = check_jobs([JobOverrides(tuple(line)) for line in kinds.values()], SWEEP)
        assert [job.error for job in made if job.config is None] == []
        found.append(len(jobs))
        if len(found) == item_stages:
            raise Enough
        return [made_run(seed, 0.5) for seed in range(len(jobs))]

    def train(overrides: Sequence[str], folder: Path) -> RunRow:
        compose(*overrides)
        found.append(1)
        return made_run(0, 0.5, path=str(folder), epochs=200)

    def study(*places: object, **settings: object) -> None:
        raise Enough  # settings were read on the way here

    def at_equal_batch(table: PrecisionTable) -> None:
        found.append(1)
        raise Enough  # after `check`

    def perform(made: Any, *, seeds: int, **_: Any) -> None:
        for arm in made.arms:
            compose(*[w for w in made.overrides(arm) if w != "strategy=ddp"])  # torchrun's alone
        found.append(seeds)
        raise Enough

    monkeypatch.setattr(sweeps, "run_all", run_all)
    monkeypatch.setattr(stages, "run_all", run_all)
    monkeypatch.setattr(studies, "train", train)
    monkeypatch.setattr(flatness, "study", study)
    monkeypatch.setattr(PrecisionTable, "at_equal_batch", at_equal_batch)
    monkeypatch.setattr(demo, "perform", perform)
    monkeypatch.chdir(tmp_path)

    def check(item: Item, scale: str) -> int:
        nonlocal item_stages
        item_stages = STAGES.get(item.how, 1)
        fewer = {"trials": 1} if item.how == "comparison" else {}  # they differ in numbers alone
        with pytest.raises(Enough):
            methods()[item.how]({**item.at(scale), **fewer}, tmp_path)
        return sum(found)

    return check


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "schedules"])
def test_an_item_composes_at_the_scale_of_a_gpu(name: str, checked: Checked) -> None:
    (item,) = (item for item in items() if item.name == name)
    assert checked(item, "gpu") >= 1
