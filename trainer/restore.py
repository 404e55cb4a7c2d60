"""Going on with a run: from the newest checkpoint that verifies, exactly there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import checkpoint
from trainer.console import Console
from trainer.errors import ConfigError, NotFound, TrainerError
from trainer.state import Run, load_state

MUST_MATCH = ("threads", "world_size", "device", "precision", "data")
VERSIONS = ("torch", "numpy", "trainer")


def restore(run: Run, root: Path, facts: Mapping[str, Any], console: Console) -> None:
    """Put a run where its newest checkpoint found it; one line says what was damaged.

    The first process reads, the others are told: only it needs the folder.

    Args:
        run: freshly assembled from the recorded configuration.
        root: the run's `checkpoints` folder.
        facts: what must be as it was, by name.
        console: of this process.

    Raises:
        NotFound: if no checkpoint verifies.
        ConfigError: if the newest was made in a way that cannot be continued bit for bit here.
    """
    parts: tuple[Any, ...] | TrainerError = ()
    if run.strategy.world.rank == 0:
        found, damaged = checkpoint.newest(root)
        for path in damaged:
            console.say(f"{path.name} is damaged and was passed over", style="yellow")
        if found is None:
            parts = NotFound(f"nothing to resume: no checkpoint in {root} verifies")
        else:
            parts = misfit(found.manifest, facts) or (
                found.state(),
                found.weights(),
                found.averaged(),
            )
    parts = run.strategy.share(parts)
    if isinstance(parts, TrainerError):
        raise parts
    load_state(run, *parts)
    console.say(f"resumed at step {run.state.window} of {run.total}")


def misfit(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> ConfigError | None:
    """Return why a checkpoint cannot be continued bit for bit in this process, or None."""
    for name in MUST_MATCH:
        if manifest[name] != facts[name]:
            return ConfigError(
                f"the checkpoint was made with {name}={manifest[name]}, this is "
                f"{name}={facts[name]}: it can only go on exactly as it was"
            )
    for name in VERSIONS:
        then, now = manifest["versions"].get(name), facts["versions"].get(name)
        if then != now:
            return ConfigError(f"the checkpoint was made with {name} {then}, this is {name} {now}")
    return None
