"""Downloads that give up in time."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

TIMEOUT_S = 10  # of one network operation: a refused network is one message, not minutes of silence


@contextlib.contextmanager
def short_timeout() -> Iterator[None]:
    """Give up on a silent network after seconds: torch and torchvision pass no timeout of their
    own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
