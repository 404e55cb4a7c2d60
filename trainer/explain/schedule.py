"""The learning rate of a composed configuration over its run, by the schedule itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.core.clock import Clock
from trainer.core.convert import build_choice
from trainer.scheduler import SCHEDULERS, Schedule

# Without the data nobody knows how many steps an epoch has; spans in epochs and shares do not ask.
STEPS_PER_EPOCH = 1000
MOST_STEPS = 200_000


@dataclass(frozen=True)
class Moment:
    """The schedule at a share of the run, in [0, 1]; 1 is after the last step."""

    share: float
    epoch: float
    lr: float
    momentum: float | None


def why_not(values: Mapping[str, Any], max_steps: int | None) -> str | None:
    """Return why the values of a schedule cannot be told without the data, or None."""
    name = values["name"]
    if name == "plateau":
        return "it falls when validation stops improving, which is seen in training"
    if name == "torch":
        return "torch's class counts in moves, whose number is that of the data's steps"
    if values.get("mode") == "exp_range":
        return "exp_range shrinks at each move, whose number is that of the data's steps"
    spans = str({k: v for k, v in values.items() if (k, v) != ("every", "1st")})
    units = set(re.findall(r"\d(st|ep)\b", spans)) - ({"st"} if max_steps else {"ep"})
    counted = {"st": "steps", "ep": "epochs"}
    if any(not is_zero(spans, unit) for unit in units):
        return f"spans in {counted[min(units)]} ask for the number of steps in an epoch"
    return None


def is_zero(spans: str, unit: str) -> bool:
    """Return whether all spans in a unit are 0 of it, which is nothing in any."""
    return not re.search(rf"[1-9][\d.e+-]*{unit}\b|\.\d*[1-9]\d*{unit}\b", spans)


def moments(
    values: Mapping[str, Any],
    peak: float,
    epochs: float,
    max_steps: int | None,
    count: int = 11,
) -> list[Moment]:
    """Return the schedule at evenly spaced shares of the run.

    Args:
        values: the mapping of `scheduler`.
        peak: `optim.lr`.
        epochs: of the run.
        max_steps: steps of the run where they end it.
        count: of the moments, the run's ends included.

    Raises:
        ConfigError: if a key is wrong or does not fit the run.
    """
    choice = build_choice(SCHEDULERS, values, "scheduler")
    per_epoch = max(1, min(STEPS_PER_EPOCH, int(MOST_STEPS / epochs)))
    total = max_steps or max(1, round(epochs * per_epoch))
    schedule = Schedule(choice, peak=peak, total=total, steps_per_epoch=per_epoch)
    found = []
    for i in range(count):
        share = i / (count - 1)
        step = round(share * total)
        point = schedule(Clock(step, total, per_epoch, schedule.warmup))
        found.append(Moment(share, share * epochs, peak * point.lr_scale, point.momentum))
    return found
