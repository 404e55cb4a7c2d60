"""The file in a sweep's folder that lists its jobs, read as data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainer.core.errors import ConfigError, NotFound
from trainer.core.yaml_files import Loader, check_events

SWEEP_FILE = "sweep.yaml"

MAX_BYTES = 64_000_000  # a hundred thousand jobs


@dataclass(frozen=True)
class JobOverrides:
    """What a sweep says of one job; the arm is empty where the sweep has none."""

    overrides: tuple[str, ...]
    arm: str = ""


def read_sweep(folder: Path) -> list[JobOverrides]:
    """Return the jobs that a sweep's folder lists, in the order of their numbers.

    Raises:
        NotFound: if there is no such sweep.
        ConfigError: if the list is not one.
    """
    path = folder / SWEEP_FILE
    if not path.is_file():
        raise NotFound(f"no sweep at {folder}: there is no {SWEEP_FILE} in it")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes: not a list of jobs")
        text = path.read_text(encoding="utf-8")
        check_events(path, yaml.parse(text, Loader=Loader))
        content = yaml.load(text, Loader=Loader)  # safe: it makes plain data only
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    if not isinstance(content, list) or not content:
        raise ConfigError(f"{path} must list jobs")
    return [job_of(number, entry, path) for number, entry in enumerate(content)]


def job_of(number: int, entry: Any, path: Path) -> JobOverrides:
    """Return one entry of the list; raise ConfigError if it is none."""
    overrides = entry.get("overrides") if isinstance(entry, dict) else None
    if (
        not isinstance(overrides, list)
        or not all(isinstance(text, str) for text in overrides)
        or entry.get("job") != number
        or not isinstance(entry.get("arm", ""), str)
    ):
        raise ConfigError(f"{path}: entry {number} must hold job: {number} and overrides: [...]")
    if any(override.lstrip("+").startswith("plugins") for override in overrides):
        raise ConfigError(f"{path}: plugins are named on the command line, never in a file")
    return JobOverrides(tuple(overrides), entry.get("arm", ""))
