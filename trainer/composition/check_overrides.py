"""Checks of the overrides of a command line before Hydra composes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.composition import not_built as pending
from trainer.composition.overrides import Word
from trainer.composition.search_path import SEAMS, Sources, choice_keys, known_keys
from trainer.core.errors import ConfigError, nearest, unknown

OF_ONE_RUN = ("hydra.run.dir", "hydra.job.chdir", "hydra.output_subdir")


def check_words(
    words: Iterable[Word],
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
    words = list(words)
    groups = sources.groups()
    chosen = {w.key: w.value for w in words if w.key in groups}
    known = known_keys(sources, chosen, replayed)
    for word in words:
        if word.key.startswith("hydra"):
            check_hydra_word(word, is_sweep=is_sweep)
        elif word.key in groups or (word.key in pending.NAMES and word.key != "engine"):
            check_choice(word, sources, is_sweep=is_sweep)
            if word.key not in SEAMS and not word.prefix:
                raise ConfigError(f"{word}: a preset is added to the default job: write +{word}")
        else:
            check_key(word, known, sources)


def check_hydra_word(word: Word, *, is_sweep: bool) -> None:
    """Raise ConfigError for settings of Hydra that would break what this program promises, or do
    nothing."""
    if word.key in ("hydra.job.chdir", "hydra.output_subdir") and word.value not in (
        "false",
        "null",
    ):
        raise ConfigError(
            f"{word}: a run's folder is laid out by this program; leave {word.key} alone"
        )
    if any(part.startswith("_") for part in re.split(r"[./]", word.key)):
        raise ConfigError(f"{word}: what Hydra makes is chosen by name, as in hydra/launcher=basic")
    if not is_sweep and word.key not in OF_ONE_RUN:
        raise ConfigError(f"{word} is of sweeps (with -m): it would do nothing to a single run")


def check_choice(word: Word, sources: Sources, *, is_sweep: bool) -> None:
    """Raise ConfigError if a group has no such name; in a sweep only if it has none of them: one
    that is wrong costs its own jobs alone."""
    options = sources.options(word.key)
    if is_sweep and re.match(r"\s*(choice|glob|range|sort|shuffle|interval)\(", word.value):
        return  # Hydra expands these; every job's choice is checked when it is composed
    values = [word.value]
    if is_sweep or word.value.startswith("["):  # in a sweep also several lists, as in [a,b],[c]
        values = [v.strip("[] ") for v in word.value.split(",")]
    names = [v.strip() for v in values]
    for name in names:
        pending.check_name(word.key, name)
    wrong = [name for name in names if name not in options]
    if wrong and not (is_sweep and len(wrong) < len(names)):
        raise unknown(word.key, wrong[0], options)


def check_key(word: Word, known: Sequence[str], sources: Sources) -> None:
    """Raise ConfigError if a key does not exist in the chosen parts."""
    pending.check_key(word.key)
    if word.key == "engine":
        pending.check_name("engine", word.value)
    if word.key in known or any(word.key.startswith(f"{k}.") for k in known):
        if word.prefix == "+":
            raise ConfigError(f"{word}: {word.key} exists already; write it without +")
        return
    if any(k.startswith(f"{word.key}.") for k in known):
        raise ConfigError(
            f"{word}: {word.key} is a group of keys; set one of them, such as "
            f"{next(k for k in known if k.startswith(word.key + '.'))}"
        )
    owners = owners_of(word.key, sources)
    if owners:
        group = word.key.split(".")[0]
        raise ConfigError(
            f"unknown key '{word.key}' for the chosen {group}; it belongs to "
            f"{' or '.join(f'{group}={name}' for name in owners)}"
        )
    candidates = [*known, *sources.groups()]
    match = nearest(word.key, candidates) or nearest_last(word.key, candidates)
    hint = f"; did you mean '{match}'?" if match else ""
    here = sorted(k for k in known if k.split(".")[0] == word.key.split(".")[0] and "." in word.key)
    raise ConfigError(
        f"unknown key '{word.key}'{hint}" + (f" known: {', '.join(here)}" if here else "")
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
