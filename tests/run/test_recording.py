"""A folder says how its run or task ended, whatever happened."""

import errno
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY
from trainer.api import compose
from trainer.core.environment import World
from trainer.core.errors import ConfigError, DiskError, Diverged, Stopped, TrainerError
from trainer.record.console import Console
from trainer.record.run_folder import Folder
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.recording import Recording, recorded
from trainer.run.request import RunRequest


def summary(here: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((here / "there" / "summary.json").read_text())
    return content


def do(what: Callable[[Recording], None]) -> None:
    """Record a task that calls `what`."""
    request = RunRequest(compose(*TINY), overrides=("a=b",), notes=("a note",), folder="there")
    run, _ = assemble(request.config, *prepare(request.config, World()))
    path = Path("there").absolute()
    path.mkdir()
    with (
        recorded(request, run, Console(quiet=True), path) as recording,
        recording.summarized(lambda: {"fact": 3, "absent": None}),
    ):
        what(recording)


def test_a_task_that_ends_well(here: Path) -> None:
    def work(recording: Recording) -> None:
        assert recording.is_main
        recording.write_summary("completed", 0, {"found": 7})

    do(work)
    written = summary(here)
    assert (written["status"], written["exit_code"], written["found"]) == ("completed", 0, 7)
    assert (written["overrides"], written["fact"]) == (["a=b"], 3)
    assert not {"message", "absent"} & set(written)
    names = {p.name for p in (here / "there").iterdir()} - {"source.diff"}
    assert names == {"config.yaml", "run.log", "summary.json"}
    assert (here / "there" / "run.log").read_text() == "a note\n"


def test_a_user_s_mistake(here: Path) -> None:
    def work(recording: Recording) -> None:
        raise ConfigError("not so")

    with pytest.raises(ConfigError):
        do(work)
    written = summary(here)
    assert (written["status"], written["exit_code"]) == ("failed", 2)
    assert (written["message"], written["fact"]) == ("not so", 3)


def test_a_bug_has_its_traceback_in_the_log(here: Path) -> None:
    def work(recording: Recording) -> None:
        raise ValueError("a bug")

    with pytest.raises(TrainerError, match=r"ValueError: a bug \(see .*run\.log\)"):
        do(work)
    assert summary(here)["status"] == "failed"
    assert "Traceback" in (here / "there" / "run.log").read_text()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Diverged(7), "diverged", 3), (Stopped("stopped", 15), "interrupted", 143)],
)
def test_how_it_ended_is_the_error_s(
    here: Path, error: TrainerError, status: str, code: int
) -> None:
    def work(recording: Recording) -> None:
        raise error

    with pytest.raises(type(error)):
        do(work)
    assert (summary(here)["status"], summary(here)["exit_code"]) == (status, code)


def test_a_full_disk_is_an_error_of_the_user_s(here: Path) -> None:
    def work(recording: Recording) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskError):
        do(work)
    assert summary(here)["exit_code"] == 74


def test_a_signal_is_kept_until_it_is_looked_for(here: Path) -> None:
    def work(recording: Recording) -> None:
        assert recording.stop_signal() == 0
        signal.raise_signal(signal.SIGTERM)
        assert recording.stop_signal() == signal.SIGTERM
        recording.write_summary("completed", 0, {})

    do(work)
    assert summary(here)["status"] == "completed"


def test_the_folder_is_free_afterwards(here: Path) -> None:
    def work(recording: Recording) -> None:
        with pytest.raises(ConfigError, match="is being written"):
            Folder(recording.folder.path).lock()
        raise ConfigError("not so")

    with pytest.raises(ConfigError, match="not so"):
        do(work)
    folder = Folder(here / "there")
    folder.lock()
    folder.close()
