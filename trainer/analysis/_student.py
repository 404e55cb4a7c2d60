"""Student's t distribution, which neither Python's library nor torch has."""

from __future__ import annotations

import math

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
