import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.task.test_plan_facts import live
from trainer.record.style import new_figure
from trainer.task._plan_chart import (
    BLOCKS,
    area,
    axis,
    columns,
    draw_schedule,
    shaded,
    tick_step,
)
from trainer.task._plan_facts import facts_of


def test_a_column_is_the_mean_of_what_lies_under_it() -> None:
    assert columns([1.0, 3.0, 5.0, 7.0], 2) == [2.0, 6.0]
    assert columns([1.0, 2.0, 6.0], 2) == [1.5, 4.0]  # the middle one counts on both sides
    assert columns([4.0], 3) == [4.0, 4.0, 4.0]


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 60))
def test_columns_stay_between_the_least_and_the_greatest(values: list[float], width: int) -> None:
    drawn = columns(values, width)
    assert len(drawn) == width
    assert min(values) - 1e-12 <= min(drawn)
    assert max(drawn) <= max(values) + 1e-12


def test_an_area_is_filled_by_eighths() -> None:
    full, empty, half = BLOCKS[8], BLOCKS[0], BLOCKS[4]
    assert area([1.0, 0.5, 0.25, 0.0], 1.0, rows=2) == [
        full + empty * 3,
        full + full + half + empty,
    ]
    assert area([1e-9], 1.0, rows=1) == [BLOCKS[1]]  # what is above 0 shows
    assert area([0.0], 0.0, rows=1) == [" "]


def test_ticks_are_round_and_at_their_place() -> None:
    assert axis(20, 40) == "0         5         10        15        20"
    assert axis(1, 10) == "0         1"
    for label in axis(420, 72).split():
        assert axis(420, 72).index(label) == round(int(label) * 72 / 420)


@pytest.mark.parametrize(("last", "step"), [(1, 1), (8, 1), (9, 2), (20, 5), (100, 20), (420, 100)])
def test_a_tick_is_a_one_a_two_or_a_five(last: int, step: int) -> None:
    assert tick_step(last) == step


def test_a_line_is_coloured_in_two() -> None:
    from rich.console import Console

    terminal = Console(file=io.StringIO(), color_system="standard", force_terminal=True)
    terminal.print(shaded("abcd", 1, "yellow", "cyan"))
    assert terminal.file.getvalue() == "\x1b[33ma\x1b[0m\x1b[36mbcd\x1b[0m\n"


@pytest.mark.slow
def test_the_learning_rate_is_drawn_over_epochs() -> None:
    run, config = live("scheduler=cosine", "scheduler.warmup=1ep", "average=ema")
    facts = facts_of(run, config)
    figure = new_figure(7, 4)
    draw_schedule(figure, facts, "a title")
    (axes,) = figure.axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [i / 4 for i in range(8)]
    assert list(line.get_ydata()) == list(facts.curve.lr)
    assert axes.get_title(loc="left") == "a title"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["warm-up", "averaged"]


def test_momentum_gets_a_panel_where_it_moves() -> None:
    run, config = live(
        "scheduler=cyclic", "scheduler.base_momentum=0.8", "scheduler.max_momentum=0.9"
    )
    figure = new_figure(7, 5)
    draw_schedule(figure, facts_of(run, config), "")
    assert [axes.get_ylabel() for axes in figure.axes] == ["learning rate", "momentum"]
