from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis._pictures import arms_figure, count_epochs
from trainer.analysis.curves import curves as curves_figure
from trainer.analysis.lr_tradeoff import figure_of, tradeoff
from trainer.core.errors import TrainerError
from trainer.record.spread import Spread
from trainer.record.style import FEW, colors


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


def test_two_runs_are_drawn_and_three_have_a_band_that_does_not_rule_the_axis() -> None:
    two = [made_run(s, top1, path="a", **lr(0.1)) for s, top1 in enumerate((0.5, 0.6))]
    panel, _ = arms_figure(arms_of(two), "val_top1").axes
    assert [list(line.get_ydata()) for line in panel.lines] == [
        pytest.approx(numbers) for numbers in ([27.5, 55.0], [25.0, 50.0], [30.0, 60.0])
    ]
    assert len(panel.collections) == 0
    three = [*two, made_run(2, 0.7, path="a", **lr(0.1))]
    panel, _ = arms_figure(arms_of(three), "val_top1").axes
    assert len(panel.collections) == 1  # whose interval begins below 20 and ends above 80
    assert panel.get_ylim() == pytest.approx((25.0 - 0.05 * 45.0, 70.0 + 0.05 * 45.0))


def test_a_loss_that_explodes_does_not_rule_the_axis() -> None:
    good = [made_run(s, top1, path="a", **lr(0.1)) for s, top1 in enumerate((0.5, 0.5))]
    lost = made_run(0, 0.5, path="b", status="diverged", **lr(0.2))
    rows = (lost.epochs[0], replace(lost.epochs[1], val_loss=1e9))
    bad = replace(lost, epochs=rows)
    panel, _ = arms_figure(arms_of([*good, bad]), "val_loss").axes
    # completed runs go from 0.75 to 0.5: the axis reaches once that far beyond
    assert panel.get_ylim() == pytest.approx((0.475, 1.025))
    (cross,) = [line for line in panel.lines if line.get_marker() == "x"]
    assert list(cross.get_ydata()) == [1.0]


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [
        ((1.0,), [1.0]),
        ((1.0, 2.0, 3.0), [1.0, 2.0, 3.0]),
        ((0.0, 20.0), [0.0, 5.0, 10.0, 15.0, 20.0]),
    ],
)
def test_ticks_are_whole_epochs(epochs: tuple[float, ...], ticks: list[float]) -> None:
    axes = Figure().add_subplot()
    axes.plot(epochs, epochs)
    count_epochs(axes)
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == ticks
    assert axes.get_xlabel() == "epoch"


def test_less_than_an_epoch_has_ticks_all_the_same() -> None:
    axes = Figure().add_subplot()
    axes.plot((0.25, 0.5), (1.0, 2.0))
    count_epochs(axes)
    assert [tick for tick in axes.get_xticks() if 0.25 <= tick <= 0.5]


def test_all_pictures_over_epochs_count_them() -> None:
    runs = [made_run(0, 0.5, path="a", epochs=3, **lr(0.1)), made_run(0, 0.5, epochs=3, **lr(0.2))]
    arms = arms_of(runs)
    losses = figure_of(tradeoff(arms, "val_top1"), "val_top1")
    for figure in (arms_figure(arms, "val_top1"), curves_figure(runs, "val_top1"), losses):
        low, high = figure.axes[0].get_xlim()
        ticks = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
        assert ticks == [1.0, 2.0, 3.0]


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
def test_colours_differ_and_the_first_are_told_apart_most_easily(count: int) -> None:
    found = colors(count)
    assert len(set(found)) == count
    assert found[: len(FEW)] == list(FEW[:count])
    assert all(len(color) == 7 and color[0] == "#" for color in found)
