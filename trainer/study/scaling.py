"""Images per second of one process, of ddp and of dp: the same model, the same batch of a step.

Each arm is the program as people start it, a few epochs on synthetic images; its figure is the
median over rounds of the best epoch after the first, arms taken in turn. Efficiency is the rate
over that of one process times the devices. What this machine cannot do is named.
"""

from __future__ import annotations

import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer.core.environment import cores, load_text
from trainer.core.errors import TrainerError
from trainer.record.provenance import git_state, host, versions
from trainer.record.runs import read_runs
from trainer.record.tables import markdown_table

OVERRIDES = (
    *("data=synthetic", "data.num_train=4096", "data.num_test=64", "data.image_shape=[3,32,32]"),
    *("model=resnet9", "model.width=16", "batch_size=256", "report_test=false", "threads=1"),
)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


@dataclass(frozen=True)
class ScalingArm:
    """One way to train.

    Attributes:
        name: for the table.
        command: what starts it, up to its words.
        devices: that it computes on.
    """

    name: str
    command: tuple[str, ...]
    devices: int


def arms(processes: Sequence[int], gpus: int) -> tuple[list[ScalingArm], list[str]]:
    """Return what can be run here, and what cannot, with the reason."""
    program = (sys.executable, "-m", "trainer")
    able = [ScalingArm("single", (*program, "strategy=single"), 1)]
    unable = []
    for number in processes:
        name = f"ddp, {number} processes ({'NCCL' if gpus else 'gloo'})"
        if gpus and number > gpus:
            unable.append(f"{name}: {gpus} GPUs")
        else:
            line = (*TORCHRUN, str(number), "-m", "trainer", "strategy=ddp")
            able.append(ScalingArm(name, line, number))
    if gpus >= 2:
        able.append(ScalingArm(f"dp, {gpus} GPUs", (*program, "strategy=dp"), gpus))
    else:
        unable.append(f"dp: needs two GPUs, there are {gpus}")
    if not gpus:
        unable.append("ddp by NCCL: there is no GPU")
    return able, unable


def rate(arm: ScalingArm, overrides: Sequence[str]) -> float:
    """Return the images per second of an arm's best epoch after the first."""
    with tempfile.TemporaryDirectory() as folder:
        line = [*arm.command, *overrides, f"hydra.run.dir={folder}/run"]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode:
            raise TrainerError(f"{shlex.join(line)}\n{done.stderr}")
        (row,) = read_runs(folder)
        return max(epoch.images_per_s or 0.0 for epoch in row.epochs[1:])


def table(found: dict[ScalingArm, list[float]]) -> str:
    """Return the figures as a table of Markdown."""
    base = statistics.median(next(iter(found.values())))
    rows = []
    for arm, rates in found.items():
        median = statistics.median(rates)
        spread, times = f"{min(rates):.0f} to {max(rates):.0f}", median / base
        shares = (f"{times:.2f}", f"{times / arm.devices:.0%}")
        rows.append((arm.name, f"{median:.0f}", spread, *shares))
    heads = ("arm", "images/s", "range over rounds", "speed-up", "efficiency")
    return markdown_table(heads, rows)


def machine(gpus: int) -> str:
    """Return what was measured on, in one line."""
    found = ", ".join(f"{k} {v}" for k, v in versions().items())
    devices = torch.cuda.get_device_name(0) if gpus else host().get("processor", platform.machine())
    commit = (git_state()[0] or {}).get("commit", "unknown")
    where = f"{devices}; {cores()} cores, {gpus} GPUs, {load_text()}"
    return f"{where}; {found}; commit {str(commit)[:12]}"


def measure(overrides: Sequence[str], processes: Sequence[int], rounds: int, command: str) -> str:
    """Measure every arm that this machine can run, and return the page in Markdown.

    Args:
        overrides: of all arms.
        processes: of ddp, one arm each.
        rounds: how often each arm is run.
        command: that made the page.

    Raises:
        TrainerError: if a run fails.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    able, unable = arms(processes, gpus)
    found: dict[ScalingArm, list[float]] = {arm: [] for arm in able}
    for _ in range(rounds):
        for arm in able:
            found[arm].append(rate(arm, overrides))
    parts = [
        "# Scaling: one process, ddp and dp on the same model and global batch",
        f"`{command}`",
        f"{machine(gpus)}. Overrides: `{' '.join(overrides)}`. Median of {rounds} rounds, arms in "
        "turn; the best epoch after the first.",
        table(found),
        "Not run on this machine:",
        "\n".join(f"- {line}" for line in unable),
    ]
    return "\n\n".join(parts) + "\n"
