"""Jobs are composed the quick way; the result is that of the long way, word by word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.composition.compose import Composer, compose_overrides
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError

CHOICES = st.sampled_from(
    [
        ("optim=adam",),
        ("optim=sgd", "scheduler=cosine"),
        ("+experiment=mnist",),
        ("+experiment=mnist", "optim=adam"),  # replaces a part of the preset
        ("+experiment=swa", "average=ema"),
        ("augment=[standard,cutout]",),
    ]
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "optim.lr": st.sampled_from(["1e-3", "0.5", "3"]),
        "optim.weight_decay": st.sampled_from(["0", "5e-4"]),
        "seed": st.integers(0, 5),
        "epochs": st.sampled_from(["0.5", "2"]),
        "name": st.sampled_from(["a=b", "2026_11"]),
        "model": st.sampled_from(["lenet5", "cnn"]),
        "average.start": st.just("50%"),
    },
)
COMPOSER = Composer(Sources())  # one for all examples: what it keeps must not leak


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(CHOICES, VALUES)
def test_the_quick_way_is_the_long_way(choices: tuple[str, ...], values: dict[str, object]) -> None:
    overrides = [*choices, *(f"{key}={value}" for key, value in values.items())]
    try:
        long = compose_overrides(overrides, Sources())
    except ConfigError as error:
        with pytest.raises(ConfigError, match=re.escape(str(error))):
            COMPOSER.compose(overrides)
        return
    quick = COMPOSER.compose(overrides)
    assert quick.cfg == long.cfg
    assert (quick.overrides, quick.notes) == (long.overrides, long.notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ("optim.lrr=0.1",),
        ("optim=sgdd",),
        ("optim=adam", "optim.momentum=0.9"),
        ("optim.lr=1,2",),
        ("optim.lr=[",),
        ("+optim.lr=0.1",),
    ],
)
def test_mistakes_are_told_as_the_long_way_tells_them(overrides: tuple[str, ...]) -> None:
    composer = Composer(Sources())
    composer.compose(["optim=adam", "optim.lr=0.1"])  # what is checked already stays apart
    for _ in range(2):
        with pytest.raises(ConfigError) as quick:
            composer.compose(overrides)
        with pytest.raises(ConfigError) as long:
            compose_overrides(overrides, Sources())
        assert str(quick.value) == str(long.value)


@pytest.mark.slow
def test_one_job_s_values_do_not_reach_the_next() -> None:
    composer = Composer(Sources())
    composer.compose(["optim.lr=7", "data.subset=10%"])
    assert composer.compose(["seed=1"]).cfg == compose_overrides(["seed=1"], Sources()).cfg
