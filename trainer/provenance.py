"""What produced a result: versions, sources, machine, and the key that says when two runs must
agree."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trainer import __version__
from trainer.distributed import cores

PACKAGE = Path(__file__).resolve().parent
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "hydra-core",
    "omegaconf",
    "safetensors",
    "tensorboard",
)
COMPUTING = ("torchvision", "numpy")  # what numbers come from besides torch: networks, draws
# What a configuration holds that moves no number of the result: paths, logging, worker counts.
UNRELATED = ("name", "checkpoint", "plugins", "device")
UNRELATED_DATA = ("root", "workers", "resident_share")
UNRELATED_STRATEGY = ("start_timeout", "timeout", "processes")


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


@functools.cache
def sources_digest(plugins: tuple[str, ...]) -> str:
    """Return the SHA-256 of the sources of this program and of plugins, as they were when this
    process first asked: those that it runs."""
    total = hashlib.sha256()
    folders = [PACKAGE, *(Path(importlib.import_module(p).__file__ or ".").parent for p in plugins)]
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            total.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def related(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plain configuration without what moves no number of the result."""
    tree = {k: v for k, v in config.items() if k not in UNRELATED}
    for part, unrelated in (("data", UNRELATED_DATA), ("strategy", UNRELATED_STRATEGY)):
        tree[part] = {k: v for k, v in tree[part].items() if k not in unrelated}
    return tree


def result_key(
    config: Mapping[str, Any],
    *,
    fingerprint: str,
    weights: Mapping[str, str],
    device: str,
    precision: str,
    sources: str,
    world_size: int = 1,
    across: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the SHA-256 of everything that determines a result.

    Args:
        config: the plain configuration.
        fingerprint: of the images.
        weights: SHA-256 of those that were read, by the key that names where from.
        device: kind of the device.
        precision: as resolved on it.
        sources: digest of the sources.
        world_size: processes; of one number of them the bits are those of no other.
        across: differences that the run was resumed across; none for one that is exact.
    """
    tree = related(config)
    for key, sha256 in weights.items():  # whatever path they had
        group, _, name = key.rpartition(".")
        tree = {**tree, group: {**tree[group], name: sha256}} if group else {**tree, key: sha256}
    what: list[Any] = [tree, fingerprint, device, precision, sources]
    what += [torch.__version__, *(importlib.metadata.version(name) for name in COMPUTING)]
    if world_size > 1:
        what.append({"world_size": world_size})
    if across:
        what.append(list(across))
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def host() -> dict[str, str | int]:
    """Return the machine's name, system, processor and cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
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
