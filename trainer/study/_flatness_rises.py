"""How flat: the rise of the loss at equal distance along random rays, and its spread over them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and standard error of n numbers; the latter two None below 2."""

    mean: float
    sd: float | None
    standard_error: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of finite or infinite values."""
        n, mean = len(values), sum(values) / len(values)
        if n < 2 or not math.isfinite(mean):
            return cls(mean, None, None, n)
        sd = statistics.stdev(values)
        return cls(mean, sd, sd / math.sqrt(n), n)


@dataclass(frozen=True)
class Rise:
    """How much a score rises from two starts at one distance, over rays of the same directions.

    Attributes:
        share: length of the step: in norms of the first weights, or of each filter of its start.
        distances: from each start, on average over rays: equal for raw ones.
        rises: from each start.
        difference: second minus first, ray by ray.
        num_lower: rays along which the second rises less.
    """

    share: float
    distances: tuple[float, float]
    rises: tuple[Spread, Spread]
    difference: Spread
    num_lower: int


def rises(rows: Rows, kind: str, starts: tuple[str, str], score: str) -> list[Rise]:
    """Return the rise of a score at each distance from two starts.

    Args:
        rows: of the rays, with `start`, `kind`, `ray`, `share`, `distance` and the scores.
        kind: `raw` or `filter`.
        starts: labels of the two.
        score: such as `train_loss`.
    """
    mine = [row for row in rows if row["kind"] == kind]
    at = {(row["start"], row["ray"], row["share"]): row for row in mine}
    rays = sorted({row["ray"] for row in mine})
    found = []
    for share in sorted({row["share"] for row in mine} - {0.0}):
        values, distances = [], []
        for start in starts:
            ends = [at[start, ray, share] for ray in rays]
            values.append([r[score] - at[start, r["ray"], 0.0][score] for r in ends])
            distances.append(statistics.fmean(r["distance"] for r in ends))
        both = [second - first for first, second in zip(*values, strict=True)]
        found.append(
            Rise(
                share,
                (distances[0], distances[1]),
                (Spread.of(values[0]), Spread.of(values[1])),
                Spread.of(both),
                sum(b < 0 for b in both),
            )
        )
    return found
