"""Standard output that takes nothing: code 74, and one message where people still look."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.command import TINY, Call, Outcome
from trainer.record.runs import read_run

FULL = Path("/dev/full")
MESSAGE = "error: cannot write to standard output: no space left on device\n"
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is full")


def call_into_full(call: Call, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> Outcome:
    with open(FULL, "w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        return call(*overrides)


@pytest.mark.parametrize(
    "overrides", [("--version",), ("--help",), ("--cfg", "job"), ("task=plan",)]
)
def test_a_full_output_is_code_74_and_one_message(
    call: Call, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    done = call_into_full(call, monkeypatch, *TINY, *overrides)
    assert (done.code, done.err) == (74, MESSAGE)


@pytest.mark.slow
def test_a_run_whose_lines_find_no_room_ends_and_says_so_in_its_record(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = call_into_full(call, monkeypatch, *TINY, "lint=off", "hydra.run.dir=run")
    assert (done.code, done.err) == (74, MESSAGE)
    assert read_run(here / "run").summary["exit_code"] == 74
    assert not (here / "run" / ".lock").exists()
