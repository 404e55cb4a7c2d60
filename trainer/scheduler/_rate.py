"""A learning rate as users write it: absolute, or as a share of the peak."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError
from trainer.core.units import NUMBER, written


@dataclass(frozen=True)
class Rate(Written):
    """A learning rate at or below the peak.

    Attributes:
        value: a learning rate, or percent of `optim.lr`.
        is_share: whether `value` is percent.
    """

    value: float
    is_share: bool = False

    @classmethod
    def parse(cls, value: object, key: str) -> Rate:
        """Return the rate written as `value`: `0.001` or `1%`."""
        match = re.fullmatch(f"({NUMBER})\\s*(%?)", str(value).strip())
        if match and not isinstance(value, bool):
            return cls(float(match[1]), bool(match[2]))
        raise ConfigError(
            f"{key} must be a learning rate such as 0.001 or a share of the peak such as 1%, "
            f"got {shown(value)}"
        )

    def __str__(self) -> str:
        return f"{written(self.value)}%" if self.is_share else written(self.value)

    def of(self, peak: float, key: str) -> float:
        """Return the rate as a share of `peak`; raise ConfigError if it is above it."""
        share = self.value / 100 if self.is_share else self.value / peak
        if share > 1.0:
            raise ConfigError(f"{key}={self} is above the peak optim.lr={peak}")
        return share
