"""Checks of the overrides of a command line before Hydra composes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.composition import not_built as pending
from trainer.composition.overrides import Override
from trainer.composition.search_path import SEAMS, Sources, choice_keys, known_keys
from trainer.core.errors import ConfigError, nearest, unknown

OF_ONE_RUN = ("hydra.run.dir", "hydra.job.chdir", "hydra.output_subdir")


def check_overrides(
    overrides: Iterable[Override],
    sources: Sources,
    *,
    is_sweep: bool = False,
    replayed: Mapping[str, Any] | None = None,
) -> None:
    """Raise ConfigError for the first word whose key or choice does not exist, with the nearest
    that does.

    Args:
        words: under their canonical names.
        sources: where configurations are looked up.
        is_sweep: whether a value may be several, separated by commas.
        replayed: a recorded run's configuration, whose choices stand where the words make none.
    """
    overrides = list(overrides)
    groups = sources.groups()
    chosen = {w.key: w.value for w in overrides if w.key in groups}
    known = known_keys(sources, chosen, replayed)
    for override in overrides:
        if override.key.startswith("hydra"):
            check_hydra_override(override, is_sweep=is_sweep)
        elif override.key in groups or (override.key in pending.NAMES and override.key != "engine"):
            check_choice(override, sources, is_sweep=is_sweep)
            if override.key not in SEAMS and not override.prefix:
                raise ConfigError(
                    f"{override}: a preset is added to the default job: write +{override}"
                )
        else:
            check_key(override, known, sources)


def check_hydra_override(override: Override, *, is_sweep: bool) -> None:
    """Raise ConfigError for settings of Hydra that would break what this program promises, or do
    nothing."""
    if override.key in ("hydra.job.chdir", "hydra.output_subdir") and override.value not in (
        "false",
        "null",
    ):
        raise ConfigError(
            f"{override}: a run's folder is laid out by this program; leave {override.key} alone"
        )
    if any(part.startswith("_") for part in re.split(r"[./]", override.key)):
        raise ConfigError(
            f"{override}: what Hydra makes is chosen by name, as in hydra/launcher=basic"
        )
    if not is_sweep and override.key not in OF_ONE_RUN:
        raise ConfigError(f"{override} is of sweeps (with -m): it would do nothing to a single run")


def check_choice(override: Override, sources: Sources, *, is_sweep: bool) -> None:
    """Raise ConfigError if a group has no such name; in a sweep only if it has none of them: one
    that is wrong costs its own jobs alone."""
    options = sources.options(override.key)
    if is_sweep and re.match(r"\s*(choice|glob|range|sort|shuffle|interval)\(", override.value):
        return  # Hydra expands these; every job's choice is checked when it is composed
    values = [override.value]
    if is_sweep or override.value.startswith("["):  # in a sweep also several lists, as in [a,b],[c]
        values = [v.strip("[] ") for v in override.value.split(",")]
    names = [v.strip() for v in values]
    for name in names:
        pending.check_name(override.key, name)
    wrong = [name for name in names if name not in options]
    if wrong and not (is_sweep and len(wrong) < len(names)):
        raise unknown(override.key, wrong[0], options)


def check_key(override: Override, known: Sequence[str], sources: Sources) -> None:
    """Raise ConfigError if a key does not exist in the chosen parts."""
    pending.check_key(override.key)
    if override.key == "engine":
        pending.check_name("engine", override.value)
    if override.key in known or any(override.key.startswith(f"{k}.") for k in known):
        if override.prefix == "+":
            raise ConfigError(f"{override}: {override.key} exists already; write it without +")
        return
    if any(k.startswith(f"{override.key}.") for k in known):
        raise ConfigError(
            f"{override}: {override.key} is a group of keys; set one of them, such as "
            f"{next(k for k in known if k.startswith(override.key + '.'))}"
        )
    owners = owners_of(override.key, sources)
    if owners:
        group = override.key.split(".")[0]
        raise ConfigError(
            f"unknown key '{override.key}' for the chosen {group}; it belongs to "
            f"{' or '.join(f'{group}={name}' for name in owners)}"
        )
    candidates = [*known, *sources.groups()]
    match = nearest(override.key, candidates) or nearest_last(override.key, candidates)
    hint = f"; did you mean '{match}'?" if match else ""
    here = sorted(
        k for k in known if k.split(".")[0] == override.key.split(".")[0] and "." in override.key
    )
    raise ConfigError(
        f"unknown key '{override.key}'{hint}" + (f" known: {', '.join(here)}" if here else "")
    )


def owners_of(key: str, sources: Sources) -> list[str]:
    """Return the choices of the key's group that do have it."""
    group = key.split(".")[0]
    options = sources.options(group) if group in SEAMS else []
    return [name for name in options if key in choice_keys(sources, group, name)]


def nearest_last(key: str, known: Iterable[str]) -> str | None:
    """Return a known key whose last part is most like `key`'s: `lr` finds `optim.lr`."""
    by_last: dict[str, str] = {}
    for k in known:
        by_last.setdefault(k.rsplit(".", 1)[-1], k)
    match = nearest(key.rsplit(".", 1)[-1], by_last)
    return by_last[match] if match else None
