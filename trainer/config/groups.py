"""One choice of a group: from the mapping that YAML holds to a typed component, and back."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer.augment import AUGMENTS, Augment, AugmentKeys
from trainer.average import AVERAGES
from trainer.core.convert import build_choice, shown
from trainer.core.errors import ConfigError, unknown
from trainer.core.registry import Choice, Registry
from trainer.data import DATASETS
from trainer.loss import LOSSES
from trainer.mix import MIXES
from trainer.model import MODELS
from trainer.optim import OPTIMIZERS
from trainer.scheduler import SCHEDULERS


@dataclass(frozen=True)
class TaskKeys:
    """Keys that every choice of `task` has: none."""


# Stands here and not in task/base.py: what a task does takes the whole configuration.
TASKS: Registry[Any] = Registry("task", TaskKeys)

REGISTRIES: dict[str, Registry[Any]] = {
    r.group: r
    for r in (TASKS, DATASETS, AUGMENTS, MODELS, OPTIMIZERS, SCHEDULERS, AVERAGES, MIXES, LOSSES)
}

SEAMS = [group for group in REGISTRIES if group != "augment"]  # which alone takes several


def parse_group(group: str, value: Any) -> Choice[Any, Any]:
    """Return the choice that a group's mapping describes."""
    values = mapping(group, value)
    where = f"augment.{values.get('name')}" if group == "augment" else group
    return build_choice(REGISTRIES[group], values, where)


def with_absolute_root(choice: Choice[Any, Any]) -> Choice[Any, Any]:
    """Return the choice of data with its folder absolute, so that a record can be resumed from
    anywhere."""
    root = str(Path(os.path.expanduser(choice.shared.root)).absolute())
    return replace(choice, shared=replace(choice.shared, root=root))


def parse_augment(value: Any) -> tuple[Choice[AugmentKeys, Augment], ...]:
    """Return the chosen augmentations in the order they were written."""
    chosen = mapping("augment", value)
    for name in chosen:
        if name not in AUGMENTS.names():
            raise unknown("augment", name, AUGMENTS.names())
    values = {name: mapping(f"augment.{name}", v) for name, v in chosen.items()}
    if "alternating_flip" in values and values.get("standard", {}).get("flip", False):
        raise ConfigError(
            "augment.standard.flip=true mirrors at random what alternating_flip mirrors in turn, "
            "which leaves nothing of the turns: set augment.standard.flip=false"
        )
    return tuple(parse_group("augment", v) for v in values.values())


def mapping(key: str, value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else raise ConfigError."""
    if isinstance(value, dict):
        return value
    raise ConfigError(f"{key} must be a name or a mapping of keys, got {shown(value)}")
