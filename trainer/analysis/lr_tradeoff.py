"""The trade-off of the learning rate: loss curves and final accuracy over decades of it.

Usage: python -m trainer.analysis.lr_tradeoff RUN_OR_FOLDER ... [--metric val_top1]
       [--out FILES]

Takes runs that differ in nothing but optim.lr and the seed; python -m trainer -m +sweep=lr_tradeoff
makes them. Writes lr_tradeoff.png and lr_tradeoff.csv into the first folder that is
named, or FILES with these endings.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainer.analysis._arms import Arm, check_completed
from trainer.analysis._command import add_metric, out_of, read_arms, reader, write_texts
from trainer.analysis._labels import varied_keys
from trainer.analysis._tradeoff import TradeoffPoint, best_of, figure_of
from trainer.analysis.slices.grid import LR, number_of
from trainer.core.errors import ConfigError, telling_errors
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


def main() -> None:
    """Draw what the command line names."""
    parser = reader("lr_tradeoff", (__doc__ or "").splitlines()[0])
    add_metric(parser)
    options = parser.parse_args()
    with telling_errors():
        arms = read_arms(options.places)
        points = tradeoff(arms, options.metric)
        figure = figure_of(points, options.metric)
        out = out_of(options, "lr_tradeoff")
        write_texts(out, {"csv": to_csv(points)})
        figure.savefig(f"{out}.png")
        count = sum(len(arm.runs) + arm.repeated for arm in arms)
        print(f"{len(points)} learning rates, {count} runs: {out}.png, {out}.csv")
        best = best_of(points, options.metric)
        if best is not None:
            print(
                f"the best mean {options.metric} is at {LR}={best.lr:g}, of those whose runs all "
                "completed"
            )


if __name__ == "__main__":
    main()
