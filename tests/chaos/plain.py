"""What the attacks are measured against: a training loop as they are often written, that saves with
`torch.save` and goes on from what it finds.

Run as `python -m tests.chaos.plain --out FOLDER`, it trains 120 steps of a small network with
dropout, saves every tenth, and ends with `final.pt`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from tests.chaos.lines import typo
from tests.command import environment

STEPS = 120


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--optimizer", default="sgd")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    images, labels = torch.randn(384, 64), torch.randint(0, 10, (384,))
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    per_epoch, step = len(images) // options.batch_size, 0
    saved = options.out / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    while step < options.epochs * per_epoch:
        if step % per_epoch == 0 or saved.exists():
            order = torch.randperm(len(images))
        for batch in order.split(options.batch_size)[step % per_epoch :]:
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            time.sleep(0.002)  # as long as a step of a real network, at least
            if step % 10 == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**state, "step": step}, saved)
    torch.save(model.state_dict(), options.out / "final.pt")


@dataclass(frozen=True)
class Kills:
    """What kills did to it: trials, runs that ended with other weights, runs that could not go
    on."""

    trials: int
    differing: int
    stuck: int


def run(folder: Path, *words: str, kill_after_s: float | None = None) -> int:
    """Run the loop, to its end or to a kill; return its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.plain", "--out", str(folder), *words],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if kill_after_s is not None:
        deadline = time.monotonic() + 60.0
        while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(kill_after_s)
        process.send_signal(signal.SIGKILL)
    return process.wait(timeout=120)


def attack_by_kills(trials: int, seed: int, place: Path) -> Kills:
    """Kill it between its first save and its end, let it go on, and compare with an uninterrupted
    run."""
    draw = random.Random(seed)
    assert run(place / "whole") == 0
    whole = digest(place / "whole")
    differing = stuck = done = 0
    while done < trials:
        folder = place / f"killed-{done}"
        if run(folder, kill_after_s=draw.uniform(0.0, 0.3)) == 0:
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
        words: Sequence[str] = (option, draw.choice(VALUES[option]))
        if number % 3 == 0:
            words = (f"--{typo(option[2:], draw)}", "1")
        folder = place / f"line-{number}"
        command = [sys.executable, "-m", "tests.chaos.plain", "--out", str(folder), *words]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        accepted += done.returncode == 0
        tracebacks += "Traceback" in done.stderr
        left += folder.exists()
        if number % 3 == 0:
            typos += 1
            told += f"'{option}'" in done.stderr or f"mean {option}" in done.stderr
    return Lines(count, accepted, tracebacks, left, typos, told)


if __name__ == "__main__":
    main()
