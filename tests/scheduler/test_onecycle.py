"""The 1cycle policy is OneCycleLR's, momentum included."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import OneCycleLR

from tests.scheduler.trace import PEAK, factors, momenta, points, scales, span, torch_points
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.onecycle import OneCycle

FORMS = [("cosine", False), ("cosine", True), ("linear", False), ("linear", True)]


def torch_onecycle(steps: int, shape: str, three_phase: bool):
    return partial(
        OneCycleLR,
        max_lr=PEAK,
        total_steps=steps,
        anneal_strategy=shape[:3] if shape == "cosine" else shape,
        three_phase=three_phase,
        div_factor=10.0,
        final_div_factor=1e3,
    )


def ours(shape: str, three_phase: bool) -> OneCycle:
    return OneCycle(shape=shape, three_phase=three_phase, div_factor=10.0, final_div_factor=1e3)


def test_by_hand() -> None:
    part = OneCycle(span("50%"), 4.0, 2.0, "linear", base_momentum=0.8, max_momentum=0.9)
    got = points(part, 6)  # up over steps 0 to 2, down to the last one, 5; then it stays
    assert scales(got) == pytest.approx([0.25, 0.625, 1.0, 17 / 24, 10 / 24, 0.125, 0.125])
    third = 0.1 / 3
    assert momenta(got) == pytest.approx([0.9, 0.85, 0.8, 0.8 + third, 0.9 - third, 0.9, 0.9])


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "three_phase"), FORMS)
def test_parity_with_torch_over_10000_steps_momentum_included(shape, three_phase) -> None:
    got = points(ours(shape, three_phase), 10_000)[:-1]  # torch's class has no step after its last
    expected = torch_points(torch_onecycle(10_000, shape, three_phase), 10_000)
    assert scales(got) == pytest.approx(scales(expected), rel=1e-9, abs=0)
    assert momenta(got) == pytest.approx(momenta(expected), rel=1e-9, abs=0)


@pytest.mark.parametrize(("shape", "three_phase"), FORMS)
def test_parity_with_torch_stepped_once_an_epoch(shape: str, three_phase: bool) -> None:
    got = points(ours(shape, three_phase), 2_000, 20, every="1ep")[:-1]
    per_epoch = torch_points(torch_onecycle(100, shape, three_phase), 100)
    expected = [per_epoch[t // 20] for t in range(2_000)]
    assert scales(got) == pytest.approx(scales(expected), rel=1e-9, abs=0)
    assert momenta(got) == pytest.approx(momenta(expected), rel=1e-9, abs=0)


@pytest.mark.parametrize("steps", range(2, 10))
@pytest.mark.parametrize("three_phase", [False, True])
def test_parity_with_torch_on_runs_too_short_for_a_whole_rise(steps, three_phase) -> None:
    got = points(ours("cosine", three_phase), steps)[:-1]
    expected = torch_points(torch_onecycle(steps, "cosine", three_phase), steps)
    assert scales(got) == pytest.approx(scales(expected), rel=1e-9, abs=0)


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 60), st.sampled_from(FORMS), st.booleans())
def test_the_last_step_is_at_the_final_value_whatever_the_run(total, per_epoch, form, by_epoch):
    got = points(OneCycle(shape=form[0], three_phase=form[1]), total, per_epoch)
    if by_epoch:
        got = points(OneCycle(), total, per_epoch, every="1ep")
    for point in got[-2:]:  # the last step, and what is left after it
        assert point.lr_scale == pytest.approx(1 / 25e4, rel=1e-9)
        assert point.momentum == pytest.approx(0.95, rel=1e-12)
    assert max(p.lr_scale for p in got) <= 1.0 + 1e-12


def test_a_floor_stops_the_fall_but_not_the_momentum() -> None:
    free, held = points(OneCycle(), 50), points(OneCycle(), 50, min_lr="10%")
    assert scales(held) == [max(p.lr_scale, 0.1) for p in free]
    assert momenta(held) == momenta(free)


def test_momentum_is_asked_for_by_a_value_of_ones_own_and_switched_off_by_null() -> None:
    assert OneCycle().momentum_key is None
    assert OneCycle(base_momentum=0.8).momentum_key == "scheduler.base_momentum"
    assert OneCycle(max_momentum=0.9).momentum_key == "scheduler.max_momentum"
    off = OneCycle(base_momentum=None, max_momentum=None)
    assert off.momentum_key is None
    assert momenta(points(off, 10)) == [None] * 11
    assert scales(points(off, 10)) == factors(OneCycle(), 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"div_factor": 0.5}, r"scheduler\.div_factor must be at least 1"),
        ({"final_div_factor": 0}, r"scheduler\.final_div_factor must be at least 1"),
        ({"shape": "round"}, r"scheduler\.shape"),
        ({"pct_start": 0.3}, r"scheduler\.pct_start=0\.3ep"),
        ({"base_momentum": None}, r"scheduler\.base_momentum and scheduler\.max_momentum"),
        ({"base_momentum": 0.99}, r"scheduler\.base_momentum=0\.99 must not be above"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(OneCycle, values, "scheduler")


@pytest.mark.parametrize(("pct_start", "three_phase"), [("11st", False), ("6st", True)])
def test_a_rise_that_does_not_fit_into_the_run_is_refused(pct_start, three_phase) -> None:
    with pytest.raises(ConfigError, match=rf"scheduler\.pct_start={pct_start} is a rise of"):
        points(OneCycle(span(pct_start), three_phase=three_phase), 10)
