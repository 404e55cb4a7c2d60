"""Write the lock files: every package that a fresh install of setup.cfg brings, with its version.

Usage: python -m scripts.lock        (makes a temporary environment; some minutes and 6 GB)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINUX_ONLY = ("nvidia-", "cuda-", "triton")
EXTRAS = (
    ("", "requirements.lock"),
    ("[test]", "requirements-test.lock"),
    ("[test,docs]", "requirements-docs.lock"),
)
HEADER = """\
# Written by `make lock`: what a fresh install brings, used by make and CI.
# Loose ranges are in setup.cfg.
"""


def frozen(python: Path) -> list[str]:
    """Return `name==version` of every package in an environment, those of CUDA marked as
    Linux's."""
    done = subprocess.run(
        [python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    )
    lines = [
        line.split("+")[0]
        for line in done.stdout.splitlines()
        if "==" in line and "tricks-trainer" not in line
    ]
    return [f'{p}; sys_platform == "linux"' if p.startswith(LINUX_ONLY) else p for p in lines]


def main() -> None:
    """Install into a temporary environment, first the package, then its test tools, then those of
    the site, and write what came."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        for extra, name in EXTRAS:
            subprocess.run([python, "-m", "pip", "install", "-q", f"{ROOT}{extra}"], check=True)
            (ROOT / name).write_text(HEADER + "\n".join(frozen(python)) + "\n")


if __name__ == "__main__":
    main()
