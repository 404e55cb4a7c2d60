"""A slice: what every pair of a learning rate and a second value came to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.analysis._arms import Arm, check_completed
from trainer.analysis._labels import varied_keys
from trainer.core.errors import ConfigError
from trainer.record.spread import Spread

LR = "optim.lr"

MOMENTUM = "optim.momentum"

COUNTERPARTS = {
    "avg_val_": "test_avg_",
    "val_": "test_",
    "delivered_val_": "delivered_test_",
}


@dataclass(frozen=True)
class GridCell:
    """The runs of one learning rate and one second value: final numbers of the completed ones, in
    the order of their seeds, and those on the test images where they were looked at."""

    lr: float
    arm: Arm
    values: tuple[float, ...]
    tested: tuple[float, ...] = ()

    @property
    def spread(self) -> Spread:
        return Spread.of(self.values)

    @property
    def tested_spread(self) -> Spread:
        return Spread.of(self.tested)

    @property
    def is_whole(self) -> bool:
        """Whether there are numbers and none of the runs diverged: what may be best."""
        return bool(self.values) and not self.arm.diverged


@dataclass(frozen=True)
class Line:
    """The cells of one second value.

    Attributes:
        y: the value as it is shown and fitted: 1 - momentum for momentum, else as configured.
        cells: ascending in the learning rate.
    """

    y: float
    cells: tuple[GridCell, ...]

    @property
    def known(self) -> tuple[GridCell, ...]:
        return tuple(cell for cell in self.cells if cell.values or cell.arm.diverged)


@dataclass(frozen=True)
class Slice:
    """A plane through the space of hyperparameters.

    Attributes:
        key: the second one's key.
        metric: what is shown and fitted.
        tested: what is shown beside it, the same metric on the test images; None where no run has
            looked at them, or the metric has no such counterpart.
        lines: ascending in `y`.
    """

    key: str
    metric: str
    tested: str | None
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """What the second axis shows."""
        return f"1 - {self.key}" if self.key == MOMENTUM else self.key

    @property
    def rates(self) -> list[float]:
        return sorted({cell.lr for line in self.lines for cell in line.cells})

    @property
    def cells(self) -> list[GridCell]:
        return [cell for line in self.lines for cell in line.cells]


def slice_of(arms: Sequence[Arm], metric: str = "val_top1", key: str | None = None) -> Slice:
    """Return the slice that runs of several learning rates and several values of one more key make.

    Args:
        arms: from `arms_of`; they may differ in nothing else.
        metric: one of `METRICS`.
        key: the second hyperparameter; left out, it is what the runs differ in.

    Raises:
        ConfigError: if the arms differ in something else, or the values are no numbers.
        TrainerError: if no completed run has the metric.
    """
    varied = varied_keys([arm.settings for arm in arms])
    keys = ", ".join(varied) or "nothing"
    others = [k for k in varied if k != LR]
    if LR not in varied or (key is not None and key not in others):
        wanted = f"{LR} and {key or 'one more key'}"
        raise ConfigError(f"the runs of a slice differ in {wanted}; these differ in {keys}")
    if len(others) != 1:
        raise ConfigError(
            f"the runs of a slice must differ in {LR}, {key or 'one more key'} and the seed alone; "
            f"these differ in {keys}"
        )
    chosen = others[0]
    check_completed(arms, metric)
    tested = on_test(metric)
    lines: dict[float, list[GridCell]] = {}
    for arm in arms:
        lr = number_of(arm, LR)
        if lr <= 0.0:
            raise ConfigError(f"{LR} must be above 0 to be shown on a logarithmic axis, got {lr:g}")
        scores = tuple(arm.values(tested).values()) if tested else ()
        cell = GridCell(lr, arm, tuple(arm.values(metric).values()), scores)
        lines.setdefault(shown_value(chosen, number_of(arm, chosen)), []).append(cell)
    made = [Line(y, tuple(sorted(lines[y], key=lambda cell: cell.lr))) for y in sorted(lines)]
    has_test = any(cell.tested for line in made for cell in line.cells)
    return Slice(chosen, metric, tested if has_test else None, tuple(made))


def number_of(arm: Arm, key: str) -> float:
    value = arm.settings.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{key} must be a number in every run, got {value}")
    return float(value)


def shown_value(key: str, value: float) -> float:
    """Return a value as it is shown and fitted; rounded where a difference would show its bits."""
    return round(1.0 - value, 12) if key == MOMENTUM else value


def on_test(metric: str) -> str | None:
    """Return the counterpart of a metric of the validation images on the test images."""
    for prefix, other in COUNTERPARTS.items():
        if metric.startswith(prefix):
            return other + metric.removeprefix(prefix)
    return None
