"""A task's folder says how it ended, whatever happened."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY
from trainer.api import compose
from trainer.core.environment import World
from trainer.core.errors import ConfigError, Stopped, TrainerError
from trainer.record.console import Console
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.request import RunRequest
from trainer.task._record import Record, recorded


def summary(here: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((here / "there" / "summary.json").read_text())
    return content


def do(what: Any) -> None:
    """Record a task that calls `what` with its record."""
    order = RunRequest(compose(*TINY), overrides=("a=b",), notes=("a note",), folder="there")
    run, source = assemble(order.config, *prepare(order.config, World()))
    with recorded(order, run, source, Console(quiet=True), start_s=0.0) as record:
        what(record)


def test_a_task_that_ends_well(here: Path) -> None:
    def work(record: Record) -> None:
        assert record.is_main
        record.results["found"] = 7

    do(work)
    said = summary(here)
    assert (said["status"], said["exit_code"], said["found"]) == ("completed", 0, 7)
    assert said["overrides"] == ["a=b"]
    assert said["data"]["name"] == "synthetic"
    assert {"versions", "host", "device", "seconds"} <= set(said)
    assert "message" not in said
    names = {p.name for p in (here / "there").iterdir()} - {"source.diff"}
    assert names == {"config.yaml", "run.log", "summary.json"}
    assert (here / "there" / "run.log").read_text() == "a note\ncompleted\n"


def test_a_user_s_mistake(here: Path) -> None:
    def work(record: Record) -> None:
        raise ConfigError("not so")

    with pytest.raises(ConfigError):
        do(work)
    said = summary(here)
    assert (said["status"], said["exit_code"], said["message"]) == ("failed", 2, "not so")


def test_a_bug_has_its_traceback_in_the_log(here: Path) -> None:
    def work(record: Record) -> None:
        raise ValueError("a bug")

    with pytest.raises(TrainerError, match=r"ValueError: a bug \(see .*run\.log\)"):
        do(work)
    assert summary(here)["status"] == "failed"
    assert "Traceback" in (here / "there" / "run.log").read_text()


def test_a_signal_is_noticed_at_the_end_of_a_step(here: Path) -> None:
    def work(record: Record) -> None:
        record.attend("before anything")
        signal.raise_signal(signal.SIGTERM)
        record.attend("at step 3")

    with pytest.raises(Stopped, match="stopped at step 3"):
        do(work)
    said = summary(here)
    assert (said["status"], said["exit_code"]) == ("interrupted", 143)
