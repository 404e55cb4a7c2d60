"""The files of studies, `conf/study/<name>.yaml` and those of the user's folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.composition.search_path import Sources, load_plugins
from trainer.core.convert import typed
from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import read_yaml
from trainer.study.study import KINDS, LR, SCALES, Study, StudyArm, merged

NUMBER, LIST = (int, float), (list,)
# What a study's file may hold, and of which kind; a scale holds the same but for the last two.
KEYS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("title", "question", "draw", "claim", "sweep"), (str,)),
    **dict.fromkeys(("where", "cost", "mechanism"), (str,)),
    **dict.fromkeys(("base", "overrides", "tune_seeds"), LIST),
    **dict.fromkeys(("against", "tune", "arms", "grid", "settings", "elsewhere"), (dict,)),
    **dict.fromkeys(("seeds", "trials"), (int,)),
    "margin": NUMBER,
    "toy": (bool,),
    "text": (dict,),
    "scales": (dict,),
}
# What studies that are no comparison of arms are told under `settings`.
SETTINGS = {
    "stairs": ("steps", "whole", "without"),
    "schedules": ("panels",),
    "flatness": ("start", "rest", "looks", "images"),
    "precision": ("options",),
}
ELSEWHERE = ("said", "command", "date", "rows")  # rows: in docs/results, that have the numbers
ARM_KEYS: dict[str, tuple[type, ...]] = {"overrides": LIST, "tune": (dict,), "chosen": LIST}


def names(scale: str = "", config_dir: Path | None = None) -> list[str]:
    """Return every study, or those that have a scale; those of the user's folder too."""
    sources = load_plugins((), config_dir)
    found = sources.options("study")
    return [n for n in found if not scale or scale in (tree_of(n, sources).get("scales") or {})]


def tree_of(name: str, sources: Sources) -> dict[str, Any]:
    """Return a study's file as plain data; raise ConfigError if there is none."""
    files = sources.files(f"study/{name}")
    if not files:
        raise unknown("study", name, sources.options("study"))
    if len(files) > 1:
        raise ConfigError(
            f"study {name} is both {files[0]} and {files[1]}: give yours another name"
        )
    return read_yaml(files[0])


def load(
    name: str, scale: str = "", *, config_dir: Path | None = None, plugins: Sequence[str] = ()
) -> Study:
    """Return a study at a scale; the first that it has if none is named.

    Raises:
        ConfigError: if there is no such study or scale, or its file is not one of a study.
    """
    tree = tree_of(name, load_plugins(plugins, config_dir))
    found = study_of(name, tree, scale)
    return replace(found, config_dir=config_dir, plugins=tuple(plugins))


def study_of(name: str, tree: Mapping[str, Any], scale: str = "") -> Study:
    """Return a study from plain data.

    A key of the scale replaces the study's own, but for `base`, which is added to it.
    """
    check(name, tree, KEYS)
    known = list(tree.get("scales") or {})
    if not known:
        raise ConfigError(f"{name}: a study needs scales, of {', '.join(SCALES)}")
    for one, allowed in (*((one, SCALES) for one in known), (scale or known[0], known)):
        if one not in allowed:
            raise unknown(f"scale of {name}", str(one), allowed)
    scale = scale or known[0]
    own = tree["scales"][scale] or {}
    check(f"{name}.scales.{scale}", own, {k: KEYS[k] for k in KEYS if k not in ("text", "scales")})
    both = {**tree, **own}
    for key in ("title", "question"):
        if key not in both:
            raise ConfigError(f"{name}: a study needs a {key}")
    shared = {k: values_text(v) for k, v in (both.get("tune") or {}).items()}
    arms = tuple(arm_of(f"{name}.arms.{k}", k, v, shared) for k, v in both.get("arms", {}).items())
    labels = [arm.label for arm in arms]
    claim, against = str(both.get("claim") or (labels or [""])[-1]), both.get("against") or {}
    for label in (claim, *against, *against.values()) if arms else ():
        if label not in labels:
            raise unknown(f"arm of {name}", str(label), labels)
    draw, seeds = both.get("draw", "arms"), both.get("seeds", 10)
    elsewhere = both.get("elsewhere") or {}
    check(f"{name}.elsewhere", elsewhere, dict.fromkeys(ELSEWHERE, (str,)))
    if elsewhere and not {*ELSEWHERE[:3]} <= set(elsewhere):
        raise ConfigError(f"{name}.elsewhere needs {', '.join(ELSEWHERE[:3])}")
    grid, settings = set(both.get("grid", ())), both.get("settings", {})
    check_kind(name, draw, len(arms), grid, settings, bool(both.get("sweep")))
    if seeds < 2:
        raise ConfigError(f"{name}.seeds must be 2 or more, or there is no interval; got {seeds}")
    return Study(
        name,
        scale,
        both["title"],
        both["question"],
        draw,
        merged(texts((*tree.get("base", ()), *own.get("base", ())))),
        arms,
        claim,
        against,
        both.get("margin", 1.0) / 100.0,
        {k: values_text(v) for k, v in (both.get("grid") or {}).items()},
        both.get("sweep", ""),
        seeds,
        tree.get("seeds", seeds) if both.get("toy") else seeds,
        trials=both.get("trials", 12),
        tune_seeds=tuple(both.get("tune_seeds", range(1000, 1003))),
        where=both.get("where", ""),
        cost=both.get("cost", ""),
        elsewhere=elsewhere,
        mechanism=both.get("mechanism", ""),
        settings=settings,
        is_toy=bool(both.get("toy")),
        size=texts(both.get("overrides", ())),
        text=tree.get("text") or {},
    )


def check_kind(
    name: str, draw: str, arms: int, grid: set[str], settings: Iterable[str], is_preset: bool
) -> None:
    """Raise ConfigError if a study of a kind lacks what it is made of."""
    needed = {
        "arms": (arms >= 2, "two arms or more"),
        "rates": (arms >= 2, "two arms or more"),
        "speed": (arms == 2, "two arms"),
        "processes": (arms == 2, "two arms"),
        "tradeoff": (is_preset or grid == {LR}, f"a grid of {LR}, or sweep"),
        "slice": (
            is_preset or (LR in grid and len(grid) == 2),
            f"a grid of {LR} and another key, or sweep",
        ),
    }
    if draw not in KINDS:
        raise unknown(f"draw of {name}", draw, KINDS)
    missing = [key for key in SETTINGS.get(draw, ()) if key not in settings]
    holds, what = needed.get(draw, (not missing, f"settings: {', '.join(missing)}"))
    if not holds:
        raise ConfigError(f"{name}: a study that draws {draw} needs {what}")


def arm_of(place: str, label: Any, tree: Any, shared: Mapping[str, str]) -> StudyArm:
    """Return an arm from plain data."""
    check(place, tree, ARM_KEYS)
    tune = {**shared, **{k: values_text(v) for k, v in (tree.get("tune") or {}).items()}}
    chosen = texts(tree["chosen"]) if "chosen" in tree else None
    return StudyArm(str(label), texts(tree.get("overrides", ())), tune, chosen)


def check(place: str, tree: Any, keys: Mapping[str, tuple[type, ...]]) -> None:
    """Raise ConfigError if plain data hold a key that is none, or one of the wrong kind."""
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{place} must hold keys and values, got {tree!r:.60}")
    for key, value in tree.items():
        if key not in keys:
            raise unknown(f"key of {place}", str(key), keys)
        is_wrong = isinstance(value, bool) != (keys[key] == (bool,))
        if is_wrong or not isinstance(value, keys[key]):
            kinds = " or ".join(kind.__name__ for kind in keys[key])
            raise ConfigError(f"{place}.{key} must be of type {kinds}, got {value!r:.60}")


def texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Return values as words hold them."""
    return tuple(str(value) for value in values)


def values_text(values: Any) -> str:
    """Return what is tried of a key as a sweep's command line has it: a list, or an interval."""
    return ",".join(map(typed, values)) if isinstance(values, list) else typed(values)
