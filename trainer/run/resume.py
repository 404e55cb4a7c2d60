"""Going on with a run: from the newest checkpoint that verifies, exactly there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.format import Checkpoint
from trainer.config.compare import changed_keys
from trainer.core.command import run_line
from trainer.core.errors import ConfigError, NotFound, TrainerError
from trainer.record.console import Console, shown_path
from trainer.run.identity import UNRELATED, Identity
from trainer.state import Run, load_state
from trainer.strategy.collectives import broadcast

MUST_MATCH = ("precision", "data")

VERSIONS = ("torch", "numpy")  # of this program the sources count

# what may differ, and the word of `resume_allow` that accepts it
MAY_DIFFER = {
    "threads": "threads",
    "world_size": "world_size",
    "strategy": "world_size",
    "device": "device",
}

# keys of the configuration that are compared by what they came to, or move no number
APART = (*UNRELATED, "threads", "strategy")

# what reading somebody's files raises where they hold something else than a checkpoint does
UNFIT = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError),
    OverflowError,
)

Differences = dict[str, tuple[Any, Any]]  # what it was and what it is now, by name


def restore(run: Run, root: Path, identity: Identity, console: Console) -> None:
    """Put a run where its newest checkpoint found it; one line each names what was damaged and
    what differs though that was allowed.

    Only the first process reads the folder.

    Args:
        run: freshly assembled from the recorded configuration.
        root: the run's `checkpoints` folder.
        identity: of the run; learns what the checkpoint knows of its past.
        console: of this process.

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
        parts = contents(found)
        return found.manifest, check_fits(found, identity), parts

    manifest, differing, parts = broadcast(run.strategy, find)
    run.weights_read.update(manifest.get("weights_read", {}))
    try:
        load_state(run, *parts)
        past = {k: manifest[k] for k in ("forked_from", "resumed_across") if k in manifest}
        if differing:
            entry = {"step": run.state.step, **{k: list(v) for k, v in differing.items()}}
            past["resumed_across"] = [*past.get("resumed_across", ()), entry]
    except UNFIT as error:
        raise NotFound(f"the checkpoint in {root} does not fit this run: {error}") from error
    identity.lineage |= past
    for name, (then, now) in differing.items():
        console.say(
            f"{name} was {then} and is {now}: the run goes on close to what it would have been, "
            "not bit for bit",
            style="yellow",
        )
    console.say(f"resumed at step {run.state.step} of {run.total}")


def contents(found: Checkpoint) -> tuple[Any, ...]:
    """Return state, weights and averaged weights of a checkpoint.

    Raises:
        NotFound: if its files, though their sums are right, are not what its manifest says.
    """
    try:
        state = found.state()
        if state["step"] != found.step:
            raise ValueError(f"its state is of step {state['step']}")
        if len(state["ranks"]) != found.manifest["world_size"]:
            raise ValueError(f"its state is of {len(state['ranks'])} processes")
        return state, found.weights(), found.averaged()
    except TrainerError:
        raise
    except Exception as error:  # readers raise a dozen types for what is no file of theirs
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotFound(f"{found.path} does not hold what its manifest says: {reason}") from error


def check_fits(found: Checkpoint, identity: Identity) -> Differences:
    """Return in what a checkpoint differs from this process, all of it allowed.

    Raises:
        ConfigError: if it is of another run, or cannot be continued bit for bit and that was not
            allowed.
    """
    then, now = found.manifest, identity.manifest()
    changed = changed_keys(then.get("config"), identity.request.config, APART)
    if changed:
        raise ConfigError(
            f"{found.path} is of another run, or the configuration beside it was changed: "
            f"{', '.join(changed)}; put back what belongs here, or start a new run with fork= or "
            "repeat="
        )
    for name in MUST_MATCH:
        if then.get(name) != now[name]:
            raise ConfigError(
                f"the checkpoint was made with {name}={then.get(name)}, this is "
                f"{name}={now[name]}: it can only go on exactly as it was"
            )
    before = then.get("weights_read", {})
    for key, sha256 in now.get("weights_read", {}).items():
        if before.get(key) != sha256:
            raise ConfigError(
                f"{key}: the weights there have changed since the checkpoint was made (SHA-256 "
                f"{str(before.get(key))[:12]} then, {sha256[:12]} now)"
            )
    differing, needed = differences(then, now)
    if not needed <= set(identity.request.allow):
        raise ConfigError(refusal(differing, needed, identity))
    return differing


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Differences, set[str]]:
    """Return in what two manifests differ that may be allowed, and the words that allow it."""
    found: Differences = {}
    needed = set()
    for name, override in MAY_DIFFER.items():
        if then.get(name) != now[name]:
            found[name] = (then.get(name), now[name])
            needed.add(override)
    for name in VERSIONS:
        old = dict(then["versions"]).get(name)
        if old != now["versions"].get(name):
            found[name] = (old, now["versions"].get(name))
            needed.add("versions")
    if then.get("sources") != now["sources"]:
        found["sources"] = (str(then.get("sources"))[:12], now["sources"][:12])
        needed.add("versions")
    return found, needed


def refusal(differing: Differences, needed: set[str], identity: Identity) -> str:
    """Return why a run does not go on as it was, and the line that goes on all the same."""
    reasons = [
        "the sources of this program or of a plugin that it depends on have changed since then"
        if name == "sources"
        else f"it was made with {name}={then}, this is {name}={now}"
        for name, (then, now) in differing.items()
    ]
    request = identity.request
    overrides = [w for w in request.overrides if not w.startswith("resume")]
    allow = ",".join(sorted(needed | set(request.allow)))
    assert request.resume is not None  # what refuses is a resumption
    line = run_line(f"resume={shown_path(request.resume)}", *overrides, f"resume_allow=[{allow}]")
    return (
        f"the checkpoint can only go on exactly as it was: {'; '.join(reasons)}. Use what it was "
        f"made with, or go on close to it, not bit for bit, with\n  {line}"
    )
