"""A table of arms that are measured in turn, as multiples of its first."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Table:
    """What is measured.

    Attributes:
        title: of the table.
        unit: of its numbers.
        arms: what measures each once, by name; the others are multiples of the first.
        rounds: how often, None for as often as was asked.
        note: what else a reader must know.
    """

    title: str
    unit: str
    arms: Mapping[str, Callable[[], float]]
    rounds: int | None = None
    note: str = ""

    def measure(self, rounds: int) -> dict[str, list[float]]:
        """Return the numbers of each arm; arms take turns, every second round backwards."""
        found: dict[str, list[float]] = {name: [] for name in self.arms}
        for number in range(self.rounds or rounds):
            for name, arm in list(self.arms.items())[:: 1 if number % 2 == 0 else -1]:
                found[name].append(arm())
        return found

    def text(self, found: Mapping[str, Sequence[float]]) -> str:
        """Return the table in Markdown: medians, ratios round by round, and their range."""
        base = next(iter(found.values()))
        lines = [f"## {self.title}", ""]
        lines += [f"| arm | median, {self.unit} | ratio | range of ratios | rounds |"]
        lines += ["|---|---|---|---|---|"]
        for name, numbers in found.items():
            ratios = [one / first for one, first in zip(numbers, base, strict=True)]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            middle = statistics.median(ratios)
            row = (name, f"{statistics.median(numbers):.4g}", f"{middle:.2f}", spread, len(numbers))
            lines.append(f"| {' | '.join(map(str, row))} |")
        return "\n".join([*lines, "", *([self.note, ""] if self.note else [])])


def spoken(command: Sequence[str], cwd: Path = ROOT) -> str:
    """Return what a command prints, in this environment without what it says of threads."""
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def numbers(command: Sequence[str], cwd: Path = ROOT) -> list[float]:
    """Return the numbers that a command prints."""
    return [float(word) for word in spoken(command, cwd).split()]


def epoch_s(*words: str) -> float:
    """Return the median seconds of our epochs after the first, in a process of its own."""
    return statistics.median(numbers([sys.executable, "-m", "scripts.bench.epochs", *words])[1:])


def script(options: Namespace, name: str) -> Path | None:
    """Return a hand-written loop of the reference folder; None, and a line, where it is not."""
    found: Path = options.reference / name
    if found.exists():
        return found
    print(f"left out: {found} is not there")
    return None
