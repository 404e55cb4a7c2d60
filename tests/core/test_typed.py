"""Values are written as they are typed, and are the same when they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.composition.compose import compose_overrides, parsed
from trainer.composition.overrides import Override
from trainer.core.convert import typed

PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
VALUES = st.recursive(
    PLAIN | st.sampled_from(["1ep", "10%", "none", "cosine"]), lambda v: st.lists(v, max_size=3)
)


@pytest.mark.slow
@given(VALUES)
def test_what_is_typed_is_read_back(value: object) -> None:
    assert parsed(Override("", "key", typed(value))).value() == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.0, "1"),
        (1e-5, "1e-5"),
        (0.1, "0.1"),
        (["1ep", "2ep"], "[1ep,2ep]"),
        ({"match": "bias", "lr": 2.0}, "{match: bias,lr: 2}"),
        ("cosine", "cosine"),
    ],
)
def test_the_spelling_is_that_of_the_line(value: object, text: str) -> None:
    assert typed(value) == text


@pytest.mark.slow
def test_what_is_dropped_from_a_preset_is_written_so() -> None:
    (note,) = compose_overrides(["+experiment=mnist", "optim=adam"]).notes
    assert "optim.nesterov=true" in note
