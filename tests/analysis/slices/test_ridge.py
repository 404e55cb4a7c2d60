"""The ridge is found where it was put, and its interval is as wide as other draws of noise say."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.planes import BATCHES, RATES, bowl, made_slice, plane
from tests.analysis.runs import made_run
from trainer.analysis.slices.grid import MOMENTUM
from trainer.analysis.slices.ridge import Ridge, Top, fit_of, slopes, vertices
from trainer.record.runs import RunRow

HALVES = tuple(5e-4 * 2.0**k for k in range(-3, 3))
MOMENTA = (0.0, 0.5, 0.75, 0.875, 0.9375, 0.96875)


def top(heights: list[float], logs: list[float] | None = None) -> tuple[float, float]:
    x = np.array(logs or list(range(len(heights))), dtype=np.float64)
    place, height, _ = vertices(x, np.array([heights]))
    return float(place[0]), float(height[0])


def test_the_best_is_the_top_of_a_parabola() -> None:
    assert top([0.5, 0.9, 0.5]) == pytest.approx((1.0, 0.9))
    # through (-1, 0), (0, 3), (1, 2): 3 + x - 2 x^2, highest at 1/4 with 3 1/8
    assert top([0.0, 3.0, 2.0]) == pytest.approx((1.25, 3.125))
    # 4 - (x - 1)^2 at 0, 0.5 and 3: an uneven spacing gives the same top
    assert top([3.0, 3.75, 0.0], [0.0, 0.5, 3.0]) == pytest.approx((1.0, 4.0))


def test_where_there_is_no_parabola_the_highest_cell_counts_as_it_stands() -> None:
    assert top([0.9, 0.5, 0.1]) == (0.0, 0.9)
    assert top([0.1, 0.5, 0.9]) == (2.0, 0.9)
    assert top([0.5, 0.9, -math.inf]) == (1.0, 0.9)
    assert top([0.5, 0.5, 0.5, 0.5]) == (0.0, 0.5)
    assert top([0.5, 0.9]) == (1.0, 0.9)
    assert top([0.5]) == (0.0, 0.5)


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.floats(-1.0, 1.0),
    st.floats(0.1, 5.0),
    st.lists(st.floats(0.5, 2.0), min_size=2, max_size=2),
)
def test_any_parabola_is_found_in_any_spacing(at: float, bend: float, steps: list[float]) -> None:
    logs = [-steps[0], 0.0, steps[1]]
    heights = [-bend * (x - at) ** 2 for x in logs]
    if heights[1] == max(heights) and heights.count(max(heights)) == 1:
        place, height = top(heights, logs)
        assert place == pytest.approx(at, abs=1e-9)
        assert height == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("slope", "key", "ys"),
    [
        (1.0, "batch_size", BATCHES),
        (0.5, "batch_size", BATCHES),
        (1.0, MOMENTUM, MOMENTA),
        (-1.0, "optim.weight_decay", HALVES),
    ],
)
def test_without_noise_the_slope_is_exact(slope: float, key: str, ys: tuple[float, ...]) -> None:
    ridge = fit_of(made_slice(plane(slope, key=key, ys=ys, middle=-2.5)))
    assert ridge.slope == pytest.approx(slope, abs=1e-6)
    assert ridge.octaves == pytest.approx(5.0)
    assert [t.is_fitted for t in ridge.tops] == [True] * 6
    middle = math.exp(statistics.fmean(math.log(t.y) for t in ridge.tops))
    assert ridge.rate_at(middle) == pytest.approx(2.0**-2.5)
    assert all(t.height == pytest.approx(0.9) for t in ridge.tops)
    assert all(t.lr and t.column and 0.7 < t.lr / t.column < 1.42 for t in ridge.tops)
    assert ridge.by_seed is None  # one seed in each cell
    assert ridge.by_line == pytest.approx((slope, slope), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "key"), [(1.0, "batch_size"), (-1.0, "optim.weight_decay")])
def test_with_noise_the_interval_covers_the_slope_as_often_as_it_says(
    slope: float, key: str
) -> None:
    ys = BATCHES if key == "batch_size" else HALVES
    ridges = [
        fit_of(made_slice(plane(slope, key=key, ys=ys, seeds=3, noise=0.006, seed=s)), draws=300)
        for s in range(12)
    ]
    found = [r.slope for r in ridges if r.slope is not None]
    intervals = [r.interval for r in ridges if r.interval is not None]
    assert len(found) == len(intervals) == 12
    assert statistics.fmean(found) == pytest.approx(slope, abs=0.03)
    assert sum(low <= slope <= high for low, high in intervals) >= 10
    widths = [0.5 * (high - low) for low, high in intervals]
    assert 1.3 < statistics.fmean(widths) / statistics.stdev(found) < 4.5  # 1.96 to be exact


def test_two_seeds_are_drawn_as_wide_as_they_vary() -> None:
    """Drawing n of n would make the interval narrower by sqrt(1/2)."""
    wide = [0.88, 0.90, 0.905, 0.89, 0.86]  # mean of two seeds, +- 0.004
    runs = []
    for i, (batch, shift) in enumerate(((64, 0.0), (1024, 0.001))):
        for lr, mean in zip(RATES[2 + i : 7 + i], wide, strict=True):
            for seed, sign in enumerate((-1.0, 1.0)):
                score = mean + shift + 0.004 * sign
                path = f"{batch},{lr}"
                runs.append(made_run(seed, score, path=path, batch_size=batch, optim={"lr": lr}))
    ridge = fit_of(made_slice(runs))
    # a line's top moves by d(top)/d(mean) of its three cells; each draw takes one of two seeds
    h = np.array(wide[1:4])
    step = 1e-6
    base = top(list(h))[0]
    slopes_of = [(top(list(h + step * np.eye(3)[i]))[0] - base) / step for i in range(3)]
    sd = math.sqrt(2.0 * sum((g * 0.004) ** 2 for g in slopes_of)) / 4.0  # two lines, 4 octaves
    assert ridge.by_seed is not None
    half = 0.5 * (ridge.by_seed[1] - ridge.by_seed[0])
    assert half == pytest.approx(1.96 * sd, rel=0.15)
    assert ridge.by_line is None  # of two lines


def test_the_same_runs_give_the_same_interval() -> None:
    runs = plane(1.0, seeds=3, noise=0.01)
    assert fit_of(made_slice(runs)) == fit_of(made_slice(list(reversed(runs))))


def test_a_bent_ridge_is_wider_over_rows_than_over_seeds() -> None:
    runs = plane(0.0, seeds=3, noise=0.001, ys=(64, 256, 1024)) + plane(
        0.0, seeds=3, noise=0.001, ys=(128, 512, 2048), middle=-1.3, seed=1
    )
    ridge = fit_of(made_slice(runs))
    assert ridge.by_seed is not None
    assert ridge.by_line is not None
    assert ridge.by_line[1] - ridge.by_line[0] > 3 * (ridge.by_seed[1] - ridge.by_seed[0])
    assert ridge.interval == (
        min(ridge.by_seed[0], ridge.by_line[0]),
        max(ridge.by_seed[1], ridge.by_line[1]),
    )


def test_rows_with_their_best_at_the_edge_are_bounds_and_not_fitted() -> None:
    ridge = fit_of(made_slice(plane(1.0, rates=RATES[3:], middle=-1.6)))
    assert [t.edge for t in ridge.tops] == ["lowest", "", "", "", "", ""]
    assert ridge.tops[0].lr == RATES[3]
    assert not ridge.tops[0].is_fitted
    assert ridge.slope == pytest.approx(1.0, abs=1e-6)
    assert ridge.octaves == pytest.approx(4.0)
    above = fit_of(made_slice(plane(1.0, rates=RATES[:7], middle=-2.3)))
    assert [t.edge for t in above.tops] == ["", "", "", "", "highest", "highest"]


def lost(run: RunRow, above: float) -> RunRow:
    """The run, diverged where its learning rate is above so many times its batch size."""
    rate = run.config["optim"]["lr"] / run.config["batch_size"]
    return replace(run, status="diverged" if rate > above else "completed", test=None)


def test_beside_diverged_cells_the_best_is_inside_the_range() -> None:
    runs = [lost(r, 2.0**-10.9) for r in plane(1.0, middle=-2.5, shape=lambda d: 0.9 + 0.01 * d)]
    ridge = fit_of(made_slice(runs))
    # the highest cell is the last before runs diverge: 2^-11 of the batch size, as it stands
    fitted = [t for t in ridge.tops if not t.edge]
    assert len(fitted) >= 5
    assert all(t.lr == pytest.approx(t.y * 2.0**-11) for t in fitted)
    assert ridge.slope == pytest.approx(1.0)


def test_one_diverged_seed_keeps_a_cell_from_being_the_best() -> None:
    runs = plane(1.0, seeds=2, middle=-2.5)
    best = max((r for r in runs if r.config["batch_size"] == 256), key=lambda r: r.val_top1 or 0)
    broken = [replace(r, status="diverged") if r is best else r for r in runs]
    tops = {t.y: t for t in fit_of(made_slice(broken)).tops}
    assert tops[256].column != best.config["optim"]["lr"]
    assert tops[512].lr == pytest.approx(2.0**-2.0)


def test_rows_without_numbers_or_logarithm_are_left_out() -> None:
    zero = plane(0.0, key="optim.weight_decay", ys=(1e-4,))
    runs = plane(-1.0, key="optim.weight_decay", ys=HALVES)
    for run in zero:
        run.config["optim"]["weight_decay"] = 0.0
    ridge = fit_of(made_slice([*runs, *zero]))
    assert [t.is_fitted for t in ridge.tops] == [False] + [True] * 6
    assert ridge.slope == pytest.approx(-1.0, abs=1e-6)
    dead = [
        replace(r, status="diverged") if r.config["batch_size"] == 64 else r for r in plane(1.0)
    ]
    assert fit_of(made_slice(dead)).tops[0] == Top(64.0)
    assert fit_of(made_slice(plane(1.0, ys=(64, 2048), rates=RATES[4:6]))) == Ridge(
        fit_of(made_slice(plane(1.0, ys=(64, 2048), rates=RATES[4:6]))).tops
    )


def test_a_loss_is_best_where_it_is_lowest() -> None:
    ridge = fit_of(made_slice(plane(1.0), "val_loss"))  # 1 - accuracy
    assert ridge.slope == pytest.approx(1.0, abs=1e-6)
    assert ridge.tops[0].height == pytest.approx(0.1)
    assert ridge.across == pytest.approx(0.08, abs=0.01)


def test_the_change_along_and_across_the_ridge() -> None:
    ridge = fit_of(made_slice(plane(1.0, middle=-2.5, ys=BATCHES[1:5])))
    assert ridge.along == pytest.approx(0.0, abs=1e-6)
    assert ridge.across == pytest.approx(0.08)  # 0.02 * 2^2, two octaves beside it


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(-1.5, 1.5), st.integers(0, 1000))
def test_any_slope_is_found(slope: float, seed: int) -> None:
    runs = plane(slope, ys=(64, 128, 256, 512), noise=1e-4, seed=seed, rates=RATES)
    assert fit_of(made_slice(runs), draws=10).slope == pytest.approx(slope, abs=0.02)


def test_least_squares_by_hand() -> None:
    # x = 0, 1, 2; y = 0, 1, 5: sum (x - 1) y / 2 = 2.5
    assert slopes(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])) == 2.5
    assert bowl(1.0) == pytest.approx(0.88)
