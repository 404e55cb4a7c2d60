"""What the command lines of the studies share: a name and words, a list of the names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

ALL = "all"


def reader(program: str, text: str, known: Sequence[str]) -> argparse.ArgumentParser:
    """Return a reader of command lines that name a study and words for its runs.

    Args:
        program: as the user called it.
        text: the first line of its help.
        known: names.
    """
    made = argparse.ArgumentParser(prog=program, description=text)
    made.add_argument("name", nargs="?", help=", ".join(known))
    made.add_argument("overrides", nargs="*", help="added to every run, such as epochs=30")
    made.add_argument("--out", type=Path, help="folder of pages, tables and pictures")
    return made


def chosen(name: str, known: Sequence[str]) -> list[str]:
    """Return what a name on the command line means: itself, or `all`."""
    return list(known) if name == ALL else [name]


def listing(usage: str, known: Mapping[str, str]) -> str:
    """Return every name with what it is of, below the line that calls for one."""
    width = max(map(len, known))
    return "\n".join([f"usage: {usage}", "", *(f"  {n:{width}}  {t}" for n, t in known.items())])
