"""The command lines of the analyses, answering in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.analysis.runs import lr, made_run, write_run
from tests.command import Outcome
from trainer.cli.main import exit_code

Answer = Callable[..., Outcome]


@pytest.fixture
def answer(here: Path, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Answer a subcommand in this process; return how it ended, and what it printed."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = exit_code(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def outputs(here: Path) -> Path:
    """Runs of two settings with three seeds each, and a task that is no training."""
    for number, (value, seed) in enumerate((v, s) for v in (0.1, 0.2) for s in range(3)):
        run = made_run(seed, 0.5 + value + 0.01 * seed, **lr(value))
        write_run(run, here / "outputs" / "sweep" / str(number))
    write_run(made_run(0, 0.0, task={"name": "lr_range"}), here / "outputs" / "range")
    return here / "outputs"
