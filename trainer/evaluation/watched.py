"""Scores that a run can be steered by: one table of their names and directions.

A schedule (`scheduler.metric`), the choice of the best checkpoint (`checkpoint.metric`) and
whatever else watches validation read it.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from trainer.core.errors import ConfigError, nearest
from trainer.evaluation.chosen import ChosenMetrics, classes
from trainer.metrics import LARGER_IS_BETTER, Scores

# Scores that can be watched besides those chosen, and whether more of them is better.
BUILT_IN = {name: LARGER_IS_BETTER[name] for name in ("val_loss", "val_top1")}


def watched(chosen: ChosenMetrics) -> dict[str, bool]:
    """Return what a schedule, the choice of the best checkpoint or an early stop can watch: names
    as in `metrics.jsonl`, and whether more of each is better."""
    found = {f"val_{item.name}": item.higher_is_better for item in chosen.items}
    return {**BUILT_IN, **{name: rises for name, rises in found.items() if rises is not None}}


def check_watched(key: str, name: str, chosen: ChosenMetrics) -> None:
    """Raise ConfigError unless a score that `key` names can be watched."""
    known = watched(chosen)
    if name in known:
        return
    item = next((item for item in chosen.items if name == f"val_{item.name}"), None)
    if item is not None:
        raise ConfigError(
            f"{key}={name}: torchmetrics does not say whether more of {item.name} is better, so "
            f"that it cannot be watched; known: {', '.join(sorted(known))}"
        )
    raise not_watched(key, name, known)


def check_named(key: str, name: str) -> None:
    """Raise ConfigError unless some metrics could make `name` a score that can be watched."""
    if name not in BUILT_IN and name.removeprefix("val_") not in classes():
        raise not_watched(key, name, BUILT_IN)


def not_watched(key: str, name: str, known: Collection[str]) -> ConfigError:
    """Return the error for a name that is none of those that can be watched."""
    meant = nearest(name, known)
    hint = f"did you mean '{meant}'? " if meant else ""
    return ConfigError(
        f"unknown {key} '{name}'; {hint}known: {', '.join(sorted(known))}, and val_<name> of each "
        "one in metrics=[...]"
    )


def rises(name: str) -> bool:
    """Return whether more of a watched score is better; `check_watched` was passed."""
    if name in LARGER_IS_BETTER:
        return LARGER_IS_BETTER[name]
    return bool(classes()[name.removeprefix("val_")].higher_is_better)


def value_of(scores: Scores | None, name: str) -> float:
    """Return a watched score; NaN where there is none."""
    if scores is None:
        return math.nan
    values = {"val_loss": scores.loss, "val_top1": scores.top1}
    return values[name] if name in values else scores.more.get(name.removeprefix("val_"), math.nan)
