"""What can go wrong for a user, and the exit code that says so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class TrainerError(Exception):
    """A failure with a message written for people; `exit_code` is what the process ends with.

    Attributes:
        is_own: whether this process, though not the first, must tell it: no other one knows.
        folder: of the run or sweep that it ended, None where there is none.
    """

    exit_code = 1
    is_own = False
    folder: Path | None = None


class ConfigError(TrainerError):
    """The user's mistake: the message names the key, the value and what is allowed."""

    exit_code = 2


class Diverged(TrainerError):
    """Training produced a loss, gradient or weight (`what`) that is not finite, first seen at a
    step counted from 0; `detail` is more of the message, from its blank on."""

    exit_code = 3

    def __init__(self, step: int, what: str = "loss", detail: str = "") -> None:
        super().__init__(f"training diverged: the {what} at step {step} is not finite{detail}")
        self.step = step
        self.parts = (step, what, detail)

    def __reduce__(self) -> tuple[type[Diverged], tuple[int, str, str]]:
        return type(self), self.parts


class NotFound(TrainerError):
    """Nothing to resume, repeat or fork from."""

    exit_code = 4


class DataError(TrainerError):
    """Images are missing, damaged or cannot be decoded; the message names the file."""

    exit_code = 5


class DiskError(TrainerError):
    """The disk is full or read-only; the message names path, bytes needed and bytes free."""

    exit_code = 74


class Stopped(TrainerError):
    """A signal ended the run after a finished step and a checkpoint."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum
        self.exit_code = 128 + signum

    def __reduce__(self) -> tuple[type[Stopped], tuple[str, int]]:
        return type(self), (str(self), self.signum)


class LostProcess(TrainerError):
    """Another process of the run failed, stands still or is gone; the message names its rank.

    Args:
        message: for people.
        trace: the other one's traceback, where it left one.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class LostWorker(TrainerError):
    """A process that reads images ahead is gone or cannot be started; the message says why."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, whatever the case, or None where nothing comes
    close."""
    by_lower: dict[str, str] = {}
    for name in known:
        by_lower.setdefault(name.lower(), name)
    matches = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def unknown(what: str, word: str, known: Iterable[str], meant: str | None = None) -> ConfigError:
    """Return the error for a name that does not exist.

    Args:
        what: kind of name.
        word: as it was written.
        known: names that exist; the nearest is suggested.
        meant: what to write in its place, where that is known.
    """
    names = sorted(known)
    match = nearest(word, names)
    hint = f"write {meant}; " if meant else f"did you mean '{match}'? " if match else ""
    return ConfigError(f"unknown {what} '{word}'; {hint}known: {', '.join(names)}")
