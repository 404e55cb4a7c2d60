import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trainer.analysis._statistics import correlation, holm, holm_factors, paired, welch
from trainer.core.errors import ConfigError
from trainer.record.spread import t_quantile

# Hours of sleep gained with two drugs, ten patients: "The probable error of a mean", Student, 1908.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_welch_on_student_s_data() -> None:
    # R prints for t.test(extra ~ group, data = sleep): p 0.07939, interval -3.3654832 to 0.2054832
    found = welch(SECOND, FIRST)
    assert found.mean == pytest.approx(-1.58)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)
    assert not found.is_paired


def test_paired_on_student_s_data() -> None:
    # and with paired = TRUE: p 0.002833, interval -2.4598858 to -0.7001142
    found = paired(dict(enumerate(SECOND)), dict(enumerate(FIRST)))
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert (found.low, found.high) == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert found.is_paired


def test_paired_on_numbers_by_hand() -> None:
    # differences 1, 2, 3: mean 2, sd 1, standard error 1/sqrt(3), t(0.975, 2) = 4.303
    found = paired({0: 5.0, 1: 1.0, 7: 2.0}, {7: 5.0, 0: 6.0, 1: 3.0})
    assert found.mean == pytest.approx(2.0)
    assert found.low == pytest.approx(2.0 - 4.302652729749464 / math.sqrt(3))
    # the smallest that three such pairs find: (4.303 + 1.061) / sqrt(3)
    assert found.detectable == pytest.approx((4.302652729749464 + 1.060660171779821) / 3**0.5)
    assert found.p == pytest.approx(0.0742, abs=1e-4)  # t = 3.46 with 2 degrees of freedom
    assert found.is_paired


def test_seeds_that_do_not_match_are_not_paired() -> None:
    with pytest.raises(ConfigError, match="these are not: 2, 3"):
        paired({0: 1.0, 1: 1.0, 2: 1.0}, {0: 1.0, 1: 1.0, 3: 1.0})


def test_what_is_called_detectable_is_found_four_times_out_of_five() -> None:
    generator, n = np.random.default_rng(0), 5
    error = math.sqrt(2.0 / n)  # of two means of n numbers with variance 1
    df = 2 * (n - 1)
    true = (t_quantile(0.975, df) + t_quantile(0.80, df)) * error
    found, detectable = 0, []
    for _ in range(400):
        draws = generator.standard_normal((2, n))
        result = welch(list(draws[0]), list(draws[1] + true))
        assert result.p is not None
        assert result.detectable is not None
        found += result.p < 0.05
        detectable.append(result.detectable)
    assert found / 400 == pytest.approx(0.80, abs=0.06)
    assert statistics.fmean(detectable) == pytest.approx(true, rel=0.08)


def test_intervals_cover_the_truth_nineteen_times_out_of_twenty() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        first, second = generator.normal(0, 3, 4), generator.normal(1, 1, 8)
        found = welch(list(first), list(second))
        assert found.low is not None
        assert found.high is not None
        covered += found.low < 1.0 < found.high
    assert covered / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9), st.lists(st.floats(-9, 9), min_size=2))
def test_welch_and_the_paired_test_are_those_of_scipy(one: list[float], two: list[float]) -> None:
    from scipy import stats

    assume(min(np.std(one), np.std(two)) > 0.01)
    found, theirs = welch(one, two), stats.ttest_ind(two, one, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-8)
    n = min(len(one), len(two))
    assume(np.std(np.subtract(one[:n], two[:n])) > 0.01)
    pairs = paired(dict(enumerate(one[:n])), dict(enumerate(two[:n])))
    assert pairs.p == pytest.approx(stats.ttest_rel(two[:n], one[:n]).pvalue, rel=1e-6)


def test_one_number_has_no_interval() -> None:
    found = welch([1.0], [2.0, 3.0])
    assert (found.mean, found.low, found.p, found.detectable) == (1.5, None, None, None)
    assert paired({0: 1.0}, {0: 3.0}).low is None


def test_numbers_without_spread_differ_or_do_not() -> None:
    same, other = welch([1.0, 1.0], [1.0, 1.0]), welch([1.0, 1.0], [2.0, 2.0])
    assert (same.p, same.low, same.high) == (1.0, 0.0, 0.0)
    assert (other.p, other.low, other.high) == (0.0, 1.0, 1.0)


def test_holm_by_hand() -> None:
    # smallest 0.01 x 4, then 0.02 x 3, then max(0.03 x 2, 0.06), then max(0.5, ...)
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.9, 0.95]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_nothing_and_bonferroni_and_keeps_the_order(chances: list[float]) -> None:
    adjusted = holm(chances)
    for p, q in zip(chances, adjusted, strict=True):
        assert p <= q <= 1.0
    assert min(adjusted) == min(1.0, len(chances) * min(chances))
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_factors_stay_where_the_first_is_not_below_the_level() -> None:
    # 0.01 x 4 = 0.04 passes; 0.02 x 3 = 0.06 does not, so that 0.03 counts 3 times, not twice
    assert holm_factors([0.03, 0.01, 0.5, 0.02]) == [3, 4, 3, 3]
    assert holm_factors([0.04, 0.03]) == [2, 2]  # alone, 0.04 would pass
    assert holm_factors([0.001, 0.002]) == [2, 1]
    assert holm_factors([]) == []


@pytest.mark.slow
@given(st.lists(st.sampled_from([0.001, 0.012, 0.02, 0.03, 0.04, 0.06, 0.5]), max_size=6))
def test_a_probability_times_its_factor_is_below_the_level_just_where_holm_s_is(
    chances: list[float],
) -> None:
    factors = holm_factors(chances)
    for p, factor, adjusted in zip(chances, factors, holm(chances), strict=True):
        assert (p * factor < 0.05) == (adjusted < 0.05)


def test_correlation_on_student_s_data() -> None:
    # R prints for cor.test(FIRST, SECOND): cor 0.7951702; atanh of it is 1.08534, less
    # 1.95996 / sqrt(7) = 0.74080 leaves 0.34454, whose tanh is 0.33153
    found = correlation(dict(enumerate(FIRST)), dict(enumerate(SECOND)))
    assert found.value == pytest.approx(0.7951702, abs=5e-8)
    assert found.low == pytest.approx(0.33153, abs=1e-5)
    assert found.n == 10
    assert found.justifies_pairs


def test_few_or_unmoved_numbers_never_justify_pairs() -> None:
    rising = {seed: 0.1 * seed for seed in range(9)}
    three = correlation({s: rising[s] for s in range(3)}, rising)
    assert (three.value, three.low, three.n) == (pytest.approx(1.0), None, 3)
    assert not three.justifies_pairs
    assert correlation(dict.fromkeys(range(9), 0.5), rising).value is None
    assert not correlation({s: -v for s, v in rising.items()}, rising).justifies_pairs
    assert correlation(rising, rising).justifies_pairs
