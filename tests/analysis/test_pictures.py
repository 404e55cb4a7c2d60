import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis._difference import Spread
from trainer.analysis._pictures import arms_figure, colors
from trainer.errors import TrainerError


def arms() -> list[Arm]:
    runs = [made_run(s, 0.5 + 0.1 * s, path="a", **lr(0.1)) for s in range(3)]
    runs += [made_run(0, 0.2, path="b", **lr(0.2))]
    runs += [made_run(1, 0.1, path="b", status="diverged", **lr(0.2))]
    return arms_of(runs)


def test_a_curve_is_the_mean_over_seeds_with_its_interval() -> None:
    curves, _ = arms_figure(arms(), "val_top1").axes
    mean = curves.lines[0]
    assert list(mean.get_xdata()) == [1.0, 2.0]
    assert list(mean.get_ydata()) == pytest.approx([30.0, 60.0])
    (band,) = curves.collections  # the arm with one run has none
    half = Spread.of([50.0, 60.0, 70.0]).half_width
    assert half is not None
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((30.0 - half / 2, 60.0 + half))


def test_a_diverged_run_is_marked_where_it_ended_and_counted() -> None:
    curves, finals = arms_figure(arms(), "val_top1").axes
    (cross,) = [line for line in curves.lines if line.get_marker() == "x"]
    assert (list(cross.get_xdata()), list(cross.get_ydata())) == ([2.0], [10.0])
    assert [t.get_text() for t in finals.texts] == ["1 diverged"]


def test_axes_of_accuracies_end_at_a_hundred_percent() -> None:
    high = [made_run(s, top1, path="a", **lr(0.1)) for s, top1 in enumerate((0.7, 0.98, 1.0))]
    low = [made_run(s, top1, path="b", **lr(0.2)) for s, top1 in enumerate((0.0, 0.3))]
    curves, finals = arms_figure(arms_of([*high, *low]), "val_top1").axes
    half = Spread.of([70.0, 98.0, 100.0]).half_width
    assert half is not None
    assert half > 8.0  # the interval reaches beyond
    assert (curves.get_ylim(), finals.get_xlim()) == ((0.0, 100.0), (0.0, 100.0))
    losses, _ = arms_figure(arms_of(high), "val_loss").axes
    assert losses.get_ylim()[0] < 0.0


def test_every_seed_is_a_dot() -> None:
    _, finals = arms_figure(arms(), "val_top1").axes
    assert list(finals.lines[0].get_xdata()) == pytest.approx([50.0, 60.0, 70.0])
    assert [label.get_text() for label in finals.get_yticklabels()] == [
        "optim.lr=0.1",
        "optim.lr=0.2",
    ]


def test_what_has_no_curve_is_drawn_without_one() -> None:
    assert len(arms_figure(arms(), "test_top1").axes) == 1


def test_a_metric_that_no_run_has_is_refused() -> None:
    with pytest.raises(TrainerError, match="avg_val_top1"):
        arms_figure(arms(), "avg_val_top1")


@pytest.mark.parametrize("count", [1, 2, 10, 11, 30])
def test_colours_differ(count: int) -> None:
    assert len(set(colors(count))) == count
