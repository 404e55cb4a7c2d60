"""What a few numbers of two kinds say about the difference of their means."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.core.errors import ConfigError
from trainer.record.spread import CONFIDENCE, t_quantile, t_two_sided

POWER = 0.80  # with which the smallest difference named would have been found


@dataclass(frozen=True)
class Difference:
    """A difference of two means.

    Attributes:
        mean: of the second kind less that of the first.
        low: lower end of its 95 % interval, None where there are too few numbers for one; `high`
            the upper end.
        p: probability of a difference at least as large where there is none (two-sided).
        p_holm: the same, adjusted for all differences that were looked at.
        detectable: the smallest true difference that would have been found 4 times out of 5.
        is_paired: whether it is the mean of differences seed by seed.
        error: the standard error, None where there are too few numbers; `df` its degrees of
            freedom.
        factor: what p is multiplied by, as one of several differences.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    is_paired: bool = False
    error: float | None = None
    df: float = 0.0
    factor: int = 1

    @property
    def adjusted(self) -> tuple[float, float, float] | None:
        """The ends of an interval that leaves out 0 just where `p_holm` is below 0.05, and the true
        difference that would have been found so 4 times out of 5."""
        if self.error is None:
            return None
        reach = t_quantile(1.0 - 0.5 * (1.0 - CONFIDENCE) / self.factor, self.df)
        half, power = reach * self.error, t_quantile(POWER, self.df) * self.error
        return self.mean - half, self.mean + half, half + power


@dataclass(frozen=True)
class Correlation:
    """How two kinds of numbers go together over `n` seeds: Pearson's coefficient, None where
    one of the two does not vary, and the lower end of its 95 % interval, None for fewer than
    four seeds."""

    value: float | None
    low: float | None
    n: int

    @property
    def justifies_pairs(self) -> bool:
        """Whether differences seed by seed vary less than those of independent numbers would: the
        interval of the correlation lies above 0."""
        return self.low is not None and self.low > 0.0


def correlation(first: Mapping[int, float], second: Mapping[int, float]) -> Correlation:
    """Return the correlation of two kinds of numbers over the seeds that both have.

    Its interval is by Fisher's transformation, atanh(r) +- 1.96 / sqrt(n - 3): "On the 'probable
    error' of a coefficient of correlation deduced from a small sample", R. A. Fisher, Metron 1,
    1921.
    """
    seeds = sorted(set(first) & set(second))
    one, two = ([numbers[seed] for seed in seeds] for numbers in (first, second))
    try:
        value = max(-1.0, min(1.0, statistics.correlation(one, two)))
    except statistics.StatisticsError:  # fewer than two, or one of the two does not vary
        return Correlation(None, None, len(seeds))
    if len(seeds) < 4:
        return Correlation(value, None, len(seeds))
    reach = statistics.NormalDist().inv_cdf(0.5 + 0.5 * CONFIDENCE) / math.sqrt(len(seeds) - 3)
    low = value if abs(value) == 1.0 else math.tanh(math.atanh(value) - reach)
    return Correlation(value, low, len(seeds))


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return the difference of two means whose variances may differ; below two numbers there is no
    interval.

    "The generalization of 'Student's' problem when several different population variances are
    involved", B. L. Welch, Biometrika 34, 1947; degrees of freedom by Satterthwaite's formula.
    """
    mean = statistics.fmean(second) - statistics.fmean(first)
    if min(len(first), len(second)) < 2:
        return Difference(mean)
    parts = [statistics.variance(numbers) / len(numbers) for numbers in (first, second)]
    freedom = [len(first) - 1, len(second) - 1]
    squares = sum(part**2 / df for part, df in zip(parts, freedom, strict=True))
    df = sum(parts) ** 2 / squares if squares > 0.0 else float(sum(freedom))
    return difference_from(mean, math.sqrt(sum(parts)), df, is_paired=False)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Return the mean of differences seed by seed, from two sets of numbers by seed.

    Raises:
        ConfigError: if the seeds do not match.
    """
    if set(first) != set(second):
        odd = ", ".join(map(str, sorted(set(first) ^ set(second))))
        raise ConfigError(f"a paired comparison needs the same seeds in both; these are not: {odd}")
    numbers = [second[seed] - first[seed] for seed in sorted(first)]
    mean = statistics.fmean(numbers)
    if len(numbers) < 2:
        return Difference(mean, is_paired=True)
    error = statistics.stdev(numbers) / math.sqrt(len(numbers))
    return difference_from(mean, error, len(numbers) - 1, is_paired=True)


def difference_from(mean: float, error: float, df: float, *, is_paired: bool) -> Difference:
    """Return a difference with its interval, its p and what could have been found.

    The interval is mean +- t(0.975, df) * error. A true difference d is found (its interval leaves
    out 0) with a probability of about 0.8 where d = (t(0.975, df) + t(0.8, df)) * error: "Minimum
    detectable effects", H. S. Bloom, Evaluation Review 19, 1995. The standard error is 0 where the
    numbers do not vary.
    """
    reach = t_quantile(0.5 + 0.5 * CONFIDENCE, df)
    without_spread = 1.0 if mean == 0.0 else 0.0
    p = t_two_sided(mean / error, df) if error > 0.0 else without_spread
    return Difference(
        mean,
        low=mean - reach * error,
        high=mean + reach * error,
        p=p,
        detectable=(reach + t_quantile(POWER, df)) * error,
        is_paired=is_paired,
        error=error,
        df=df,
    )


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return probabilities adjusted for being several, in their order.

    The smallest of m counts m times, the next m - 1 times, and so on, none less than one before it.
    "A simple sequentially rejective multiple test procedure", S. Holm, Scandinavian Journal of
    Statistics 6, 1979.
    """
    order = sorted(range(len(probabilities)), key=lambda i: probabilities[i])
    adjusted, greatest = [0.0] * len(order), 0.0
    for rank, i in enumerate(order):
        greatest = max(greatest, min(1.0, (len(order) - rank) * probabilities[i]))
        adjusted[i] = greatest
    return adjusted


def holm_factors(probabilities: Sequence[float]) -> list[int]:
    """Return how often each of several probabilities counts where `holm` stops at the first that is
    not below 0.05: an interval of the level that is divided by it leaves out 0 just where the
    adjusted probability is below 0.05."""
    adjusted, level = holm(probabilities), 1.0 - CONFIDENCE
    passed = sum(p < level for p in adjusted)
    order = sorted(range(len(probabilities)), key=lambda i: probabilities[i])
    ranks = {i: rank for rank, i in enumerate(order)}
    return [len(order) - min(ranks[i], passed) for i in range(len(order))]
