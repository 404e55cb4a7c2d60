from tests.task.test_plan_facts import live
from trainer.task._plan_facts import facts_of
from trainer.task._plan_figure import schedule_figure


def test_the_learning_rate_is_drawn_over_epochs() -> None:
    run, config = live("scheduler=cosine", "scheduler.warmup=1ep", "average=ema")
    facts = facts_of(run, config)
    (axes,) = schedule_figure(facts, "a title").axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [i / 4 for i in range(8)]
    assert list(line.get_ydata()) == list(facts.curve.lr)
    assert axes.get_title(loc="left") == "a title"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["warm-up", "averaged"]


def test_momentum_gets_a_panel_where_it_moves() -> None:
    run, config = live(
        "scheduler=cyclic", "scheduler.base_momentum=0.8", "scheduler.max_momentum=0.9"
    )
    figure = schedule_figure(facts_of(run, config), "")
    assert [axes.get_ylabel() for axes in figure.axes] == ["learning rate", "momentum"]
