"""Runs that are finished already, found by their key in the folders of runs: the only record of
results."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.checkpoint.weights import read_all
from trainer.config.compare import decisive_values, leaves
from trainer.config.run_config import RunConfig
from trainer.core.convert import plain_choice
from trainer.core.environment import World
from trainer.core.errors import TrainerError
from trainer.core.yaml_files import is_within, read_yaml
from trainer.precision.step import build_precision
from trainer.record.runs import RunRow, is_skipped, read_summary
from trainer.record.sweep_file import SWEEP_FILE
from trainer.run.context import read_images
from trainer.run.device import choose_device
from trainer.run.fork import read_fork
from trainer.run.identity import UNRELATED, result_key, sources_of
from trainer.strategy.base import Single

RESULTS = ("completed", "diverged")  # what ended so has a result


def has_result(row: object) -> bool:
    """Return whether what is known of a job is the record of a run that came to a result."""
    return isinstance(row, RunRow) and row.status in RESULTS


def is_result(path: Path, summary: Mapping[str, Any] | None = None) -> bool:
    """Return whether a folder is that of a run that came to a result, as its summary says; one that
    a killed writer left half made, or half cleared, is not."""
    known = read_summary(path) if summary is None else summary
    return known.get("status") in RESULTS and (path / "config.yaml").is_file()


@dataclass(frozen=True)
class Finished:
    """Runs that have a result.

    Attributes:
        by_key: their folders; of several with one key the first by name.
        by_overrides: the same by the overrides of their command lines, in whatever order; of
            several the last, whose name has the latest date.
    """

    by_key: dict[str, Path] = field(default_factory=dict)
    by_overrides: dict[frozenset[str], Path] = field(default_factory=dict)


def finished_runs(*places: Path) -> Finished:
    """Return the runs below folders that have a result.

    Links are not followed: what they lead to stands elsewhere in its own right.
    """
    found = Finished()
    for path in (path for place in places for path in folders(place)):
        summary = read_summary(path)
        key, overrides = summary.get("key"), summary.get("overrides", [])
        if key is not None and is_result(path, summary):
            found.by_key.setdefault(key, path)
            found.by_overrides[frozenset(map(str, overrides))] = path
    return found


def places_beside(folder: Path, outputs: Path) -> list[Path]:
    """Return where runs are looked for that a sweep may reuse: the folder of all results, and, for
    a sweep that has its folder elsewhere, that folder and the sweeps beside it; never all that lies
    around there."""
    outputs = outputs.absolute()
    found = [outputs] if outputs.is_dir() else []
    if folder.is_relative_to(outputs):
        return found
    with contextlib.suppress(OSError):  # a folder that may be entered, but not be listed
        found += sorted(file.parent for file in folder.parent.glob(f"[!.]*/{SWEEP_FILE}"))
    return found if folder in found else [*found, folder]


def is_same_but_sources(path: Path, config: RunConfig) -> bool:
    """Return whether a run was configured alike, as far as both versions of the program have the
    same keys: if its key is another, then it was made by other sources or versions, or of other
    images or weights."""
    try:
        then = dict(leaves(read_yaml(path / "config.yaml")))
    except TrainerError:  # damaged
        return False
    now = dict(leaves(config.plain()))
    common = {key for key in then.keys() & now.keys() if not is_within(key, UNRELATED)}
    is_alike = "model.name" in common and all(then[key] == now[key] for key in common)
    processes = config.strategy.launch.processes or 1
    return is_alike and read_summary(path).get("world_size", 1) == processes


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
    return key if isinstance(key, str) and is_result(path, summary) else None


def predicted_key(config: RunConfig) -> str:
    """Return the key that a run with this configuration will have.

    Raises:
        TrainerError: if the images or weights that it needs cannot be read: so will the run.
    """
    world = World()
    device = choose_device(config.device, world)
    fork = read_fork(config)
    origins = {k: o for k, o in config.origins().items() if fork is None or k != "init_from"}
    weights = read_all(origins, plain_choice(config.model), Single(world))
    sums = {key: read.sha256 for key, read in weights.items()}
    return result_key(
        decisive_values(config, UNRELATED),
        fingerprint=read_images(config).fingerprint,
        weights={**sums, **(fork.weights_read if fork else {})},
        device=device.type,
        precision=build_precision(config.precision, device).name,
        sources=sources_of(config),
        world_size=config.strategy.launch.processes or 1,
    )
