import math
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.command import environment
from trainer.record.spread import Spread, t_quantile, t_two_sided

# Probability, degrees of freedom, t: to sixteen digits, by integrating the density with thirty.
EXACT = [
    (0.6, 1, 0.3249196962329063),
    (0.6, 4.7, 0.2680827195410319),
    (0.6, 120, 0.2539095232149286),
    (0.8, 2, 1.060660171779821),
    (0.8, 18, 0.8620486679895987),
    (0.8, 1000, 0.8419808221624286),
    (0.9, 3, 1.63774435369621),
    (0.9, 29.5, 1.310915506633971),
    (0.975, 1, 12.7062047361747),
    (0.975, 2, 4.302652729749464),
    (0.975, 4.7, 2.62072607535317),
    (0.975, 9, 2.262157162798206),
    (0.975, 18, 2.100922040241038),
    (0.975, 1000, 1.962339080826408),
    (0.975, 100000, 1.95998770753461),
    (0.995, 3, 5.840909309733357),
    (0.9995, 1, 636.6192487687196),
    (0.9995, 9, 4.780912585931139),
]
# As printed in tables of the distribution: degrees of freedom, then 0.95, 0.975, 0.99, 0.995.
TABLE = """
1    6.314  12.706  31.821  63.657
2    2.920   4.303   6.965   9.925
5    2.015   2.571   3.365   4.032
10   1.812   2.228   2.764   3.169
20   1.725   2.086   2.528   2.845
30   1.697   2.042   2.457   2.750
60   1.671   2.000   2.390   2.660
"""


@pytest.mark.parametrize(("probability", "df", "t"), EXACT)
def test_quantiles_to_ten_digits(probability: float, df: float, t: float) -> None:
    assert t_quantile(probability, df) == pytest.approx(t, rel=1e-10)
    assert t_quantile(1.0 - probability, df) == pytest.approx(-t, rel=1e-9)


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_quantiles_of_the_table(line: str) -> None:
    df, *values = map(float, line.split())
    for probability, t in zip((0.95, 0.975, 0.99, 0.995), values, strict=True):
        assert round(t_quantile(probability, df), 3) == t


@pytest.mark.parametrize(
    ("t", "df", "tail"),
    [
        (0.5, 3, 0.3257239824240755),
        (2.5, 7.5, 0.019410129136812779),
        (10, 2, 0.0049262285116628454),
        (40, 12, 1.9256147903860169e-14),
        (3, 1e5, 0.0013502304420323596),
    ],
)
def test_tails_keep_their_digits_however_small(t: float, df: float, tail: float) -> None:
    assert t_two_sided(t, df) == pytest.approx(2.0 * tail, rel=1e-9)
    assert t_two_sided(-t, df) == t_two_sided(t, df)


@pytest.mark.slow
@given(st.floats(-50, 50))
@example(1e-8)
def test_one_degree_of_freedom_is_cauchy_s_distribution(t: float) -> None:
    exact = 1.0 - 2.0 * math.atan(abs(t)) / math.pi
    assert t_two_sided(t, 1) == pytest.approx(exact, abs=1e-8)  # scipy loses digits near t = 0


@pytest.mark.slow
@given(st.floats(0.501, 0.999), st.floats(0.5, 500))
def test_a_quantile_has_its_probability_below_it(probability: float, df: float) -> None:
    below = 1.0 - 0.5 * t_two_sided(t_quantile(probability, df), df)
    assert below == pytest.approx(probability, abs=1e-11)


def test_far_out_there_is_nothing() -> None:
    assert t_two_sided(1e200, 3) == 0.0
    assert t_two_sided(0.0, 3) == 1.0


def test_spread_by_hand() -> None:
    spread = Spread.of([1.0, 2.0, 3.0])
    assert (spread.mean, spread.sd, spread.n) == (2.0, 1.0, 3)
    assert spread.se == pytest.approx(1 / math.sqrt(3))
    assert spread.half_width == pytest.approx(4.302652729749464 / math.sqrt(3))
    assert Spread.of([]) == Spread(None, None, 0)
    assert Spread.of([2.0]) == Spread(2.0, None, 1)
    assert (Spread.of([2.0]).se, Spread.of([2.0]).half_width) == (None, None)


def test_numbers_that_are_not_finite_have_a_mean_and_no_spread() -> None:
    assert Spread.of([1.0, math.inf]) == Spread(math.inf, None, 2)
    assert math.isnan(Spread.of([math.inf, -math.inf]).mean or 0.0)


def test_scipy_is_imported_where_an_interval_is_asked_for() -> None:
    code = "import sys; from trainer.record.spread import Spread; Spread.of([1.0, 2.0]); "
    code += "print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True)
    assert done.stdout.decode().strip() == "False"
