"""The N best checkpoints by validation accuracy; of equal ones the first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import TINY
from tests.training import assembled
from trainer.state import best_of

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=20)


@pytest.mark.slow
def test_the_best_are_kept_in_order_and_the_first_of_equals() -> None:
    with assembled(*TINY) as run:

        @given(SCORES, st.integers(1, 4))
        def check(scores: list[float], count: int) -> None:
            run.state.best = []
            for step, score in enumerate(scores, 1):
                is_new = run.state.note_best(score, step, count, is_larger=True)
                wanted = sorted(enumerate(scores[:step], 1), key=lambda one: (-one[1], one[0]))
                assert run.state.best == [(s, at) for at, s in wanted[:count]]
                assert is_new == ((score, step) in run.state.best)

        check()


@pytest.mark.slow
def test_one_best_is_what_a_strict_comparison_finds() -> None:
    with assembled(*TINY) as run:

        @given(SCORES)
        def check(scores: list[float]) -> None:
            run.state.best, best = [], None
            for step, score in enumerate(scores, 1):
                is_better = best is None or score > best
                best = score if is_better else best
                assert run.state.note_best(score, step, 1, is_larger=True) == is_better

        check()


@pytest.mark.slow
def test_of_losses_the_smaller_is_better_and_nan_is_never_best() -> None:
    with assembled(*TINY) as run:
        state, losses = run.state, (2.0, math.nan, 1.0, 3.0)
        kept = [state.note_best(x, i, 2, is_larger=False) for i, x in enumerate(losses)]
        assert kept == [True, False, True, False]
        assert state.best == [(1.0, 2), (2.0, 0)]


def test_older_checkpoints_hold_one_pair() -> None:
    assert best_of({"best_val_top1": 0.5, "best_step": 8}) == [[0.5, 8]]
    assert best_of({"best_val_top1": None, "best_step": None}) == []
    assert best_of({"best": [[0.5, 8], [0.4, 4]]}) == [[0.5, 8], [0.4, 4]]
