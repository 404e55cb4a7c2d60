"""Plain values become typed fields, or an error that names key, value and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.convert import allowed, build, convert, plain, shown
from trainer.core.errors import ConfigError
from trainer.core.units import Amount, Duration


@dataclass(frozen=True)
class Part:
    """One field of each kind."""

    rate: float
    count: int = 1
    flag: bool = False
    name: str = "a"
    mode: Literal["up", "down"] = "up"
    limit: float | None = None
    pair: tuple[float, float] = (0.0, 1.0)
    overrides: tuple[str, ...] = ()
    span: Duration = Duration(1, "ep")
    computed: int = field(default=3, init=False)


def test_a_whole_part_by_hand() -> None:
    values: dict[str, Any] = {
        "rate": 1,
        "count": 1e3,
        "flag": True,
        "mode": "down",
        "limit": 2,
        "pair": [0, 0.5],
        "overrides": ["x", "y"],
        "span": "10%",
    }
    got = build(Part, values, "group")
    assert got == Part(1.0, 1000, True, "a", "down", 2.0, (0.0, 0.5), ("x", "y"), Duration(10, "%"))
    assert type(got.rate) is float
    assert type(got.count) is int
    assert type(got.pair) is tuple


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, 1.5, "k must be a whole number, got 1.5"),
        (int, "1", "k must be a whole number, got '1'"),
        (int, True, "k must be a whole number, got True"),
        (int, float("inf"), "k must be finite, got inf"),
        (float, "0.1", "k must be a number, got '0.1'"),
        (float, False, "k must be a number, got False"),
        (float, float("nan"), "k must be finite, got nan"),
        (float, None, "k must be a number, got None"),
        (float, 10**400, "k must be finite, got 1000"),
        (bool, 1, "k must be true or false, got 1"),
        (bool, "true", "k must be true or false, got 'true'"),
        (str, 5, "k must be text, got 5"),
        (float | None, "x", "k must be a number, got 'x'"),
        (Literal["up", "down"], "dwn", "unknown k 'dwn'; did you mean 'down'? known: down, up"),
        (Literal["up", "down"], 1, "k must be one of up, down, got 1"),
        (tuple[float, float], [1], "k must be a list of a number, a number, got [1]"),
        (tuple[float, float], [1, "x"], "k[1] must be a number, got 'x'"),
        (tuple[int, ...], [1, 2.5], "k[1] must be a whole number, got 2.5"),
        (tuple[int, ...], 1, "k must be a list of a whole number, got 1"),
        (Duration, 5, "k needs a unit: write k=5ep"),
        (float, {"a": 1}, "k must be a number, got {'a': 1}"),
    ],
)
def test_a_wrong_value_is_refused_in_words(kind: Any, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(kind, value, "k")
    assert message in str(caught.value)


def test_none_only_where_it_is_declared() -> None:
    assert convert(float | None, None, "k") is None
    assert convert(float | None, 3, "k") == 3.0


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'group\.rat'; did you mean 'group\.rate'"):
        build(Part, {"rat": 1}, "group")


def test_a_missing_key_is_named_with_what_it_must_be() -> None:
    with pytest.raises(ConfigError, match=r"group\.rate is missing: it must be a number"):
        build(Part, {}, "group")


def test_a_computed_field_is_no_key() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'computed'"):
        build(Part, {"rate": 1, "computed": 4}, "")


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.floats(-1e300, 1e300),
    st.integers(1 - 2**63, 2**63 - 1),
    st.booleans(),
    st.text("ab1 =,'\"\u00e9\n", max_size=20),
    st.sampled_from(["up", "down"]),
    st.none() | st.floats(0, 1),
)
def test_plain_is_the_inverse(rate, count, flag, name, mode, limit) -> None:
    part = Part(rate, count, flag, name, mode, limit, (rate, 0.5), (name,), Duration(3, "st"))
    values = {f.name: plain(getattr(part, f.name)) for f in fields(part) if f.init}
    assert build(Part, values, "group") == part
    for key in ("rate", "count"):
        assert type(getattr(build(Part, values, "group"), key)) is type(getattr(part, key))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_a_float_without_a_fraction_is_a_whole_number_and_back(number: int) -> None:
    assert convert(int, float(number), "k") == number
    assert convert(float, number, "k") == float(number)


def test_plain_values_are_those_of_yaml() -> None:
    assert plain((1, (2, 3))) == [1, [2, 3]]
    assert plain(Duration(10, "%")) == "10%"
    assert plain(Amount(5000, False)) == 5000
    assert plain(Amount(10, True)) == "10%"


def test_long_values_are_shortened_in_messages() -> None:
    assert shown("x" * 500) == "'" + "x" * 76 + "..."
    assert shown("short") == "'short'"


def test_what_is_allowed_is_said_in_words() -> None:
    assert allowed(float | None) == "a number or null"
    assert allowed(tuple[str, ...]) == "a list of text"
    assert allowed(Duration) == "a duration"
