"""Runs that are finished already, found by their key in the folders of runs: the only record of
results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trainer.record import RunRow, is_skipped, read_summary

RESULTS = ("completed", "diverged")  # what ended so has a result


def has_result(row: object) -> bool:
    """Return whether what is known of a job is the record of a run that came to a result."""
    return isinstance(row, RunRow) and row.status in RESULTS


def is_result(path: Path) -> bool:
    """Return whether a folder is that of a run that came to a result; one that a killed writer left
    half made, or half cleared, is not."""
    return (path / "config.yaml").is_file() and read_summary(path).get("status") in RESULTS


def finished_runs(root: Path) -> dict[str, Path]:
    """Return the runs below a folder that have a result, by key; of several the first by name.

    Links are not followed: what they lead to stands elsewhere in its own right.
    """
    found: dict[str, Path] = {}
    for path in folders(root):
        key = key_of_finished(path)
        if key is not None:
            found.setdefault(key, path)
    return found


def folders(root: Path) -> Iterator[Path]:
    """Yield every folder below one that says how a run ended, in the order of their names."""
    for place, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not is_skipped(name))
        if "summary.json" in files:
            yield Path(place)


def key_of_finished(path: Path) -> str | None:
    """Return the key of a run that has a result, None of any other."""
    summary = read_summary(path)
    key = summary.get("key")
    return key if is_result(path) and isinstance(key, str) else None
