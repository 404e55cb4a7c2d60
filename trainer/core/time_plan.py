"""The number of steps of a run whose length is a time: how it was planned, step by step.

`max_time` heads for a total that it corrects while the run trains. A total follows at once where it
falls; where it grows, it grows only so fast that the share of the run that is done never falls, so
that what has begun at a share of the run (an average, frozen weights) stays begun.
"""

import re
from dataclasses import dataclass
from typing import Self

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError

UNPLANNED = 10**9  # steps of a run before its first plan: its schedule stands at its beginning

Mark = tuple[int, int]  # steps done, and the total that the run heads for from then on


def next_total(step: int, total: int, wanted: int) -> int:
    """Return the total for the step that comes after `step` steps are done.

    Args:
        step: steps done.
        total: for the last of them.
        wanted: total that the run heads for.

    Returns:
        `wanted`, but not less than `step`, and no more than leaves step / total where it was.
    """
    if total != UNPLANNED and step > 1:
        wanted = min(wanted, step * total // (step - 1))
    return max(wanted, step)


@dataclass(frozen=True)
class TimePlan(Written):
    """What a run with `max_time` planned, as text: `4:120 5:131 ...`, steps done and total."""

    marks: tuple[Mark, ...]

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the plan written as `value`."""
        text = str(value).strip()
        if isinstance(value, str) and re.fullmatch(
            r"\d{1,12}:\d{1,12}(\s+\d{1,12}:\d{1,12})*", text
        ):
            pairs = [pair.split(":") for pair in text.split()]
            marks = tuple((int(step), int(total)) for step, total in pairs)
            steps = [step for step, _ in marks]
            if steps == sorted(set(steps)) and all(1 <= s <= t < UNPLANNED for s, t in marks):
                return cls(marks)
        raise ConfigError(
            f"{key} is what a run with max_time recorded, steps done and total, such as "
            f"'4:120 5:131'; repeat= writes it; got {shown(value)}"
        )

    def __str__(self) -> str:
        return " ".join(f"{step}:{total}" for step, total in self.marks)

    @property
    def total(self) -> int:
        """Steps that the run headed for at its end."""
        return self.marks[-1][1]
