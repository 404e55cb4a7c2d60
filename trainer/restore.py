"""Going on with a run: from the newest checkpoint that verifies, exactly there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer import checkpoint
from trainer.checkpoint import Checkpoint
from trainer.console import Console
from trainer.errors import ConfigError, NotFound, TrainerError
from trainer.state import Run, load_state
from trainer.together import from_first

MUST_MATCH = ("threads", "world_size", "device", "precision", "data")
VERSIONS = ("torch", "numpy", "trainer")
# what reading somebody's files raises where they hold something else than a checkpoint does
UNFIT = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError),
    OverflowError,
)


def restore(
    run: Run,
    root: Path,
    facts: Mapping[str, Any],
    console: Console,
    *,
    key: Callable[[Mapping[str, str]], str],
) -> None:
    """Put a run where its newest checkpoint found it; one line says what was damaged.

    The first process reads, the others are told: only it needs the folder.

    Args:
        run: freshly assembled from the recorded configuration.
        root: the run's `checkpoints` folder.
        facts: what must be as it was, by name.
        console: of this process.
        key: returns the run's key, given the SHA-256 of the weights that it once read.

    Raises:
        NotFound: if no checkpoint verifies.
        ConfigError: if the newest was made in a way that cannot be continued bit for bit here.
    """

    def find() -> tuple[Any, ...]:
        found, damaged = checkpoint.newest(root)
        for path in damaged:
            console.say(f"{path.name} is damaged and was passed over", style="yellow")
        if found is None:
            raise NotFound(f"nothing to resume: no checkpoint in {root} verifies")
        check_fits(found.manifest, facts)
        parts = contents(found)
        weights_read = found.manifest.get("weights_read", {})
        if found.manifest.get("key") != key({**run.weights_read, **weights_read}):
            raise ConfigError(
                f"{found.path} is of another run: its key is not that of the configuration beside "
                "it; put back the config.yaml or the checkpoints that belong here, or use repeat="
            )
        return weights_read, parts

    weights_read, parts = from_first(run.strategy, find)
    run.weights_read.update(weights_read)
    try:
        load_state(run, *parts)
    except UNFIT as error:
        raise NotFound(f"the checkpoint in {root} does not fit this run: {error}") from error
    console.say(f"resumed at step {run.state.window} of {run.total}")


def contents(found: Checkpoint) -> tuple[Any, ...]:
    """Return state, weights and averaged weights of a checkpoint.

    Raises:
        NotFound: if its files, though their sums are right, are not what its manifest says.
    """
    try:
        state = found.state()
        if state["window"] != found.step:
            raise ValueError(f"its state is of step {state['window']}")
        return state, found.weights(), found.averaged()
    except TrainerError:
        raise
    except Exception as error:  # readers raise a dozen types for what is no file of theirs
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotFound(f"{found.path} does not hold what its manifest says: {reason}") from error


def check_fits(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Raise ConfigError if a checkpoint cannot be continued bit for bit in this process."""
    for name in MUST_MATCH:
        if manifest.get(name) != facts[name]:
            raise ConfigError(
                f"the checkpoint was made with {name}={manifest.get(name)}, this is "
                f"{name}={facts[name]}: it can only go on exactly as it was"
            )
    for name in VERSIONS:
        then, now = dict(manifest["versions"]).get(name), facts["versions"].get(name)
        if then != now:
            raise ConfigError(f"the checkpoint was made with {name} {then}, this is {name} {now}")
    if manifest.get("sources") != facts["sources"]:
        raise ConfigError(
            "the sources of this program or of a plugin have changed since the checkpoint was "
            "made: it can only go on exactly as it was; go back to them, or use repeat="
        )
    before = manifest.get("weights_read", {})
    for key, sha256 in facts.get("weights_read", {}).items():
        if before.get(key) != sha256:
            raise ConfigError(
                f"{key}: the weights there have changed since the checkpoint was made (SHA-256 "
                f"{str(before.get(key))[:12]} then, {sha256[:12]} now)"
            )
