"""What a few numbers of two kinds say about the difference of their means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.core.errors import ConfigError

CONFIDENCE = 0.95  # of every interval

POWER = 0.80  # with which the smallest difference named would have been found


@dataclass(frozen=True)
class Spread:
    """Mean and spread of numbers.

    Attributes:
        mean: None where there are none.
        sd: sample standard deviation, None for fewer than two.
        n: how many there are.
    """

    mean: float | None
    sd: float | None
    n: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Return the spread of numbers."""
        return cls(
            statistics.fmean(numbers) if numbers else None,
            statistics.stdev(numbers) if len(numbers) > 1 else None,
            len(numbers),
        )

    @property
    def half_width(self) -> float | None:
        """Half the length of the mean's 95 % interval: t sd / sqrt(n); None below two numbers."""
        if self.sd is None:
            return None
        return quantile(0.5 + 0.5 * CONFIDENCE, self.n - 1) * self.sd / math.sqrt(self.n)


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
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    is_paired: bool = False


@dataclass(frozen=True)
class Correlation:
    """How two kinds of numbers go together over seeds.

    Attributes:
        value: Pearson's coefficient; None where one of the two does not vary.
        low: lower end of its 95 % interval, None for fewer than four seeds.
        n: seeds that both have.
    """

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
    if len(seeds) < 2 or len(set(one)) == 1 or len(set(two)) == 1:
        return Correlation(None, None, len(seeds))
    value = max(-1.0, min(1.0, statistics.correlation(one, two)))
    if len(seeds) < 4:
        return Correlation(value, None, len(seeds))
    reach = statistics.NormalDist().inv_cdf(0.5 + 0.5 * CONFIDENCE) / math.sqrt(len(seeds) - 3)
    low = value if abs(value) == 1.0 else math.tanh(math.atanh(value) - reach)
    return Correlation(value, low, len(seeds))


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return the difference of two means whose variances may differ.

    "The generalization of 'Student's' problem when several different population variances are
    involved", B. L. Welch, Biometrika 34, 1947; degrees of freedom by Satterthwaite's formula.

    Args:
        first: at least one number; `second` likewise. Below two there is no interval.
    """
    mean = statistics.fmean(second) - statistics.fmean(first)
    if min(len(first), len(second)) < 2:
        return Difference(mean)
    parts = [statistics.variance(numbers) / len(numbers) for numbers in (first, second)]
    freedom = [len(first) - 1, len(second) - 1]
    squares = sum(part**2 / df for part, df in zip(parts, freedom, strict=True))
    df = sum(parts) ** 2 / squares if squares > 0.0 else float(sum(freedom))
    return judged(mean, math.sqrt(sum(parts)), df, is_paired=False)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Return the mean of differences seed by seed.

    Args:
        first: numbers by seed; `second` likewise, with the same seeds.

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
    return judged(mean, error, len(numbers) - 1, is_paired=True)


def judged(mean: float, error: float, df: float, *, is_paired: bool) -> Difference:
    """Return a difference with its interval, its p and what could have been found.

    The interval is mean +- t(0.975, df) * error. A true difference d is found (its interval leaves
    out 0) with a probability of about 0.8 where d = (t(0.975, df) + t(0.8, df)) * error: "Minimum
    detectable effects", H. S. Bloom, Evaluation Review 19, 1995.

    Args:
        mean: the difference.
        error: its standard error; 0 where the numbers do not vary.
        df: degrees of freedom.
        is_paired: how it was made.
    """
    reach = quantile(0.5 + 0.5 * CONFIDENCE, df)
    without_spread = 1.0 if mean == 0.0 else 0.0
    p = two_sided(mean / error, df) if error > 0.0 else without_spread
    return Difference(
        mean,
        low=mean - reach * error,
        high=mean + reach * error,
        p=p,
        detectable=(reach + quantile(POWER, df)) * error,
        is_paired=is_paired,
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


MOST_TERMS = 100_000  # of the continued fraction; about the root of the larger argument is needed

TINY = 1e-300


def quantile(probability: float, df: float) -> float:
    """Return the t that lies above a share `probability` of the distribution.

    Found by halving between bounds: exact to the last digits that `upper_tail` has.

    Args:
        probability: in (0, 1).
        df: degrees of freedom, above 0; need not be whole.
    """
    assert 0.0 < probability < 1.0, probability
    if probability < 0.5:
        return -quantile(1.0 - probability, df)
    tail, low, high = 1.0 - probability, 0.0, 1.0
    while upper_tail(high, df) > tail:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if upper_tail(middle, df) > tail:
            low = middle
        else:
            high = middle


def two_sided(t: float, df: float) -> float:
    """Return the probability of a value at least as far from 0 as `t`, in either direction."""
    return 2.0 * upper_tail(abs(t), df)


def upper_tail(t: float, df: float) -> float:
    """Return the probability of a value above `t`; accurate however small it is."""
    assert df > 0.0, df
    if t < 0.0:
        return 1.0 - upper_tail(-t, df)
    square = t * t
    if math.isinf(square):
        return 0.0
    return 0.5 * incomplete_beta(0.5 * df, 0.5, df / (df + square), square / (df + square))


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    By the continued fraction 26.5.8 of Abramowitz and Stegun, "Handbook of Mathematical Functions",
    on the side where it converges fast: I_x(a, b) = 1 - I_{1-x}(b, a).

    Args:
        a: above 0; `b` likewise.
        x: in [0, 1].
        rest: 1 - x, given apart because it may be too small to be left over by a subtraction.
    """
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(b, a, rest, x)
    log_front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b)
    front = math.exp(log_front - math.lgamma(a) - math.lgamma(b))
    return front / (a * fraction(a, b, x))


def fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)) of the incomplete beta function, by Lentz's method."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, MOST_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / ((1.0 + d * lower) or TINY)
        upper = (1.0 + d / upper) or TINY
        value *= upper * lower
        if abs(upper * lower - 1.0) < 1e-16:
            return value
    raise ArithmeticError(f"the continued fraction of I_{x}({a}, {b}) did not converge")
