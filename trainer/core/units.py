"""Durations as users write them (`5ep`, `300st`, `10%`), amounts of images, a run's clock."""

import math
import re
from dataclasses import dataclass
from typing import ClassVar, Self

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError

NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"

MOST = 1e12  # of epochs, steps, seconds or images: products of two stay far from overflow


def read_unit(value: object, key: str, units: dict[str, str]) -> tuple[float, str]:
    """Return number and unit of a text such as `5ep`; raise ConfigError with every spelling."""
    match = re.fullmatch(f"({NUMBER})\\s*({'|'.join(map(re.escape, units))})", str(value).strip())
    if isinstance(value, str) and match:
        if float(match[1]) > MOST:
            raise ConfigError(f"{key} must be at most {MOST:g}{match[2]}, got {shown(value)}")
        return float(match[1]), match[2]
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 5
    spellings = " or ".join(f"{key}={number}{unit} ({meaning})" for unit, meaning in units.items())
    raise ConfigError(f"{key} needs a unit: write {spellings}; got {shown(value)}")


def counted(number: int, word: str, plural: str = "s") -> str:
    """Return a number with its word: `1 process`, `2 processes`."""
    return f"{number:,} {word}{'' if number == 1 else plural}"


def written(number: float) -> str:
    """Return a number as a user writes it: every digit, whole ones without a point."""
    return str(int(number)) if float(number).is_integer() else repr(number)


@dataclass(frozen=True)
class Duration(Written):
    """A span of training: passes over the training images, optimizer steps, or a share of the run.

    Attributes:
        value: how many; not negative.
        unit: `ep` epochs, `st` steps, `%` of the run's steps.
    """

    value: float
    unit: str
    UNITS: ClassVar[dict[str, str]] = {"ep": "epochs", "st": "optimizer steps", "%": "of the run"}

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the duration written as `value`; a bare number is refused, with the spellings."""
        number, unit = read_unit(value, key, cls.UNITS)
        if unit == "st" and not number.is_integer():
            raise ConfigError(f"{key}={value}: steps (st) are whole numbers")
        if unit == "%" and number > 100:
            raise ConfigError(f"{key}={value}: at most 100% of the run")
        return cls(number, unit)

    def __str__(self) -> str:
        return f"{written(self.value)}{self.unit}"

    def steps(self, steps_per_epoch: int, total: int) -> int:
        """Return the number of optimizer steps, rounded to the nearest, a half up."""
        return math.floor(self.exact_steps(steps_per_epoch, total) + 0.5)

    def exact_steps(self, steps_per_epoch: int, total: int) -> float:
        """Return the number of optimizer steps with its fraction."""
        if self.unit == "%":
            return self.value * total / 100
        return self.value * steps_per_epoch if self.unit == "ep" else self.value


@dataclass(frozen=True)
class Interval(Written):
    """How often something is done: every so many seconds, epochs or steps.

    Attributes:
        value: how many; positive.
        unit: `s` seconds of wall time, `ep` epochs, `st` steps.
    """

    value: float
    unit: str
    UNITS: ClassVar[dict[str, str]] = {"s": "seconds", "ep": "epochs", "st": "optimizer steps"}

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the interval written as `value`."""
        number, unit = read_unit(value, key, cls.UNITS)
        if number <= 0 or (unit == "st" and not number.is_integer()):
            raise ConfigError(f"{key} must be positive, and whole for steps (st), got {value}")
        return cls(number, unit)

    def __str__(self) -> str:
        return f"{written(self.value)}{self.unit}"


@dataclass(frozen=True)
class Amount(Written):
    """A number of images: a count, or a share of those there are, in percent."""

    value: float
    is_share: bool

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the amount written as `value`: `5000`, `10%` or 0."""
        match = re.fullmatch(f"({NUMBER})\\s*(%?)", str(value).strip())
        if match and not isinstance(value, bool):
            number, is_share = float(match[1]), bool(match[2])
            if number <= 100 if is_share else number <= MOST and number.is_integer():
                return cls(number, is_share)
        raise ConfigError(
            f"{key} must be a share such as 10% or a number of images such as 5000, "
            f"got {shown(value)}"
        )

    def __str__(self) -> str:
        return f"{written(self.value)}%" if self.is_share else str(int(self.value))

    def of(self, total: int) -> int:
        """Return how many of `total` images are meant; a count may exceed the total."""
        return round(self.value / 100 * total) if self.is_share else int(self.value)


@dataclass(frozen=True)
class Seconds(Written):
    """A time on the clock on the wall, such as `60s`; positive."""

    value: float
    UNITS: ClassVar[dict[str, str]] = {"s": "seconds"}

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the time written as `value`."""
        number, _ = read_unit(value, key, cls.UNITS)
        if not 1 <= number <= 86_400:
            raise ConfigError(f"{key} must be from 1s to 86400s (a day), got {value}")
        return cls(number)

    def __str__(self) -> str:
        return f"{self.value:g}s"


@dataclass(frozen=True)
class TimeSpan(Written):
    """How long something may take on the clock on the wall: `300s`, `5min`, `1h`.

    Attributes:
        value: how many; positive.
        unit: `s` seconds, `min` minutes, `h` hours.
    """

    value: float
    unit: str
    UNITS: ClassVar[dict[str, str]] = {"s": "seconds", "min": "minutes", "h": "hours"}

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the time written as `value`."""
        span = cls(*read_unit(value, key, cls.UNITS))
        if not 1 <= span.seconds <= 365 * 86_400:
            raise ConfigError(f"{key} must be from 1s to a year (8760h), got {value}")
        return span

    def __str__(self) -> str:
        return f"{written(self.value)}{self.unit}"

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.value * {"s": 1, "min": 60, "h": 3600}[self.unit]


def crossed(before: int, now: int, every: int) -> bool:
    """Return whether a multiple of `every` lies in (before, now]."""
    return now // every > before // every
