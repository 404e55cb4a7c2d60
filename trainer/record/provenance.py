"""What produced a result: versions, sources, machine, and the key that says when two runs must
agree."""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from trainer import __version__
from trainer.core.environment import cores

PACKAGE = Path(__file__).resolve().parents[1]

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "hydra-core",
    "omegaconf",
    "safetensors",
    "tensorboard",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, of this program and of what it stands on."""
    found = {"python": platform.python_version(), "trainer": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["torch"] = torch.__version__  # with its build, such as +cu130
    return found


def git(*words: str) -> str | None:
    """Return what a git command prints about the checkout of this program, or None where there is
    none."""
    if not (PACKAGE.parent / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=PACKAGE.parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # what differs may be text of any encoding
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def as_new(name: str) -> str:
    """Return the difference that a file makes which git does not track yet, named from its top."""
    top = Path((git("rev-parse", "--show-toplevel") or ".").strip())
    try:
        lines = (top / name).read_text(encoding="utf-8", errors="replace").splitlines(True)
    except OSError:
        lines = []
    return "".join(difflib.unified_diff([], lines, "/dev/null", f"b/{name}"))


@functools.cache
def git_state() -> tuple[dict[str, Any] | None, str]:
    """Return the commit and whether the checkout is clean (None where there is no checkout), and
    what differs from it."""
    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None, ""
    status = git("status", "--porcelain", "--untracked-files=all") or ""
    changed = [line for line in status.splitlines() if not line.startswith("??")]
    difference = (git("diff", "HEAD") or "") if changed else ""
    new = [line[3:].strip('"') for line in status.splitlines() if line.startswith("??")]
    difference += "".join(map(as_new, (name for name in new if name.endswith((".py", ".yaml")))))
    return {"commit": commit.strip(), "clean": not difference}, difference


def host() -> dict[str, str | int]:
    """Return the machine's name, system, processor and cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "processor": model,
        "cores": cores(),
    }


def device_name(device: torch.device) -> str:
    """Return the device as people name it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
