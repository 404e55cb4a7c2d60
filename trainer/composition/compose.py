"""From words on a command line to one composed configuration. Imports no torch, so that mistakes
are told at once.

Hydra composes. What is added: presets whose parts are replaced, and whole recorded runs used as
presets (`repeat=`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from trainer.composition.check_overrides import check_overrides
from trainer.composition.overrides import Override, canonical, parse_override, quote, quoted
from trainer.composition.replay import REPLAYED, store_replayed
from trainer.composition.search_path import CONF, SEAMS, Sources
from trainer.core.convert import shown
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import flat

DEFAULT_DIR = "outputs/<name>/<date>_<time>_<id>"

# What a preset of a sweep may hold besides the values of one run; a job composes with it, too.
SWEEPER = {"params": None, "arms": None, "trials": None, "seed": 0}

ConfigStore.instance().store("trainer", SWEEPER, group="hydra/sweeper", provider="trainer")


@dataclass(frozen=True)
class Composed:
    """What a command line means.

    Attributes:
        cfg: the composed configuration, without Hydra's own node.
        words: the words under their canonical names, Hydra's left out.
        notes: lines for the user, such as what was dropped from a preset.
        run_dir: folder of the run where the user gave one, else None.
    """

    cfg: DictConfig
    overrides: tuple[str, ...]
    notes: tuple[str, ...] = ()
    run_dir: str | None = None


def compose_overrides(
    texts: Sequence[str], sources: Sources | None = None, replayed: Mapping[str, Any] | None = None
) -> Composed:
    """Return what a command line composes to.

    Args:
        texts: words such as `optim=adam` or `optim.lr=0.1`.
        sources: where configurations are looked up.
        replayed: a recorded run's configuration, under the words: a preset of everything.

    Raises:
        ConfigError: naming the culprit, before anything was created and without importing torch.
    """
    sources = sources or Sources()
    overrides = [quoted(w, is_sweep=False) for w in canonical([parse_override(t) for t in texts])]
    check_overrides(overrides, sources, replayed=replayed)
    presets = [w for w in overrides if w.key in sources.groups() and w.key not in SEAMS]
    if replayed is not None:
        store_replayed(replayed)
        presets.insert(0, Override("+", "experiment", REPLAYED))
        overrides.insert(0, presets[0])
    with initialized(sources):
        full = compose_one(sources, overrides)
        notes = replace_parts(full, overrides, presets, sources) if presets else ()
    run_dir = None if full.hydra.run.dir == DEFAULT_DIR else full.hydra.run.dir
    with open_dict(full):
        del full["hydra"]
    told = tuple(str(w) for w in overrides if not w.key.startswith("hydra") and w.value != REPLAYED)
    return Composed(full, told, notes, run_dir)


def compose_one(sources: Sources, overrides: Sequence[Override]) -> DictConfig:
    """Return what Hydra composes from words, its own node included; its errors are told as ours."""
    texts = [*(str(w) for w in overrides), "hydra/sweeper=trainer"]
    if sources.extra:
        folders = ",".join(quote(f"file://{folder.absolute()}") for folder in sources.extra)
        texts.append(f"hydra.searchpath=[{folders}]")
    try:
        return hydra_compose(sources.primary, overrides=texts, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(culprit(overrides) or told(error)) from error


def culprit(overrides: Sequence[Override]) -> str | None:
    """Return a message on the first word whose value is not of Hydra's grammar, or is several
    values."""
    for override in overrides:
        try:
            parsed = OverridesParser.create().parse_override(str(override))
        except HydraException:
            return (
                f"cannot read the value of {override.key}: {shown(override.value)}; "
                f"quote it if it is text: {override.key}=\"'...'\""
            )
        if parsed.is_sweep_override():
            return (
                f"{override} names several values: write -m first to sweep over them, "
                f"or brackets for a list: {override.key}=[...]"
            )
    return None


def told(error: BaseException) -> str:
    """Return the first line of an error of Hydra and, where it has one, of its cause."""
    lines = [str(error).strip().splitlines()[:1]]
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OmegaConfBaseException | HydraException):
        lines.append(str(cause).strip().splitlines()[:1])
    return ": ".join(dict.fromkeys(line[0] for line in lines if line)) or type(error).__name__


@contextmanager
def initialized(sources: Sources) -> Iterator[None]:
    """Make Hydra's compose API ready, whatever state Hydra was in, and put that state back."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), job_name="trainer", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def replace_parts(
    full: DictConfig, overrides: Sequence[Override], presets: Sequence[Override], sources: Sources
) -> tuple[str, ...]:
    """Give every part that replaces a preset's choice its own values, in place, and return what was
    dropped.

    Hydra merges a preset's `optim.lr` into whatever optimizer is chosen; here it counts for the
    preset's own only.
    """
    preset = compose_one(sources, presets)
    choices, preset_choices = chosen(full), chosen(preset)
    replaced = [g for g in SEAMS if choices[g] != preset_choices[g]]
    if not replaced:
        return ()
    picked = [w for w in overrides if w.key in replaced]
    own_values = [w for w in overrides if w.key.split(".")[0] in replaced and "." in w.key]
    own = compose_one(sources, [*picked, *own_values])
    plain = compose_one(sources, [Override("", g, preset_choices[g]) for g in replaced])
    notes = []
    for group in replaced:
        with open_dict(full):
            full[group] = own[group]
        dropped = changed(plain[group], preset[group], group)
        if dropped:
            notes.append(
                f"{group}={choices[group]} replaces the preset's {preset_choices[group]}; "
                f"dropped: {', '.join(dropped)}"
            )
    return tuple(notes)


def chosen(full: DictConfig) -> dict[str, str]:
    """Return what a composed configuration chose in each group, as a word's value."""
    # Hydra keeps no list of several choices; values without a name are a preset's for another one
    several = [str(name) for name, part in full.augment.items() if "name" in part]
    choices = {group: str(full.hydra.runtime.choices.get(group)) for group in SEAMS}
    return {**choices, "augment": f"[{','.join(several)}]"}


def changed(before: DictConfig, after: DictConfig, prefix: str) -> list[str]:
    """Return `key=value` for every leaf of `after` that differs from `before`'s."""
    olds, news = (OmegaConf.to_container(c, resolve=False) for c in (before, after))
    assert isinstance(olds, dict)
    assert isinstance(news, dict)
    old = {k: OmegaConf.select(before, k) for k in flat(olds)}  # type: ignore[arg-type]
    new = {k: OmegaConf.select(after, k) for k in flat(news)}  # type: ignore[arg-type]
    return [f"{prefix}.{k}={v}" for k, v in new.items() if k not in old or old[k] != v]


class Composer:
    """Composes the jobs of a sweep; the result is that of `compose_words`, job by job.

    Hydra chooses the parts first and sets single values last, so that jobs with the same choices
    share all but the last step, which is the cheap one.

    Args:
        sources: where configurations are looked up.
    """

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.groups = sources.groups()
        self.parser = OverridesParser.create()
        self.bases: dict[tuple[Override, ...], Composed] = {}
        self.checked: set[tuple[tuple[Override, ...], str]] = set()

    def compose(self, texts: Sequence[str]) -> Composed:
        """Return what the words of one job compose to.

        Raises:
            ConfigError: naming the culprit.
        """
        overrides = [
            quoted(w, is_sweep=False) for w in canonical([parse_override(t) for t in texts])
        ]
        choices = tuple(w for w in overrides if w.key in self.groups)
        values = [w for w in overrides if w.key not in self.groups]
        if any(w.key.startswith("hydra") or "${" in w.value for w in values):
            return compose_overrides(texts, self.sources)
        self.check(choices, values)
        if choices not in self.bases:
            self.bases[choices] = compose_overrides([str(w) for w in choices], self.sources)
        base = self.bases[choices]
        try:
            parsed = self.parser.parse_overrides([str(w) for w in values])
            if any(o.is_sweep_override() for o in parsed):
                return compose_overrides(texts, self.sources)  # which tells what is wrong with it
            cfg = copy.deepcopy(base.cfg)
            OmegaConf.set_struct(cfg, True)
            ConfigLoaderImpl._apply_overrides_to_config(parsed, cfg)
        except (HydraException, OmegaConfBaseException):
            return compose_overrides(texts, self.sources)
        return Composed(cfg, tuple(str(w) for w in overrides), base.notes)

    def check(self, choices: tuple[Override, ...], values: Sequence[Override]) -> None:
        """Raise ConfigError for a word that does not exist beside these choices; each key is looked
        up once."""
        new = [w for w in values if (choices, f"{w.prefix}{w.key}") not in self.checked]
        if new or choices not in self.bases:
            check_overrides([*choices, *new], self.sources)
            self.checked |= {(choices, f"{w.prefix}{w.key}") for w in new}
