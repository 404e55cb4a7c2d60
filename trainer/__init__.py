"""A config-driven experiment runner for the tricks of training neural networks on images."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from trainer._version import __version__

STARTED = time.perf_counter()
__all__ = ["__version__", "compose", "load", "read_runs", "run_jobs", "train"]

if TYPE_CHECKING:
    from trainer.api import compose, load, train
    from trainer.record.runs import read_runs
    from trainer.sweep.runner import run_jobs


def __getattr__(name: str) -> Any:
    """Import the public functions where they are used: `import trainer` alone stays instant."""
    if name in ("compose", "load", "train"):
        from trainer import api

        return getattr(api, name)
    if name == "read_runs":
        from trainer.record.runs import read_runs

        return read_runs
    if name == "run_jobs":
        from trainer.sweep.runner import run_jobs

        return run_jobs
    raise AttributeError(f"module 'trainer' has no attribute '{name}'")
