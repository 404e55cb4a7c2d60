"""Durations, intervals and amounts as users write them; the clock of a run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.units import Amount, Duration, Interval


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("5ep", 5.0, "ep"),
        ("0.5ep", 0.5, "ep"),
        (".5ep", 0.5, "ep"),
        ("1e3st", 1000.0, "st"),
        ("300 st", 300.0, "st"),
        (" 10% ", 10.0, "%"),
        ("0%", 0.0, "%"),
    ],
)
def test_durations_by_hand(text: str, value: float, unit: str) -> None:
    assert Duration.parse(text, "k") == Duration(value, unit)


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        (Duration(2, "ep"), 20),
        (Duration(0.25, "ep"), 3),  # 2.5: halves go up, as in the length of a run
        (Duration(7, "st"), 7),
        (Duration(10, "%"), 5),
        (Duration(25, "%"), 13),  # 12.5
        (Duration(100, "%"), 50),
    ],
)
def test_steps_by_hand_in_a_run_of_five_epochs_of_ten(duration: Duration, steps: int) -> None:
    assert duration.steps(10, 50) == steps
    assert Clock(0, 50, 10).steps(duration) == steps


def test_exact_steps_keep_the_fraction() -> None:
    clock = Clock(0, 50, 10)
    exact = [clock.exact_steps(Duration(25, unit)) for unit in ("%", "ep", "st")]
    assert exact == [12.5, 250.0, 25.0]


@pytest.mark.parametrize("value", [5, 0.1, 300, 0])
def test_a_bare_number_is_refused_with_the_three_spellings(value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        Duration.parse(value, "scheduler.warmup")
    message = str(caught.value)
    for unit in ("ep", "st", "%"):
        assert f"scheduler.warmup={value}{unit}" in message


@pytest.mark.parametrize(
    "value", ["", "ep", "5", "5 epochs", "-5ep", "5s", "nanep", "infst", "1e999ep", None, True, [5]]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"average\.start"):
        Duration.parse(value, "average.start")


@pytest.mark.parametrize("text", ["2.5st", "101%"])
def test_parts_of_a_step_and_more_than_the_run_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"k={text}"):
        Duration.parse(text, "k")


@pytest.mark.slow
@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.floats(0, 1e7), st.integers(0, 10**9), st.floats(0, 100))
def test_what_is_written_is_read_back_exactly(epochs: float, steps: int, percent: float) -> None:
    for duration in (Duration(epochs, "ep"), Duration(steps, "st"), Duration(percent, "%")):
        assert Duration.parse(str(duration), "k") == duration
    for amount in (Amount(steps, False), Amount(percent, True)):
        assert Amount.parse(str(amount), "k") == amount
    if steps:
        assert Interval.parse(str(Interval(steps, "st")), "k") == Interval(steps, "st")


def test_large_step_counts_are_written_with_every_digit() -> None:
    assert str(Duration(1_234_567, "st")) == "1234567st"
    assert str(Duration(33.333333, "%")) == "33.333333%"
    assert str(Duration(5, "ep")) == str(Duration(5.0, "ep")) == "5ep"


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 50), st.floats(0, 100), st.floats(0, 100))
def test_steps_grow_with_the_duration_and_stay_in_the_run(per_epoch, epochs, one, two) -> None:
    total, (less, more) = per_epoch * epochs, sorted((one, two))
    low, high = (Duration(p, "%").steps(per_epoch, total) for p in (less, more))
    assert 0 <= low <= high <= total
    assert Duration(100, "%").steps(per_epoch, total) == total
    assert Duration(epochs, "ep").steps(per_epoch, total) == total


@pytest.mark.parametrize(
    ("text", "value", "unit"), [("60s", 60.0, "s"), ("1ep", 1.0, "ep"), ("300st", 300.0, "st")]
)
def test_intervals_by_hand(text: str, value: float, unit: str) -> None:
    assert Interval.parse(text, "k") == Interval(value, unit)


@pytest.mark.parametrize("value", ["0s", "0st", "1.5st", "10%", 60, None])
def test_what_is_no_interval_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"checkpoint\.every"):
        Interval.parse(value, "checkpoint.every")


@pytest.mark.parametrize(
    ("value", "count"),
    [("10%", 20), (10, 10), ("10", 10), (1e3, 1000), (0, 0), ("100%", 200), ("12.5%", 25)],
)
def test_amounts_by_hand_of_200_images(value: object, count: int) -> None:
    assert Amount.parse(value, "k").of(200) == count


@pytest.mark.parametrize("value", [0.1, "-5", "101%", "ten", None, False, "1e999", "1e999%"])
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"data\.val must be a share such as 10%"):
        Amount.parse(value, "data.val")


def test_the_clock_by_hand() -> None:
    times = [Clock(t, 20, 6, warmup=4) for t in (0, 3, 4, 12, 19, 20)]
    assert [c.epoch for c in times] == [0, 0, 0, 2, 3, 3]
    assert [c.since_warmup for c in times] == [0, 0, 0, 8, 15, 16]
    assert [c.progress for c in times] == [0.0, 0.0, 0.0, 0.5, 15 / 16, 1.0]
    assert times[0].span == 16
    assert times[0].at(12) == times[3]


def test_streams_depend_on_seed_name_and_step_alone() -> None:
    def first(clock: Clock, *names: str | int) -> float:
        return float(clock.stream(*names).random())

    clock = Clock(7, 20, 6, seed=1)
    same = Clock(7, 40, 3, warmup=2, seed=1)
    assert first(clock, "mix", "lambda") == first(same, "mix", "lambda")
    others = [
        first(clock.at(8), "mix", "lambda"),
        first(Clock(7, 20, 6, seed=2), "mix", "lambda"),
        first(clock, "mix", "partners"),
        first(clock, "mix", "lambda", 0),
    ]
    assert len({first(clock, "mix", "lambda"), *others}) == 5
