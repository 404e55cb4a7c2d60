"""A config-driven experiment runner for the tricks of training neural networks on images."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

from trainer._version import __version__

STARTED = time.perf_counter()
__all__ = ["__version__", "compose", "load", "read_runs", "run_jobs", "train"]
HOMES = {
    **dict.fromkeys(("compose", "load", "train"), "trainer.api"),
    "read_runs": "trainer.record.runs",
    "run_jobs": "trainer.sweep.runner",
}

if TYPE_CHECKING:
    from trainer.api import compose, load, train
    from trainer.record.runs import read_runs
    from trainer.sweep.runner import run_jobs


def __getattr__(name: str) -> Any:
    """Import the public functions where they are used: `import trainer` alone stays instant."""
    if name not in HOMES:
        raise AttributeError(f"module 'trainer' has no attribute '{name}'")
    return getattr(importlib.import_module(HOMES[name]), name)
