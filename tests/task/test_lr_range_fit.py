import math

import numpy as np
import pytest

from trainer.task._lr_range_fit import LrSweep, find, has_diverged, local_lines, ramp


def swept(losses: list[float], low: float = 1e-4, high: float = 1.0, *, diverged=False) -> LrSweep:
    return LrSweep(ramp(low, high, len(losses)), tuple(losses), diverged)


def valley(steps: int = 121) -> list[float]:
    """Losses that are flat at 2.3, fall fastest at 1e-2, are least near 1e-1, and rise."""
    decades = np.linspace(-4.0, 0.0, steps)
    fall = 2.0 / (1.0 + np.exp(-4.0 * (decades + 2.0)))
    rise = np.exp(6.0 * (decades + 0.6))
    return list(2.3 - fall + rise * 0.02)


def test_learning_rates_rise_in_equal_ratios() -> None:
    assert ramp(1e-3, 10.0, 5) == pytest.approx((1e-3, 1e-2, 1e-1, 1.0, 10.0))


def test_what_is_suggested_from_a_valley() -> None:
    found = find(swept(valley()), width=3)
    assert found.steepest == pytest.approx(1e-2, rel=0.1)
    best = ramp(1e-4, 1.0, 121)[int(np.argmin(valley()))]
    assert found.least == pytest.approx(best, rel=0.15)
    assert found.least is not None
    assert found.minimum_tenth == found.least / 10.0
    assert not found.is_cut_off


def test_scatter_moves_suggestions_little() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        noisy = [v + 0.05 * generator.standard_normal() for v in valley()]
        found = find(swept(noisy), width=5)
        assert found.steepest is not None
        assert 0.004 < found.steepest < 0.025


def test_an_explosion_is_not_smeared_over_what_came_before() -> None:
    calm = find(swept(valley()), width=4)
    blown = find(swept([*valley()[:-3], 1e3, 1e6, math.inf], diverged=True), width=4)
    assert blown.steepest == pytest.approx(calm.steepest)
    assert blown.least == pytest.approx(calm.least, rel=0.1)


def test_a_loss_that_does_not_fall_suggests_nothing() -> None:
    generator = np.random.default_rng(0)
    noise = list(2.3 + 0.1 * generator.standard_normal(100))
    for losses in ([2.3] * 50, noise, list(np.linspace(2.0, 3.0, 50)), [math.nan] * 2, [1.0, 0.5]):
        assert find(swept(losses), width=4).steepest is None


def test_a_loss_that_still_falls_at_the_end_is_said_to() -> None:
    falling = list(np.linspace(2.3, 1.0, 50))
    cut_off = find(swept(falling), width=3)
    assert (cut_off.is_cut_off, cut_off.steepest) == (True, None)
    assert not find(swept(falling, diverged=True), width=3).is_cut_off


@pytest.mark.slow
def test_scatter_alone_suggests_nothing() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        steps = int(generator.integers(20, 200))
        noise = list(2.3 + 0.2 * generator.standard_normal(steps))
        width = max(0.04 * steps, 1.0)
        assert find(swept(noise), width=width).steepest is None


def test_local_lines_leave_a_line_as_it_is_up_to_its_ends() -> None:
    line = 3.0 - 0.25 * np.arange(20.0)
    values, slopes = local_lines(line, 4.0)
    np.testing.assert_allclose(values, line, atol=1e-12)
    np.testing.assert_allclose(slopes, -0.25, atol=1e-12)


def test_local_lines_equal_weighted_least_squares() -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal(15)
    places = np.arange(15.0)
    for i in (0, 7, 14):
        weights = np.exp(-0.5 * ((places - i) / 2.5) ** 2)
        slope, height = np.polyfit(places - i, values, 1, w=np.sqrt(weights))
        fitted, slopes = local_lines(values, 2.5)
        assert (fitted[i], slopes[i]) == pytest.approx((height, slope))


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [
        ([2.0, 1.0, math.nan], True),
        ([2.0, 1.0, math.inf], True),
        ([2.0, 1.0, 1.0, 7.9], False),  # the mean of two is 4.45, and not above 4.5 times 1
        ([2.0, 1.0, 1.0, 8.1], True),
        ([2.0, 2.0, 2.0], False),
        ([9.0], False),
    ],
)
def test_the_loss_leaves_where_the_mean_of_two_is_too_large(
    losses: list[float], diverged: bool
) -> None:
    assert has_diverged(losses, width=2, factor=4.5) is diverged
