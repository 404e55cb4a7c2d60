"""Configurations compared: key by key, a key that an older one lacks counting at its neutral value.

A key that is added later must not make another result of what was done before. Its neutral value is
the one that means the same as its absence: for a field of a dataclass (a component, the keys that a
group shares) its default, for a key of `RunConfig` what `NEUTRAL` says. What a default means is
code, which counts by itself.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from trainer.config.run_config import RunConfig
from trainer.core.convert import Written, plain
from trainer.core.registry import Choice
from trainer.core.yaml_files import is_within
from trainer.precision.formats import PrecisionChoice
from trainer.strategy.keys import StrategyChoice

# Fields of `RunConfig` that are newer than records with a key, with their neutral values.
NEUTRAL: Mapping[str, Any] = {
    "eval_batch_size": None,
    "max_time": None,
    "time_plan": None,
    "metrics": [],
    "lint": "warn",
}

ABSENT = "not there"


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and the values of a plain configuration. The order of augmentations is
    a value too, under `augment`."""
    if isinstance(value, dict) and value:
        if key == "augment":
            yield key, list(value)
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, item in enumerate(value):
            yield from leaves(item, f"{key}[{i}]")
    else:
        yield key, value


def parts(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """Yield every dataclass in a configuration, with the dotted key that it stands under."""
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "augment":
            for choice in value:
                yield from parts_of(choice, f"augment.{choice.name}")
        else:
            yield from parts_of(value, field.name)


def parts_of(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the dataclasses of one value of a configuration, as `parts` does."""
    inner: dict[str, list[Any]] = {}
    if isinstance(value, tuple):
        inner = {f"{key}[{i}]": [item] for i, item in enumerate(value)}
    elif isinstance(value, Choice):
        inner = {key: [value.shared, value.component]}
    elif isinstance(value, PrecisionChoice):
        inner = {key: [value.loss_scale]}
    elif isinstance(value, StrategyChoice):
        inner = {key: list(value.parts())}
    elif is_dataclass(value):
        has_keys = not isinstance(value, Written)
        for field in fields(value):
            name = f"{key}.{field.name}" if has_keys else key
            inner.setdefault(name, []).append(getattr(value, field.name))
    if is_dataclass(value) and not isinstance(value, Choice):
        yield key, value
    for name, items in inner.items():
        for item in items:
            yield from parts_of(item, name)


def neutral_values(config: RunConfig) -> dict[str, Any]:
    """Return the plain neutral values of the keys of a configuration, by dotted key."""
    found = dict(NEUTRAL)
    for key, part in parts(config):
        for field in () if isinstance(part, Written) else fields(part):
            if field.init and field.default is not MISSING:
                found[f"{key}.{field.name}"] = plain(field.default)
            elif field.init and field.default_factory is not MISSING:
                found[f"{key}.{field.name}"] = plain(field.default_factory())
    return found


def decisive_values(config: RunConfig, unrelated: Collection[str]) -> dict[str, Any]:
    """Return the plain values of a configuration that are not neutral, by dotted key, but for
    `unrelated` keys and all below them."""
    neutral = neutral_values(config)
    return {
        key: value
        for key, value in leaves(config.plain())
        if not is_within(key, unrelated) and (key not in neutral or neutral[key] != value)
    }


def differences(
    then: Mapping[str, Any], now: RunConfig, unrelated: Collection[str]
) -> dict[str, tuple[Any, Any]]:
    """Return by dotted key both values of all that differs from a plain configuration, perhaps of
    an older version, but for `unrelated` keys and all below them: its own, then that of now."""
    old, new, neutral = dict(leaves(then)), dict(leaves(now.plain())), neutral_values(now)
    found = {}
    for key in sorted(old.keys() | new.keys()):
        was, value = (tree.get(key, neutral.get(key, ABSENT)) for tree in (old, new))
        if was != value and not is_within(key, unrelated):
            found[key] = (was, value)
    return found


def changed_keys(then: object, now: RunConfig, unrelated: Collection[str]) -> list[str]:
    """Return `key=value (was value)` for all that differs from the configuration of an earlier run,
    perhaps of an older version, but for `unrelated` keys and all below them."""
    if not isinstance(then, dict):
        return ["no configuration in its manifest"]
    changed = differences(then, now, unrelated)
    return [f"{key}={value} (was {was})" for key, (was, value) in changed.items()]
