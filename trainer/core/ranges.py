"""Ranges of the numbers that users set."""

import operator

from trainer.core.errors import ConfigError

COMPARE = {"[": operator.le, "(": operator.lt, "]": operator.le, ")": operator.lt}


def check_in(interval: str, key: str, value: float) -> None:
    """Raise ConfigError unless a number lies in an interval.

    Args:
        interval: such as `[0, 1)`; a square bracket takes its end in, `inf` is no end.
        key: the key that it was written under.
        value: the number; not in any interval if it is no number.
    """
    low, high = interval[1:-1].split(",")
    if COMPARE[interval[0]](float(low), value) and COMPARE[interval[-1]](value, float(high)):
        return
    allowed = f"in {interval}"
    if float(high) == float("inf"):
        allowed = f"{low} or more" if interval[0] == "[" else "positive"
    raise ConfigError(f"{key} must be {allowed}, got {value}")
