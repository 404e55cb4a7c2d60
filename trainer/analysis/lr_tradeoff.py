"""The trade-off of the learning rate: loss curves and final accuracy over decades of it."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.analysis._arms import Arm, check_completed
from trainer.analysis._labels import varied_keys
from trainer.analysis._tradeoff import TradeoffPoint, best_of, figure_of
from trainer.analysis.slices.grid import LR, number_of
from trainer.core.errors import ConfigError
from trainer.record.tables import csv_text

__all__ = ["TradeoffPoint", "best_of", "figure_of", "to_csv", "tradeoff"]


def tradeoff(arms: Sequence[Arm], metric: str) -> list[TradeoffPoint]:
    """Return a point for each learning rate, ascending.

    Raises:
        ConfigError: if the arms differ in anything else, or not in that, or have none.
        TrainerError: if no completed run has the metric.
    """
    varied = varied_keys([arm.settings for arm in arms])
    if varied != [LR]:
        keys = ", ".join(varied) or "nothing"
        raise ConfigError(f"the runs must differ in {LR} and the seed alone; they differ in {keys}")
    points = [TradeoffPoint(number_of(arm, LR), arm, arm.values(metric)) for arm in arms]
    check_completed(arms, metric)
    return sorted(points, key=lambda point: point.lr)


def to_csv(points: Sequence[TradeoffPoint]) -> str:
    """Return a line for each learning rate; accuracies are shares."""
    heads: list[object] = ["lr", "n", "mean", "sd", "diverged", "failed", "final_train_loss"]
    table = [heads]
    for point in points:
        spread, arm = point.spread, point.arm
        losses = arm.spread("train_loss")
        numbers = [point.lr, spread.n, spread.mean, spread.sd, len(arm.diverged), len(arm.failed)]
        table.append([*numbers, losses.mean])
    return csv_text(table)
