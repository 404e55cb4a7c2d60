"""A new run that begins with the state of another one, at a step that it kept."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainer.checkpoint.format import digest
from trainer.checkpoint.weights import find_checkpoint
from trainer.config.compare import changed_keys
from trainer.config.run_config import RunConfig
from trainer.core.errors import ConfigError, NotFound
from trainer.core.yaml_files import is_within
from trainer.data import Source
from trainer.precision.step import Precision
from trainer.run.resume import APART, UNFIT, contents
from trainer.state import Run, load_counters, own_part, put_own_weights

# What the state is made of: with another value of these it would not fit, or mean something else.
FIXED = ("model", "data", "batch_size", "optim", "init", "init_from")

# Keys below them that are free: the state is the same whatever they are.
FREE = (
    *("optim.lr", "optim.lr_rule", "optim.weight_decay", "optim.decoupled_weight_decay"),
    *("optim.betas", "optim.eps", "optim.momentum", "optim.nesterov", "optim.rho", "optim.alpha"),
    *("optim.other_lr", "optim.other_momentum"),
)


@dataclass(frozen=True)
class Fork:
    """The state of a run at a step, as a new run takes it over.

    Attributes:
        origin: run, step and key of where it comes from, for the record.
        config: the plain configuration of that run.
        data: name and fingerprint of its images.
        weights_read: SHA-256 of what it had read, by key; that of the state itself under `fork`.
        state: what `state.save_state` gave.
        weights: the model's state dict.
        averaged: the averaged model's, empty where there is none.
    """

    origin: Mapping[str, Any]
    config: Mapping[str, Any] = field(repr=False)
    data: Mapping[str, Any]
    weights_read: Mapping[str, str]
    state: dict[str, Any] = field(repr=False)
    weights: dict[str, torch.Tensor] = field(repr=False)
    averaged: dict[str, torch.Tensor] = field(repr=False)


def read_fork(config: RunConfig) -> Fork | None:
    """Return the state that a configuration forks from, None where it names none.

    Raises:
        NotFound: if there is no such run, or no checkpoint of that step that verifies.
        ConfigError: if the configuration changes what the state is made of.
    """
    origin = config.fork
    if origin is None:
        return None
    if origin.which == "average":
        raise ConfigError(
            f"fork={origin}: averaged weights have no state to go on from; init_from= takes them"
        )
    run, which = origin.run, origin.which
    if not run.is_dir():
        raise NotFound(f"fork={origin}: no run at {run}")
    if run != origin.path:
        which = str(int(str(origin).rpartition("-")[2]))
    found = find_checkpoint("fork", run, which)
    state, weights, averaged = contents(found)
    before = found.manifest.get("config")
    if not isinstance(before, dict):
        raise NotFound(f"fork={origin}: {found.path} holds no configuration to fork from")
    check_changes(before, config, str(origin))
    source = {"run": str(run), "step": found.step, "key": found.manifest.get("key")}
    known = [source["key"], source["step"], digest(weights, averaged)]
    return Fork(
        origin=source,
        config=before,
        data=dict(found.manifest["data"]),
        weights_read={
            **found.manifest.get("weights_read", {}),
            "fork": hashlib.sha256(json.dumps(known).encode()).hexdigest(),
        },
        state=state,
        weights=weights,
        averaged=averaged,
    )


def check_changes(before: Mapping[str, Any], config: RunConfig, origin: str) -> None:
    """Raise ConfigError if a fork's configuration changes what the state is made of."""
    after = config.plain()
    changed = [
        text
        for text in changed_keys(before, config, APART)
        if is_within(key := text.partition("=")[0], FIXED) and not is_within(key, FREE)
    ]
    momentum = [tree["optim"].get("momentum") for tree in (before, after)]
    if (momentum[0] == 0) != (momentum[1] == 0):
        changed.append(f"optim.momentum={momentum[1]} (was {momentum[0]})")
    if changed:
        raise ConfigError(
            f"fork={origin} takes over a state that does not fit: {', '.join(changed)}. A fork may "
            "change the length, the schedule, what is done to images and losses, and the "
            "optimizer's rates; for other parts start anew, with init_from= for the weights alone"
        )


def check_context(fork: Fork, source: Source, precision: Precision) -> None:
    """Raise ConfigError if the images or the weights' number format are others than they were."""
    if fork.data.get("fingerprint") != source.fingerprint:
        raise ConfigError(
            f"fork={fork.origin['run']}: the images are not those that run was trained on"
        )
    held = next((t.dtype for t in fork.weights.values() if t.is_floating_point()), precision.dtype)
    if held != precision.dtype:
        raise ConfigError(
            f"fork={fork.origin['run']}: precision={precision.name} keeps weights in "
            f"{precision.dtype}, that run kept them in {held}; choose a precision that does too"
        )


def begin_from(run: Run, fork: Fork, config: RunConfig) -> None:
    """Put a run, assembled around the fork's weights, where the fork's run was.

    An average, a plateau schedule or a loss scale that the other run did not have begins here; the
    best score so far does not count, since its checkpoint is not in this run's folder.

    Raises:
        ConfigError: if the run would end before that step.
        NotFound: if the state does not fit.
    """
    saved, now = fork.state, config.plain()
    if run.total <= fork.origin["step"]:
        raise ConfigError(
            f"fork: that run was at step {fork.origin['step']}, this one has only {run.total} "
            "steps: set epochs= or max_steps= higher"
        )

    def is_same(part: str) -> bool:
        return bool(fork.config[part]["name"] == now[part]["name"])

    try:
        mine = own_part(saved["ranks"], run.strategy.world, run.seed)
        put_own_weights(run, fork.weights, mine)
        groups = run.optimizer.state_dict()["param_groups"]
        if [g["params"] for g in groups] != [
            g["params"] for g in saved["optimizer"]["param_groups"]
        ]:
            raise ValueError("its parameters are grouped in another way")
        run.optimizer.load_state_dict(
            {"state": saved["optimizer"]["state"], "param_groups": groups}
        )
        if saved["precision"] and run.precision.scales_loss:
            run.precision.load_state_dict(saved["precision"])
        if is_same("average"):
            buffers = {k: v for k, v in mine["average_buffers"].items() if k in fork.averaged}
            run.average.load_state_dict(saved["average"], {**fork.averaged, **buffers})
        if is_same("scheduler"):
            run.schedule.load_state_dict(saved["schedule"])
        run.group_schedules.load_state_dict(saved["group_schedules"])
        seconds = run.state.seconds
        load_counters(run, saved, mine, same_stream=fork.config["seed"] == config.seed)
        run.state.seconds = seconds
        run.state.best.clear()
        run.state.best_val_top1 = None
        run.state.patience.clear()
    except UNFIT as error:
        raise NotFound(f"the state of {fork.origin['run']} does not fit: {error}") from error
    run.weights_read.update(fork.weights_read)
