"""Studies that are killed or stopped midway go on where they were, and leave nothing half done."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.warm import Running, Warm
from trainer.cli.main import exit_code

LINE = ("swa_cifar10", "--scale", "smoke")
RUNS = 3 * 1 + 3 * 2 * 2  # three arms: one draw with one seed, then tuned and untuned with two


def finished(place: Path) -> list[str]:
    """The keys of runs that came to their end, however often one was run."""
    keys = []
    for file in place.glob(
        "outputs/swa_cifar10_smoke/*/*/summary.json"
    ):  # the rest may vanish meanwhile
        summary = {} if file.parent.is_symlink() else json.loads(file.read_text())
        keys += [summary["key"]] if summary.get("status") == "completed" else []
    return keys


def begun(warm: Warm, place: Path) -> Running:
    """The command in a process group of its own, once it has finished more runs."""
    before = len(finished(place))
    process = warm.start(["-m", "trainer", "reproduce", *LINE], place, session=True)
    while process.poll() is None and len(finished(place)) < before + 2:
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_what_was_killed_or_stopped_goes_on_and_runs_nothing_twice(
    warm: Warm, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = begun(warm, here)
    first.kill()
    first.communicate()
    second = begun(warm, here)
    os.killpg(second.pid, signal.SIGINT)  # as Ctrl-C does
    _, told = second.communicate()
    assert second.returncode == 130
    assert "Traceback" not in told
    assert 4 <= len(finished(here)) < RUNS
    assert not [path for path in (here / "outputs" / "reproduce").rglob("*") if path.is_file()]
    assert exit_code(["reproduce", *LINE]) == 0
    printed = capfd.readouterr().out
    assert "reused " in printed
    assert Counter(finished(here)).most_common(1)[0][1] == 1
    assert len(finished(here)) == RUNS
    folder = here / "outputs" / "reproduce" / "smoke"
    assert "1 of 1 were made, of 12 runs" in (folder / "report.md").read_text()
    names = sorted(path.name for path in (folder / "swa_cifar10").iterdir())
    files = [f"swa_cifar10{ending}" for ending in (".csv", ".md", ".png", "_trials.csv")]
    assert names == ["outcome.json", *files]
