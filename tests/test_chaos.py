"""The attacks: cells cover what they say, trials can be done again, failures are told."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.__main__ import attacks
from tests.chaos.campaign import Tally, Task, attempt, carry_out, spread
from tests.chaos.cells import FACTORS, all_pairs, coverage, matrix, overrides_of, pairs_of
from tests.chaos.crash_points import kinds_of
from tests.chaos.trial import Arena, assert_same, plain_digest
from trainer import compose


@pytest.mark.slow
def test_twelve_cells_hold_every_choice_and_most_pairs() -> None:
    cells = matrix(0)
    assert len(cells) == 12
    for name, levels in FACTORS.items():
        assert {cell[name] for cell in cells} == set(range(len(levels))), name
    assert coverage(cells) > 0.5
    assert matrix(0) == cells
    assert matrix(1) != cells
    seen = set().union(*(pairs_of(cell) for seed in range(8) for cell in matrix(seed)))
    assert len(seen) > 0.97 * len(all_pairs())


@pytest.mark.slow
def test_every_cell_is_a_command_line() -> None:
    for cell in matrix(0):
        config = compose(*overrides_of(cell))
        assert config.max_steps == 40


def test_an_attack_is_a_module_with_trials() -> None:
    found = attacks()
    assert {"kills", "crash_points", "corrupt", "signals", "disk"} <= set(found)
    assert all(0 < module.QUICK <= module.FULL for module in found.values())


def hostile(*, wrong: int = -1, deadly: int = -1) -> Any:
    """Return an attack that succeeds in one trial and ends its process in another."""

    def trial(arena: Arena, draw: random.Random, number: int) -> str:
        if number == deadly:
            os._exit(9)
        assert number != wrong, "a number is wrong"
        arena.count("trials")
        return f"drawn {draw.random()}"

    return SimpleNamespace(trial=trial)


def test_a_failure_is_told_with_the_line_that_does_it_again(tmp_path: Path) -> None:
    arena = Arena(tmp_path, 5)
    held, failed = (attempt(hostile(wrong=3), arena, Task("mine", n)) for n in (2, 3))
    assert held.held
    assert held.counts == {"trials": 1}
    assert held.told == attempt(hostile(), arena, Task("mine", 2)).told
    assert held.told != attempt(hostile(), arena, Task("mine", 4)).told
    first, *_, last = failed.lines().splitlines()
    assert first == "mine 3 (seed 5) FAILED: a number is wrong"
    assert last == "  again: python -m tests.chaos mine --seed 5 --trial 3"


@pytest.mark.slow
def test_processes_share_the_trials_and_one_that_dies_is_a_failure(tmp_path: Path) -> None:
    tasks = spread({"mine": 6, "other": 3})
    modules = {"mine": hostile(wrong=1), "other": hostile(deadly=1)}
    found = list(carry_out(tasks, modules, tmp_path, 5, processes=3, budget_s=60.0))
    assert sorted((r.task.attack, r.task.number) for r in found) == sorted(
        (task.attack, task.number) for task in tasks
    )
    assert {(r.task.attack, r.task.number) for r in found if not r.held} == {
        ("mine", 1),
        ("other", 1),
    }
    alone = attempt(modules["mine"], Arena(tmp_path, 5), Task("mine", 5))
    assert alone.told in [r.told for r in found if r.task == alone.task]
    tally = Tally({"mine": 6, "other": 3}, found)
    assert tally.counts() == {"trials": 7}
    tally.write(tmp_path / "report.json", {"seed": 5})
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["attacks"]["mine"] == {
        "planned": 6,
        "trials": 6,
        "held": 5,
        "seconds": report["attacks"]["mine"]["seconds"],
    }
    assert [(f["attack"], f["trial"]) for f in report["failures"]] in (
        [("mine", 1), ("other", 1)],
        [("other", 1), ("mine", 1)],
    )


def test_all_attacks_advance_alike_and_time_ends_them(tmp_path: Path) -> None:
    tasks = spread({"many": 10, "few": 2})
    assert [t.number for t in tasks if t.attack == "many"] == list(range(10))
    assert {t.attack for t in tasks[:4]} == {t.attack for t in tasks[6:10]} == {"many", "few"}
    modules = {"many": hostile(), "few": hostile()}
    assert not list(carry_out(tasks, modules, tmp_path, 5, processes=1, budget_s=0.0))


def test_what_runs_must_agree_in_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.chaos import trial

    monkeypatch.setattr(trial, "outcome", lambda run: {"rows": [1], "weights": "a"})
    assert_same(Path(), {"rows": [1], "weights": "a"})
    with pytest.raises(AssertionError, match=r"differs in \['weights'\]"):
        assert_same(Path(), {"rows": [1], "weights": "b"})
    assert plain_digest({"a": [1, 2.0]}) == plain_digest({"a": [1, 2.0]})
    assert plain_digest({"a": [1, 2.0]}) != plain_digest({"a": [1, 2]})


def test_operations_on_the_disk_are_told_apart_by_what_they_are_done_to() -> None:
    names = ["open .config.yaml-60ec", "write the rest", "fsync", "rename step-00000003", "fsync"]
    assert kinds_of([*names, "open .config.yaml-11aa"]) == {
        "open .config.yaml": [0, 5],
        "write the rest after open .config.yaml": [1],
        "fsync after open .config.yaml": [2],
        "rename step": [3],
        "fsync after rename step": [4],
    }
