"""Words become jobs: products, draws from intervals, arms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.errors import ConfigError
from trainer.record.sweep_file import JobOverrides
from trainer.sweep.expand import Search, expand


def draws(arm: dict[str, str], trials: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Return the overrides of every job of one arm."""
    line = [f"{key}={value}" for key, value in arm.items()]
    return [job.overrides for job in expand(line, Search(trials=trials, seed=seed))]


def test_listed_values_are_multiplied_the_last_fastest() -> None:
    found = expand(["a=1,2", "b=x,y", "hydra.launcher.workers=2"], Search())
    assert [w.overrides for w in found] == [
        *(("a=1", "b=x"), ("a=1", "b=y"), ("a=2", "b=x"), ("a=2", "b=y"))
    ]


def test_the_line_replaces_what_a_preset_sweeps_over() -> None:
    search = Search(params={"a": "1,2", "seed": "0,1"})
    assert [w.overrides for w in expand(["a=7"], search)] == [("seed=0", "a=7"), ("seed=1", "a=7")]


def test_arms_are_products_of_their_own() -> None:
    search = Search(
        params={"seed": "0,1"},
        arms={"small": {"optim": "sgd", "optim.lr": "0.1"}, "other": {"optim": "adam"}},
    )
    assert expand([], search) == [
        JobOverrides(("seed=0", "optim=sgd", "optim.lr=0.1"), "small"),
        JobOverrides(("seed=1", "optim=sgd", "optim.lr=0.1"), "small"),
        JobOverrides(("seed=0", "optim=adam"), "other"),
        JobOverrides(("seed=1", "optim=adam"), "other"),
    ]
    assert all("seed=5" in w.overrides for w in expand(["seed=5"], search))


def test_values_of_yaml_are_words() -> None:
    arm = {"a": 1e30, "b": True, "c": None, "d": [1, "x"], "seed": "range(2)"}
    (first, second) = expand([], Search(arms={"one": arm}))
    assert first.overrides == ("a=1e+30", "b=true", "c=null", "d=[1,x]", "seed=0")
    assert second.overrides[-1] == "seed=1"


@pytest.mark.parametrize(
    ("word", "texts"),
    [
        ("a=true", ["true"]),
        ("a=True,FALSE", ["true", "false"]),
        ("a=1e-5,1E-2,1.0,1e20", ["1e-5", "0.01", "1.0", "1e+20"]),
        ("a=null,1", ["null", "1"]),
        ("a='it\\'s',\"b,c\",true", ["'it\\'s'", '"b,c"', "true"]),
        ("a='true'", ["'true'"]),
        ("a=[1ep,2ep],[3ep]", ["[1ep,2ep]", "[3ep]"]),
    ],
)
def test_values_are_spelt_as_on_a_command_line(word: str, texts: list[str]) -> None:
    found = expand([word], Search())
    assert [job.overrides for job in found] == [(f"a={text}",) for text in texts]
    assert [job.overrides for job in found] == [
        expand(job.overrides, Search())[0].overrides for job in found
    ]  # and are read as themselves


@pytest.mark.slow
@settings(deadline=None)  # how long is not what is tested
@given(
    trials=st.integers(1, 40),
    seed=st.integers(0, 9),
    low=st.floats(1e-6, 1.0),
    octaves=st.floats(0.5, 20.0),
)
def test_every_stratum_of_the_logarithm_is_drawn_from_once(
    trials: int, seed: int, low: float, octaves: float
) -> None:
    high = low * 2**octaves
    overrides = draws({"lr": f"tag(log, interval({low},{high}))"}, trials, seed)
    places = [math.log2(float(w.split("=")[1]) / low) / octaves for (w,) in overrides]
    # four digits move a draw by at most a two-thousandth of itself
    slack = 1e-3 / octaves
    for rank, place in enumerate(sorted(places)):
        assert rank / trials - slack <= place <= (rank + 1) / trials + slack


def test_draws_are_the_same_for_every_combination_and_for_the_same_seed() -> None:
    arm = {"optim": "sgd,adam", "lr": "interval(0,1)", "wd": "interval(0,1)", "seed": "0,1"}
    found = draws(arm, 5, 3)
    assert len(found) == 5 * 4
    settings = {tuple(w for w in overrides if w[:2] in ("lr", "wd")) for overrides in found}
    assert len(settings) == 5
    assert found == draws(arm, 5, 3)
    assert found != draws(arm, 5, 4)
    lrs = [next(w for w in overrides if w[:2] == "lr").split("=")[1] for overrides in found]
    wds = [next(w for w in overrides if w[:2] == "wd").split("=")[1] for overrides in found]
    assert lrs != wds  # each key has draws of its own


def test_whole_numbers_are_drawn_where_the_tag_says_so() -> None:
    found = draws({"batch_size": "tag(log, int, interval(16,512))"}, 8)
    sizes = [int(w.split("=")[1]) for (w,) in found]
    assert all(16 <= s <= 512 for s in sizes)
    assert len(set(sizes)) > 5


@pytest.mark.parametrize(
    ("line", "search", "told"),
    [
        (["lr=interval(0,1)"], Search(), "hydra.sweeper.trials=12"),
        (["lr=interval(1,1)"], Search(trials=3), "low < high"),
        (["lr=tag(log, interval(0,1))"], Search(trials=3), "0 < low < high"),
        (["lr=interval(0,1)"], Search(trials=0), "at least 1"),
        (["lr=interval(0,inf)"], Search(trials=3), "low < high"),
        (["lr=interval(nan,1)"], Search(trials=3), "low < high"),
        ([f"seed=range({10**5})", "a=1,2"], Search(), "100,000"),
        ([f"seed=range({10**15})"], Search(), "100,000"),
        (["lr=interval(0,1)"], Search(trials=10**15), "100,000"),
    ],
)
def test_what_cannot_be_drawn_is_refused(line: list[str], search: Search, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        expand(line, search)
