"""Sweeps whose workers and launcher are killed while they work: nothing is lost, and no finished
job is done twice. The first trial is a small one; from the second on, two hundred jobs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.trial import Arena
from tests.command import TINY, start

QUICK, FULL = 1, 2
PATIENCE_S = 600

ARMS = """\
# @package _global_
hydra:
  sweeper:
    arms:
      good: {{seed: "range({good})"}}
      diverging: {{model.norm: none, optim.lr: 1e30, seed: "range({bad})"}}
      invalid: {{optim.lr: -1, seed: "range({bad})"}}
"""


@dataclass
class Siege:
    """A sweep that is attacked.

    Attributes:
        place: working folder of its program.
        draw: of what is done when.
        kills: of workers that were at a job.
        finished: when each result was written, by the job's number.
    """

    place: Path
    draw: random.Random
    kills: int = 0
    finished: dict[str, int] = field(default_factory=dict)

    @property
    def sweep(self) -> Path | None:
        """The sweep's folder, once it is there."""
        return next(self.place.glob("outputs/default/*"), None)

    def run(self, overrides: list[str], *, kills: int, until: int | None) -> tuple[int, str]:
        """Run a line, killing workers until there were so many, and the launcher once so many jobs
        are finished; return the exit code and what it printed.

        Args:
            words: of the command line.
            kills: of workers, in all runs together.
            until: finished jobs at which the launcher is killed, None for never.
        """
        process = start(overrides, self.place)
        deadline = time.monotonic() + PATIENCE_S
        next_kill = time.monotonic() + self.draw.uniform(0.1, 0.5)
        while process.poll() is None:
            assert time.monotonic() < deadline, "a sweep did not end"
            self.look()
            if until is not None and len(self.finished) >= until:
                process.kill()
            if self.kills < kills and time.monotonic() > next_kill:
                self.kills += self.kill_one()
                next_kill = time.monotonic() + self.draw.uniform(0.05, 0.4)
            time.sleep(0.01)
        out, err = process.communicate()
        self.look()
        return process.returncode, out + err

    def look(self) -> None:
        """Note new results; raise AssertionError if an old one was written anew."""
        for job, file, summary in self.results():
            if summary.get("status") in ("completed", "diverged"):
                written = file.stat().st_mtime_ns
                assert self.finished.setdefault(job, written) == written, f"job {job} done twice"

    def results(self) -> Iterator[tuple[str, Path, dict[str, Any]]]:
        """Yield every job that says how it ended: its number, the file and what that says."""
        for file in self.sweep.glob("*/summary.json") if self.sweep else ():
            try:
                yield file.parent.name, file, json.loads(file.read_text())
            except (OSError, ValueError):  # being replaced, or cleared by the next attempt
                continue

    def kill_one(self) -> bool:
        """Kill a worker that is at a job, and return whether there was one."""
        at_work = []
        for lock in self.sweep.glob("*/.lock") if self.sweep else ():
            try:
                found = re.match(r"process (\d+) on", lock.read_text())
                if found and os.path.samefile(f"/proc/{found[1]}/cwd", self.place):
                    at_work.append(int(found[1]))
            except OSError:
                continue
        if not at_work:
            return False
        try:
            os.kill(self.draw.choice(sorted(at_work)), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Sweep under attack, resume until nothing is missing, and compare with a sweep in peace."""
    good, bad, kills = (14, 2, 4) if number == 0 else (190, 5, 40)
    place = arena.fresh("sweeps")
    (place / "conf" / "sweep").mkdir(parents=True)
    (place / "conf" / "sweep" / "siege.yaml").write_text(ARMS.format(good=good, bad=bad))
    overrides = [w for w in TINY if not w.startswith(("epochs", "batch_size"))]
    line = ["--config-dir", "conf", "-m", *overrides, "batch_size=8", "epochs=12", "mix=mixup"]
    line.append("+sweep=siege")
    siege = Siege(place, draw)
    total = good + 2 * bad
    stops = sorted(draw.sample(range(2, good - 2), 2))
    code, told = siege.run(line, kills=kills // 2, until=stops[0])
    assert code == -signal.SIGKILL, told
    resume = [*line[:2], f"resume={siege.sweep}"]
    code, told = siege.run(resume, kills=kills - 2, until=stops[1])
    assert code == -signal.SIGKILL, told
    for _ in range(3):  # a job whose worker was killed twice is left to the next one
        code, told = siege.run(resume, kills=kills, until=None)
        if len(siege.finished) == good + bad:
            break
    assert siege.kills == kills, f"only {siege.kills} workers could be killed at work"
    assert code == 1, told
    lost = ", ".join(str(n) for n in range(good + bad, total))
    assert f"no result from {bad} of {total} jobs: {lost}" in told, told
    assert_as_in_peace(siege, line)
    arena.count("workers of sweeps killed at a job", kills)
    arena.count("launchers of sweeps killed", 2)
    return f"{total} jobs, {kills} workers and the launcher twice killed: {good + bad} results"


def assert_as_in_peace(siege: Siege, line: list[str]) -> None:
    """Raise AssertionError unless an undisturbed sweep gives the same bits."""
    found = {job: summary for job, _, summary in siege.results()}
    peace = siege.place.with_name(f"{siege.place.name}-peace")
    peace.mkdir()
    (peace / "conf").symlink_to(siege.place / "conf")
    other = Siege(peace, siege.draw)
    other.run(line, kills=0, until=None)
    expected = {job: summary for job, _, summary in other.results()}
    assert found.keys() == expected.keys()
    for job, summary in expected.items():
        for key in ("status", "weights_sha256", "key", "best_val_top1", "steps"):
            assert found[job].get(key) == summary.get(key), f"job {job}: {key}"
