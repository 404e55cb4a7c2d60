"""Run the fast tests with other versions than the locked ones, and print a table.

Usage: python -m scripts.test_matrix [name ...] [--keep]
(makes an environment for each under .matrix/: minutes and 6 GB)
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".matrix"
TESTS = ("-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-m", "not slow")
SHOWN = ("torch", "torchvision", "numpy", "hydra-core", "omegaconf")


@dataclass(frozen=True)
class Environment:
    """What is tried.

    Attributes:
        python: program that makes the environment.
        wanted: requirements besides the project's own ranges, the newest of which are taken.
    """

    python: str = "python3"
    wanted: tuple[str, ...] = ()


MATRIX = {
    "newest": Environment(),
    "python-3.12": Environment("python3.12"),
    "python-3.13": Environment("python3.13"),
    "python-3.14": Environment("python3.14"),
    "hydra-1.4": Environment(wanted=("hydra-core>=1.4.0rc1", "omegaconf>=2.4.0rc1")),
    "torch-2.10": Environment(wanted=("torch==2.10.*", "torchvision==0.25.*")),
}


def prepare(name: str, environment: Environment) -> Path:
    """Make an environment and return its Python."""
    place = PLACE / name
    subprocess.run([environment.python, "-m", "venv", "--clear", place], check=True)
    python = place / "bin" / "python"
    wanted = [f"{ROOT}[test]", *environment.wanted]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "tricks-trainer"], check=True)
    return python


def versions(python: Path) -> str:
    """Return the versions that matter of an environment."""
    code = f"import importlib.metadata as m; print(*map(m.version, {SHOWN}))"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return " ".join(f"{n} {v}" for n, v in zip(SHOWN, done.stdout.split(), strict=True))


def attempt(name: str, environment: Environment, *, keep: bool) -> tuple[str, bool]:
    """Return a row of the table on one environment, and whether its tests passed."""
    if shutil.which(environment.python) is None:
        return f"| {name} | {environment.python} is not installed here | | |", True
    start = time.monotonic()
    try:
        python = prepare(name, environment)
    except subprocess.CalledProcessError as error:
        return f"| {name} | could not be installed ({error.returncode}) | | |", False
    done = subprocess.run(
        [python, *TESTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    (PLACE / f"{name}.log").write_text(done.stdout)
    last = re.sub(r"[= ]*\n?$", "", done.stdout.strip().rsplit("\n", 1)[-1])
    row = f"| {name} | {versions(python)} | {last} | {time.monotonic() - start:.0f} s |"
    if not keep:
        shutil.rmtree(PLACE / name)
    return row, done.returncode == 0


def main() -> None:
    """Try what was named, or everything, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m scripts.test_matrix")
    parser.add_argument("name", nargs="*", help=f"of {', '.join(MATRIX)}; by default all")
    parser.add_argument("--keep", action="store_true", help="leave the environments")
    options = parser.parse_args()
    for name in options.name:
        if name not in MATRIX:
            parser.error(f"no environment {name}; there are {', '.join(MATRIX)}")
    print("| environment | versions | fast tests | time |\n|---|---|---|---|", flush=True)
    all_passed = True
    for name in options.name or MATRIX:
        row, passed = attempt(name, MATRIX[name], keep=options.keep)
        print(row, flush=True)
        all_passed &= passed
    sys.exit(not all_passed)


if __name__ == "__main__":
    main()
