"""Mean and spread of a few numbers, with Student's t."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

CONFIDENCE = 0.95  # of every interval


@dataclass(frozen=True)
class Spread:
    """Mean of `n` numbers, None where there are none, and sample standard deviation, None for fewer
    than two, or where one is not finite."""

    mean: float | None
    sd: float | None
    n: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Self:
        """Return the spread of numbers."""
        if not all(map(math.isfinite, numbers)):
            return cls(sum(numbers) / len(numbers), None, len(numbers))
        return cls(
            statistics.fmean(numbers) if numbers else None,
            statistics.stdev(numbers) if len(numbers) > 1 else None,
            len(numbers),
        )

    @property
    def se(self) -> float | None:
        """Standard error of the mean; None where there is no `sd`."""
        return None if self.sd is None else self.sd / math.sqrt(self.n)

    @property
    def half_width(self) -> float | None:
        """Half the length of the mean's 95 % interval: t sd / sqrt(n); None below two numbers."""
        if self.sd is None:
            return None
        return t_quantile(0.5 + 0.5 * CONFIDENCE, self.n - 1) * self.sd / math.sqrt(self.n)


def t_quantile(probability: float, df: float) -> float:
    """Return the value below which Student's t lies with a probability in (0, 1)."""
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls, without a second of imports

    return float(stdtrit(df, probability))


def t_two_sided(t: float, df: float) -> float:
    """Return the probability of a Student's t at least as far from 0, in either direction."""
    from scipy.special import stdtr  # likewise of scipy.stats.t.sf

    return 2.0 * float(stdtr(df, -abs(t)))
