"""What making a figure or table gave, kept beside its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.core.files import replace_text

FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """What making a figure or table gave.

    Attributes:
        command: that makes it by itself.
        sentences: that the numbers allow.
        power: whether it was run with as many seeds and trials as were stated beforehand.
        ours: our numbers as text, by the name that references call them.
        files: in the item's folder, pictures first.
        runs: that the numbers come from.
        seconds: of processor time that these runs took, made now or before.
    """

    command: str
    sentences: tuple[str, ...]
    power: str
    ours: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    runs: int = 0
    seconds: float = 0.0


def save(outcome: Outcome, folder: Path, key: str) -> None:
    """Keep an outcome in its folder, under what it depends on."""
    replace_text(folder / FILE, json.dumps({"key": key, **asdict(outcome)}, indent=1) + "\n")


def forget(folder: Path) -> None:
    """Drop an outcome whose files are about to be made again: a program that was stopped meanwhile
    would take those that are half new for its own."""
    (folder / FILE).unlink(missing_ok=True)


def saved(folder: Path, key: str) -> Outcome | None:
    """Return the outcome that was kept under the same key, if its files are all there."""
    try:
        tree: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if tree.pop("key", None) != key:
        return None
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in tree.items()}
    made = Outcome(**plain)
    return made if all((folder / file).is_file() for file in made.files) else None
