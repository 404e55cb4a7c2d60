"""What the command lines of all analyses do alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.conftest import Answer
from tests.command import real

COMMANDS = ["attribution", "compare", "curves", "lr_tradeoff", "report", "slices", "table"]
TRAINED = [name for name in COMMANDS if name != "curves"]  # it draws every task's runs


@pytest.mark.parametrize("name", COMMANDS)
def test_mistakes_end_in_one_line_and_write_nothing(
    outputs: Path, answer: Answer, name: str
) -> None:
    before = sorted(outputs.rglob("*"))
    done = answer(name, "no/such/folder")
    assert (done.code, done.err) == (4, "error: no folder no/such/folder to read runs from\n")
    done = answer(name, "outputs", "--metric", "accuracy")
    assert done.code == 2
    assert "accuracy" in done.err
    assert sorted(outputs.rglob("*")) == before


@pytest.mark.parametrize("name", TRAINED)
def test_runs_of_other_tasks_are_none(outputs: Path, answer: Answer, name: str) -> None:
    done = answer(name, "outputs/range")
    assert (done.code, done.err) == (1, "error: no runs under outputs/range\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compare", "curves", "lr_tradeoff", "table"])
def test_damaged_runs_are_left_out_with_a_line_each(
    outputs: Path, answer: Answer, name: str
) -> None:
    for number, text in ((2, "seed: ["), (4, "seed: five")):
        (outputs / "sweep" / str(number) / "config.yaml").write_text(text)
    done = answer(name, "outputs/sweep")
    assert done.code == 0, done.err
    first, second = done.err.splitlines()
    assert first.startswith(f"left out: cannot read {outputs}/sweep/2/config.yaml, line 2: ")
    assert second == (
        f"left out: {outputs}/sweep/4/config.yaml: seed must be a whole number, got 'five'"
    )
    assert "4 runs" in done.out or name == "table"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["compare", "report", "slices", "table"])
def test_the_script_is_the_same_command(here: Path, script: str) -> None:
    done = real(["no-such-folder"], here, f"scripts.{script}")
    assert (done.code, done.err) == (4, "error: no folder no-such-folder to read runs from\n")
