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
        or len(name.encode(errors="replace")) > 120
        or path.name != name
        or name.startswith(".")
        or not name.isprintable()
    ):
        raise ConfigError(
            "name must be a folder's name (no slash, not hidden, at most 120 bytes), "
            f"got {shown(name)}"
        )


def check_seed(seed: int) -> None:
    """Raise ConfigError unless a seed is a number that every record and generator can hold."""
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be from 0 to 2**63 - 1, got {shown(seed)}")


def check_fits(key: str, duration: Duration, length: tuple[float, int | None]) -> None:
    """Raise ConfigError if something starts after the run's end, as far as that can be told without
    the data.

    Args:
        key: the key that the duration was written under.
        duration: from the start of the run.
        length: `epochs` and `max_steps` of the run.
    """
    share, told = share_of_run(duration, length)
    if share >= 1.0:
        raise ConfigError(f"{key}={duration} is as long as the run ({told}) or longer: shorten it")


def check_ends(key: str, duration: Duration, length: tuple[float, int | None]) -> None:
    """Raise ConfigError if something would end only after the run does; arguments as above."""
    share, told = share_of_run(duration, length)
    if share > 1.0:
        raise ConfigError(f"{key}={duration} is longer than the run ({told}): shorten it")


def share_of_run(duration: Duration, length: tuple[float, int | None]) -> tuple[float, str]:
    """Return the share of the run that a duration is, 0 where only the data could tell, and the
    length of the run in words."""
    epochs, max_steps = length
    if duration.unit == "st":
        return duration.value / max_steps if max_steps is not None else 0.0, f"{max_steps=}"
    share = duration.value / (100 if duration.unit == "%" else epochs)
    return share, f"epochs={epochs:g}"
