"""What produced a result: versions, sources, machine, and the key that says when two runs must
agree."""

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
from trainer.core.environment import cores, text_of

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


MOST_BYTES = 1_000_000  # of a new file, and 20 times that of all that differs: what is kept

TIMEOUT_S = 20


class GitRefuses(Exception):
    """git cannot say what it is asked; the message says why."""


def git(*words: str) -> str:
    """Return what a git command prints about the checkout of this program.

    Raises:
        GitRefuses: with its first line.
    """
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=PACKAGE.parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # what differs may be text of any encoding
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise GitRefuses("there is no git here") from error
    except subprocess.TimeoutExpired as error:
        raise GitRefuses(f"git {words[0]} took more than {TIMEOUT_S} s") from error
    except OSError as error:
        raise GitRefuses(str(error)) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[0]
        raise GitRefuses(f"git refuses ({said.removeprefix('fatal: ')})")
    return done.stdout


def as_new(name: str) -> str:
    """Return the difference that a file makes which git does not track yet, named from its top; of
    a large one its size alone."""
    top = Path(git("rev-parse", "--show-toplevel").strip())
    try:
        size = (top / name).stat().st_size
        if size > MOST_BYTES:
            return f"not read: b/{name}, {size} bytes, which git does not track\n"
        lines = (top / name).read_text(encoding="utf-8", errors="replace").splitlines(True)
    except OSError as error:
        return f"not read: b/{name} ({error.strerror}), which git does not track\n"
    return "".join(difflib.unified_diff([], lines, "/dev/null", f"b/{name}"))


@functools.cache
def git_state() -> tuple[dict[str, Any] | None, str]:
    """Return the commit and whether the checkout is clean, and what differs from it.

    The first is None where there is no checkout; where git does not say it, `unknown` says why.
    """
    if not (PACKAGE.parent / ".git").exists():
        return None, ""
    try:
        commit = git("rev-parse", "HEAD")
        status = git("status", "--porcelain", "-z", "--untracked-files=all").split("\0")
        new = [entry[3:] for entry in status if entry.startswith("?? ")]
        changed = len(new) < len([entry for entry in status if entry])
        difference = git("diff", "HEAD") if changed else ""
        for name in new:
            if name.endswith((".py", ".yaml")) and len(difference) < 20 * MOST_BYTES:
                difference += as_new(name)
        if len(difference) > 20 * MOST_BYTES:
            difference = f"{difference[: 20 * MOST_BYTES]}\nnot kept: all that follows\n"
        return {"commit": commit.strip(), "clean": not difference}, difference
    except GitRefuses as error:
        return {"commit": "unknown", "clean": None, "unknown": str(error)}, ""


def host() -> dict[str, str | int]:
    """Return the machine's name, system, processor with what speed depends on, and cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    features = ", ".join(cpu_features())
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "processor": f"{model} with {features}" if features else model,
        "cores": cores(),
    }


# of a processor, on which the speed of number formats depends, as Linux names them
FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "sve", "bf16")


def cpu_features() -> tuple[str, ...]:
    """Return those of `FEATURES` that this processor has; none where the system does not tell."""
    for line in text_of(Path("/proc/cpuinfo")).splitlines():
        if line.startswith(("flags", "Features")):
            return tuple(name for name in FEATURES if name in line.split())
    return ()


def device_name(device: torch.device) -> str:
    """Return the device as people name it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
