"""How this program was started, for messages that name a command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def program() -> str:
    """Return the words that start this program: `trainer` or `python -m trainer`."""
    return "trainer" if Path(sys.argv[0]).name == "trainer" else "python -m trainer"


def command_line(*arguments: str) -> str:
    """Return a line for the shell that calls this program as it was called."""
    return f"{program()} {shlex.join(arguments)}".rstrip()
