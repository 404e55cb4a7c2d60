"""The attacks of kills, corruptions and command lines on a plain loop, to compare with.

Usage: python -m tests.chaos.plain_attacks [--kills 300] [--corruptions 1000] [--lines 1000]
       [--seed N] [--report FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from tests.chaos import plain
from tests.chaos.lines import typo
from tests.forked import leave_after


@dataclass(frozen=True)
class Kills:
    """What kills did to it: trials, runs that ended with other weights, runs that could not go
    on."""

    trials: int
    differing: int
    stuck: int


def start(overrides: Sequence[str], err: Path) -> int:
    """Start the loop in a fork of this process, which has imported everything; return its
    number."""
    child = os.fork()
    if child == 0:
        leave_after(lambda: plain.main(overrides), Path(os.devnull), err)
    return child


def end(child: int) -> int:
    """Wait for a process and return its exit code, minus the signal's number if one killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(folder: Path, *, kill_after_s: float | None = None) -> int:
    """Run the loop, to its end or to a kill some time after its first save; return its code."""
    child = start(["--out", str(folder)], folder.with_suffix(".err"))
    if kill_after_s is not None:
        deadline = time.monotonic() + 60.0
        while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)  # not reaped yet, so the number is still its own
    return end(child)


def attack_by_kills(trials: int, seed: int, place: Path) -> Kills:
    """Kill it between its first save and its end, let it go on, and compare with an uninterrupted
    run."""
    draw = random.Random(seed)
    start_s = time.monotonic()
    assert run(place / "whole") == 0
    span_s, whole = time.monotonic() - start_s, digest(place / "whole")
    differing = stuck = done = attempt = 0
    while done < trials:
        folder, attempt = place / f"killed-{attempt}", attempt + 1
        if run(folder, kill_after_s=draw.uniform(0.0, 0.8 * span_s)) == 0:
            continue  # it was faster
        done += 1
        if run(folder) != 0:
            stuck += 1
        else:
            differing += digest(folder) != whole
    return Kills(trials, differing, stuck)


def digest(folder: Path) -> str:
    """Return the SHA-256 of the final weights."""
    weights = torch.load(folder / "final.pt", weights_only=True)
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(weights[name].numpy().tobytes())
    return total.hexdigest()


def attack_by_corruption(trials: int, seed: int) -> int:
    """Flip one bit of what `torch.save` wrote, that many times; return how often other numbers were
    loaded without a word."""
    draw = random.Random(seed)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(8, 64)).sum().backward()
    optimizer.step()
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    content = buffer.getvalue()
    good = torch.load(io.BytesIO(content), weights_only=True)
    silent = 0
    for _ in range(trials):
        bad = bytearray(content)
        bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        try:
            loaded = torch.load(io.BytesIO(bytes(bad)), weights_only=True)
            silent += not is_same(loaded, good)
        except Exception:
            continue
    return silent


def is_same(one: object, other: object) -> bool:
    """Return whether two trees of plain data and tensors agree bit for bit."""
    if torch.is_tensor(one) and torch.is_tensor(other):
        return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other


@dataclass(frozen=True)
class Lines:
    """How bad lines were answered: how many were tried, ran all the same, ended with a traceback,
    left a folder; how many had one wrong letter, and were told the right word."""

    tried: int
    accepted: int
    tracebacks: int
    left: int
    typos: int
    told: int


VALUES = {
    "--lr": ("nan", "-1", "inf", "fast"),
    "--momentum": ("2", "nan", "-1", "much"),
    "--batch-size": ("0", "-3", "1.5", "many"),
    "--epochs": ("-2", "2.5", "nan"),
    "--weight-decay": ("-1", "nan", "much"),
    "--optimizer": ("adamm", "sdg", "3"),
}


def attack_by_lines(count: int, seed: int, place: Path) -> Lines:
    """Try bad lines, a third of them with one wrong letter in an option, the rest with a value of
    the wrong type or out of range."""
    draw = random.Random(seed)
    accepted = tracebacks = left = typos = told = 0
    for number in range(count):
        option = draw.choice(sorted(VALUES))
        overrides: Sequence[str] = (option, draw.choice(VALUES[option]))
        if number % 3 == 0:
            overrides = (f"--{typo(option[2:], draw)}", "1")
        folder, err = place / f"line-{number}", place / f"line-{number}.err"
        code = end(start(["--out", str(folder), *overrides], err))
        said = err.read_text()
        accepted += code == 0
        tracebacks += "Traceback" in said
        left += folder.exists()
        if number % 3 == 0:
            typos += 1
            told += f"'{option}'" in said or f"mean {option}" in said
    return Lines(count, accepted, tracebacks, left, typos, told)


def main() -> None:
    """Attack, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.plain_attacks")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--corruptions", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="write it here, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    silent = attack_by_corruption(options.corruptions, options.seed)
    found: dict[str, object] = {
        "seed": options.seed,
        "corruptions": {"trials": options.corruptions, "silent": silent},
    }
    with tempfile.TemporaryDirectory(prefix="plain-") as place:
        found["lines"] = asdict(attack_by_lines(options.lines, options.seed, Path(place)))
        found["kills"] = asdict(attack_by_kills(options.kills, options.seed, Path(place)))
    text = json.dumps(found, indent=1)
    print(text)
    if options.report is not None:
        options.report.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
