"""Checks of single values that need no data and no torch."""

from __future__ import annotations

from pathlib import Path

from trainer.convert import shown
from trainer.duration import Duration
from trainer.errors import ConfigError


def check_name(name: str) -> None:
    """Raise ConfigError unless an experiment's name is one folder's name."""
    path = Path(name)
    if (
        not name
        or len(name.encode()) > 120
        or path.name != name
        or name.startswith(".")
        or not name.isprintable()
    ):
        raise ConfigError(
            "name must be a folder's name (no slash, not hidden, at most 120 bytes), "
            f"got {shown(name)}"
        )


def check_fits(key: str, duration: Duration, length: tuple[float, int | None]) -> None:
    """Raise ConfigError if something starts after the run's end, as far as that can be told without
    the data.

    Args:
        key: the key that the duration was written under.
        duration: from the start of the run.
        length: `epochs` and `max_steps` of the run.
    """
    epochs, max_steps = length
    share = {"ep": duration.value / epochs, "%": duration.value / 100, "st": 0.0}[duration.unit]
    if duration.unit == "st" and max_steps is not None:
        share = duration.value / max_steps
    if share >= 1.0:
        told = f"max_steps={max_steps}" if duration.unit == "st" else f"epochs={epochs:g}"
        raise ConfigError(f"{key}={duration} is as long as the run ({told}) or longer: shorten it")
