"""How numbers are written in tables."""

import math
from collections.abc import Sequence
from typing import Any

from trainer.analysis._arms import is_share
from trainer.core.convert import typed
from trainer.record.spread import Spread


def value_text(value: float | None, metric: str, sign: str = "") -> str:
    """Return a number as a table shows it: accuracies in percent, with two decimals."""
    if value is None:
        return ""
    return f"{100 * value:{sign}.2f}" if is_share(metric) else f"{value:{sign}.4g}"


def points_text(change: float, metric: str) -> str:
    """Return a difference as a sentence says it: of accuracies in points, not percent."""
    return value_text(change, metric) + (" points" if is_share(metric) else "")


def p_text(p: float | None) -> str:
    """Return a probability as a table shows it."""
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


NOTHING = "-"

MEGABYTE = 1e6

PLAIN = ("lr", "momentum", "loss_scale", "skipped_steps")  # set or counted, not measured

LEAST, MOST = 1e-3, 1e7  # what is nearer to 0, or farther from it, is written with an exponent


def heading(metric: str) -> str:
    """Return a metric with the unit in which a table shows it."""
    unit = " (%)" if is_share(metric) else " (MB)" if metric.endswith("bytes") else ""
    return f"{metric}{unit}"


def mean_and_sd(spread: Spread, metric: str) -> str:
    """Return a mean with its standard deviation, both with the same decimals.

    Accuracies are in percent with two decimals, memory is in megabytes; of whatever else is
    measured the mean has four digits, of seconds three.
    """
    if spread.mean is None:
        return NOTHING
    scale = 100.0 if is_share(metric) else 1.0 / MEGABYTE if metric.endswith("bytes") else 1.0
    form = form_of(scale * spread.mean, metric)
    sd = "" if spread.sd is None else f" sd {scale * spread.sd:{form}}"
    return f"{scale * spread.mean:{form}}{sd}"


def form_of(mean: float, metric: str) -> str:
    """Return how a metric's numbers are written beside such a mean."""
    if is_share(metric):
        return ".2f"
    if metric in PLAIN or mean == 0.0 or not math.isfinite(mean):
        return ".4g"
    digits = 3 if metric.endswith(("seconds", "_s")) and metric != "images_per_s" else 4
    if not LEAST <= abs(mean) < MOST:
        return f".{digits - 1}e"
    return f".{max(0, digits - 1 - math.floor(math.log10(abs(mean))))}f"


def setting_texts(values: Sequence[Any]) -> list[str]:
    """Return values of a setting with as few digits, four at least, as tell them apart."""
    for digits in (4, 6, 9):
        texts = [typed(float(f"{v:.{digits}g}") if isinstance(v, float) else v) for v in values]
        if len(set(texts)) == len({str(v) for v in values}):
            return texts
    return [typed(v) for v in values]
