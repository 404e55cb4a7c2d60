"""An end to waiting for ever."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from tests.command import PATIENCE_S


@contextlib.contextmanager
def within(seconds: int = PATIENCE_S) -> Iterator[None]:
    """Raise AssertionError in the main thread if something is not done in time."""

    def late(*_: object) -> None:
        raise AssertionError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
