"""Images per second of one process, of ddp and of dp: the same model, the same batch of a step.

Usage: python -m scripts.scaling [--words "model=resnet9 ..."] [--processes 2,4] [--epochs 3]
       [--rounds 3] [--out docs/results/scaling]

Each arm is the program as people start it, a few epochs on synthetic images; its figure is the
median over rounds of the best epoch after the first, arms taken in turn. Efficiency is the rate
over that of one process times the devices. What this machine cannot do is named.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = (
    "data=synthetic data.num_train=4096 data.num_test=64 data.image_shape=[3,32,32] model=resnet9 "
    "model.width=16 batch_size=256 report_test=false threads=1"
)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: for the table.
        command: what starts it, up to its words.
        devices: that it computes on.
    """

    name: str
    command: tuple[str, ...]
    devices: int


def arms(processes: Sequence[int], gpus: int) -> tuple[list[Arm], list[str]]:
    """Return what can be run here, and what cannot, with the reason."""
    program = (sys.executable, "-m", "trainer")
    able = [Arm("single", (*program, "strategy=single"), 1)]
    unable = []
    for number in processes:
        name = f"ddp, {number} processes ({'NCCL' if gpus else 'gloo'})"
        if gpus and number > gpus:
            unable.append(f"{name}: {gpus} GPUs")
        else:
            line = (*TORCHRUN, str(number), "-m", "trainer", "strategy=ddp")
            able.append(Arm(name, line, number))
    if gpus >= 2:
        able.append(Arm(f"dp, {gpus} GPUs", (*program, "strategy=dp"), gpus))
    else:
        unable.append(f"dp: needs two GPUs, there are {gpus}")
    if not gpus:
        unable.append("ddp by NCCL: there is no GPU")
    return able, unable


def rate(arm: Arm, overrides: Sequence[str]) -> float:
    """Return the images per second of an arm's best epoch after the first."""
    from trainer import read_runs

    with tempfile.TemporaryDirectory() as folder:
        line = [*arm.command, *overrides, f"hydra.run.dir={folder}/run"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{shlex.join(line)}\n{done.stderr}")
        (row,) = read_runs(folder)
        return max(epoch.images_per_s or 0.0 for epoch in row.epochs[1:])


def table(found: dict[Arm, list[float]]) -> str:
    """Return the figures as a table of Markdown."""
    base = statistics.median(next(iter(found.values())))
    lines = [
        "| arm | images/s | range over rounds | speed-up | efficiency |",
        "|---|---|---|---|---|",
    ]
    for arm, rates in found.items():
        median = statistics.median(rates)
        speed_up = median / base
        lines.append(
            f"| {arm.name} | {median:.0f} | {min(rates):.0f} to {max(rates):.0f} "
            f"| {speed_up:.2f} | {speed_up / arm.devices:.0%} |"
        )
    return "\n".join(lines)


def machine(gpus: int) -> str:
    """Return what was measured on, in one line."""
    import torch

    from trainer.core.environment import cores
    from trainer.record.provenance import git_state, host, versions

    told = ", ".join(f"{k} {v}" for k, v in versions().items())
    devices = torch.cuda.get_device_name(0) if gpus else host().get("processor", platform.machine())
    commit = (git_state()[0] or {}).get("commit", "unknown")
    return f"{devices}; {cores()} cores, {gpus} GPUs; {told}; commit {str(commit)[:12]}"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--words", default=WORDS, help="of the command line, for all arms")
    parser.add_argument("--processes", default="2,4", help="of ddp, separated by commas")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for README.md")
    options = parser.parse_args()
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    able, unable = arms([int(n) for n in options.processes.split(",")], gpus)
    overrides = [*shlex.split(options.overrides), f"epochs={options.epochs}"]
    found: dict[Arm, list[float]] = {arm: [] for arm in able}
    for _ in range(options.rounds):
        for arm in able:
            found[arm].append(rate(arm, overrides))
    text = "\n".join(
        [
            "# Scaling: one process, ddp and dp on the same model and global batch",
            "",
            f"`python -m scripts.scaling {shlex.join(sys.argv[1:])}`".replace(" `", "`"),
            "",
            f"{machine(gpus)}. Overrides: `{' '.join(overrides)}`. Median of "
            f"{options.rounds} rounds, arms in turn; the best epoch after the first.",
            "",
            table(found),
            "",
            "Not run on this machine:",
            "",
            *(f"- {line}" for line in unable),
            "",
        ]
    )
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "README.md").write_text(text)


if __name__ == "__main__":
    main()
