"""The attacks: cells cover what they say, trials can be done again, failures are told."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.chaos.__main__ import attacks, attempt
from tests.chaos.cells import FACTORS, all_pairs, coverage, matrix, pairs_of, words_of
from tests.chaos.trial import Arena, assert_same, plain_digest
from trainer import compose


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
        config = compose(*words_of(cell))
        assert config.max_steps == 40


def test_an_attack_is_a_module_with_trials() -> None:
    found = attacks()
    assert {"kills", "crash_points", "corrupt", "signals", "disk"} <= set(found)
    assert all(0 < module.QUICK <= module.FULL for module in found.values())


def test_a_failure_is_told_with_the_line_that_does_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def trial(arena: Arena, draw: random.Random, number: int) -> str:
        drawn.append(draw.random())
        assert number != 3, "a number is wrong"
        return "held"

    drawn: list[float] = []
    module = SimpleNamespace(trial=trial)
    arena = Arena(tmp_path, 5)
    assert attempt("mine", module, arena, 2)  # type: ignore[arg-type]
    assert not attempt("mine", module, arena, 3)  # type: ignore[arg-type]
    assert not attempt("mine", module, arena, 3)  # type: ignore[arg-type]
    assert drawn[1] == drawn[2] != drawn[0]
    out = capsys.readouterr().out
    assert "mine 3 (seed 5) FAILED: a number is wrong" in out
    assert "again: python -m tests.chaos mine --seed 5 --trial 3" in out


def test_what_runs_must_agree_in_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.chaos import trial

    monkeypatch.setattr(trial, "outcome", lambda run: {"rows": [1], "weights": "a"})
    assert_same(Path(), {"rows": [1], "weights": "a"})
    with pytest.raises(AssertionError, match=r"differs in \['weights'\]"):
        assert_same(Path(), {"rows": [1], "weights": "b"})
    assert plain_digest({"a": [1, 2.0]}) == plain_digest({"a": [1, 2.0]})
    assert plain_digest({"a": [1, 2.0]}) != plain_digest({"a": [1, 2]})
