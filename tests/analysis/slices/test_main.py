"""What a slice says and shows, and its command on a sweep."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from tests.analysis.conftest import Answer
from tests.analysis.planes import BATCHES, RATES, made_slice, plane
from tests.analysis.runs import write_run
from tests.command import TINY, Call
from trainer.analysis.slices import (
    checks_of,
    fit_of,
    is_believable,
    sentence,
    slices_figure,
    to_csv,
    to_markdown,
)
from trainer.analysis.slices.figure import edges_of, places_of
from trainer.analysis.slices.grid import MOMENTUM
from trainer.analysis.slices.verdict import EXPECTED, FEWEST_OCTAVES, WIDEST, agreement, invariant
from trainer.record.runs import RunRow, read_runs

MOMENTA = (0.0, 0.5, 0.75, 0.875, 0.9375)


def told(runs: list[RunRow]) -> tuple[str, list[bool]]:
    made = made_slice(runs)
    ridge = fit_of(made, draws=300)
    return sentence(made, ridge), [check.holds for check in checks_of(made, ridge)]


def test_a_ridge_is_believed_where_everything_holds() -> None:
    said, holds = told(plane(1.0, seeds=3, noise=0.002))
    assert holds == [True, True, True]
    assert said.startswith("The best optim.lr goes with batch_size to the power +1.0")
    assert "3 seeds in each of 60 cells): agrees with +1, at which optim.lr / batch_size is" in said
    assert said.endswith("The fit is worth believing.")


@pytest.mark.slow
def test_whatever_is_missing_is_said() -> None:
    said, holds = told(plane(1.0, seeds=3, noise=0.002, rates=RATES[3:], middle=-1.6))
    assert holds == [False, True, True]
    assert said.endswith(
        "Not yet worth believing: the best optim.lr is, with its interval, inside the range in 5 "
        "of 6 rows (needed: in all)."
    )
    said, holds = told(plane(1.0, seeds=3, noise=0.002, ys=BATCHES[:4]))
    assert holds == [True, False, True]
    assert (
        "the 4 that are fitted span 3.0 octaves of batch_size (needed: at least 4, with 3 rows)"
        in said
    )
    said, holds = told(plane(1.0, seeds=3, noise=0.002, ys=(64, 2048)))
    assert holds == [True, False, True]  # a line through two points
    said, holds = told(plane(1.0, seeds=2, noise=0.05))
    assert holds[2] is False
    assert "half the slope's interval is" in said
    said, holds = told(plane(1.0, ys=BATCHES[:4]))
    assert "(no interval; 1 seed in each of 40 cells)" in said
    assert "half the slope's interval is unknown (needed: at most 0.25)" in said


def test_an_interval_that_holds_both_the_text_s_slope_and_none_says_so() -> None:
    made = made_slice(plane(1.0, seeds=3, noise=0.002))
    ridge = fit_of(made, draws=300)
    both = replace(ridge, by_seed=(-0.3, 1.04), by_line=None)
    assert agreement(made, both).endswith("is constant, but not told apart from 0")
    below = agreement(made, replace(both, by_seed=(-0.2, 0.9)))
    assert below.startswith("below +1")
    assert below.endswith("not told apart from 0")
    assert "not told apart" not in agreement(made, replace(both, by_seed=(0.2, 1.1)))


def test_what_the_issue_asks_of_a_fit_is_what_is_asked() -> None:
    assert (FEWEST_OCTAVES, WIDEST) == (4.0, 0.25)
    assert EXPECTED == {"batch_size": 1, "optim.momentum": 1, "optim.weight_decay": -1}


@pytest.mark.slow
def test_another_slope_than_expected_is_said_to_be_one() -> None:
    said, _ = told(plane(0.5, seeds=3, noise=0.001))
    assert ": below +1, at which optim.lr / batch_size is constant." in said
    said, _ = told(plane(1.5, seeds=3, noise=0.001, ys=BATCHES[:5]))
    assert ": above +1" in said
    said, _ = told(plane(0.5, key="accumulate", seeds=3))
    assert "accumulate to the power +0.50" in said
    assert ": along the ridge optim.lr / accumulate^0.5 is constant." in said


def test_a_slope_needs_two_rows() -> None:
    said, holds = told(plane(1.0, rates=RATES[:2]))
    assert said.startswith("No ridge: 0 of 6 rows have their best optim.lr inside the range")
    assert not any(holds)


@pytest.mark.slow
def test_a_best_that_may_be_at_the_edge_is_said_to_be() -> None:
    made = made_slice(
        plane(0.0, seeds=4, noise=0.002, rates=RATES[4:], middle=-2.46, ys=(64, 2048))
    )
    ridge = fit_of(made, draws=300)
    assert not any(top.edge for top in ridge.tops)
    text = to_markdown(made, ridge)
    assert "batch_size=2048: the interval of its best optim.lr reaches the end of its range" in text
    checks = [check.holds for check in checks_of(made, ridge)]
    assert checks == [False, False, True]  # of two rows, one may have its best at the edge
    calm = made_slice(plane(0.0, seeds=4, noise=0.001, ys=(64, 2048)))
    assert "reaches" not in to_markdown(calm, fit_of(calm, draws=300))


def test_invariants() -> None:
    made = made_slice(plane(1.0, key=MOMENTUM, ys=MOMENTA, rates=RATES[:3]))
    assert invariant(made, 1) == "optim.lr / (1 - optim.momentum)"
    decay = made_slice(plane(-1.0, key="optim.weight_decay", ys=(1e-4, 2e-4), rates=RATES[:3]))
    assert invariant(decay, -1) == "optim.lr * optim.weight_decay"
    assert invariant(decay, -0.5) == "optim.lr * optim.weight_decay^0.5"
    assert invariant(decay, 0.0) == "optim.lr"


def with_diverged() -> list[RunRow]:
    """One of two seeds of a cell diverged, both of another, one is missing, one failed."""
    runs = plane(1.0, seeds=2, noise=0.001, ys=BATCHES[:5])
    gone = {(64, 2.0, 0), (64, 4.0, 0), (64, 4.0, 1)}
    made = []
    for run in runs:
        place = (run.config["batch_size"], run.config["optim"]["lr"], run.config["seed"])
        if place[:2] == (128, 4.0):
            continue
        status = "diverged" if place in gone else "completed"
        status = "failed" if place == (256, RATES[0], 0) else status
        made.append(replace(run, status=status))
    return made


def test_csv_has_a_line_for_each_cell() -> None:
    made = made_slice(with_diverged())
    ridge = fit_of(made, draws=50)
    rows = list(csv.DictReader(io.StringIO(to_csv(made, ridge))))
    assert len(rows) == 5 * 10 - 1
    by_place = {(row["batch_size"], row["lr"]): row for row in rows}
    half = by_place["64.0", "2.0"]
    assert (half["n"], half["diverged"], half["failed"]) == ("1", "1", "0")
    assert by_place["256.0", str(RATES[0])]["failed"] == "1"
    whole = by_place["64.0", "4.0"]
    assert (whole["n"], whole["mean"], whole["diverged"]) == ("0", "", "2")
    best = [row for row in rows if row["is_best"] == "1"]
    assert len(best) == 5
    assert all(float(row["best_low"]) <= float(row["best_lr"]) for row in best)
    assert float(best[0]["test_mean"]) == pytest.approx(float(best[0]["mean"]) - 0.01)


def test_markdown_has_the_verdict_and_every_cell() -> None:
    made = made_slice(with_diverged())
    text = to_markdown(made, fit_of(made, draws=50))
    assert "- yes: the 5 that are fitted span 4.0 octaves of batch_size (needed: at least 4" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0].startswith("| batch_size \\ optim.lr | 0.0078125 |")
    assert lines[2].startswith("| 1024 |")  # as on the axis: the highest on top
    assert "2 diverged" in lines[-1]
    assert "**" in lines[-1]
    assert "- 3 of the runs diverged: their cells are marked and cannot be best" in text
    assert "- 1 of the runs failed or did not end: counted, not in the means" in text
    assert "slope over draws of seeds" in text


def drawn(runs: list[RunRow]) -> Figure:
    made = made_slice(runs)
    return slices_figure(made, fit_of(made, draws=50), "A slice")


@pytest.mark.slow
def test_the_picture_has_both_maps_and_the_fit() -> None:
    figure = drawn(with_diverged())
    val, test, fit, *bars = figure.axes
    assert len(bars) == 2
    assert [a.get_title(loc="left").split(",")[0] for a in (val, test)] == [
        "val_top1 (%)",
        "test_top1 (%)",
    ]
    texts = [t.get_text() for t in val.texts]
    assert "x 2/2" in texts
    assert sum("x 1/2" in t for t in texts) == 1
    assert sum("n=1" in t for t in texts) == 1  # one of two failed
    frames = [p for p in val.patches if p.get_hatch() is None]
    hatched = [p for p in val.patches if p.get_hatch()]
    assert (len(frames), len(hatched)) == (5, 2)
    assert val.get_yticklabels()[0].get_text() == "64"
    assert [label.get_text() for label in fit.get_yticklabels()]
    assert "slope +1" in fit.get_legend().get_texts()[0].get_text()
    untested = drawn([replace(run, test=None) for run in with_diverged()])
    assert len(untested.axes) == 3  # a map, its bar, the fit


@pytest.mark.slow
def test_the_map_shows_the_means_where_they_are() -> None:
    made = made_slice(plane(1.0, ys=BATCHES[:3]))
    val = slices_figure(made, fit_of(made, draws=10)).axes[0]
    (mesh,) = [c for c in val.collections if isinstance(c, matplotlib.collections.QuadMesh)]
    shown = mesh.get_array()
    assert shown is not None
    assert shown[2, 4] == pytest.approx(100.0 * (made.lines[2].cells[4].spread.mean or 0.0))
    assert list(edges_of(places_of(made))) == [5.5, 6.5, 7.5, 8.5]  # log2 of 64, 128, 256
    assert val.get_xlim() == (-7.5, 2.5)
    contour = [c for c in val.collections if isinstance(c, matplotlib.contour.QuadContourSet)]
    assert len(contour) == 1


@pytest.mark.slow
def test_an_edge_is_a_hollow_triangle_and_a_dotted_frame() -> None:
    figure = drawn(plane(1.0, rates=RATES[3:], middle=-1.6))
    fit = figure.axes[2]
    assert [line.get_marker() for line in fit.lines if line.get_marker() in "v^"] == ["v"]
    assert "dotted: at its edge" in figure.axes[0].get_title(loc="left")


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["val_loss", "train_loss", "val_top1"])
def test_every_plane_is_drawn(metric: str, tmp_path: Path) -> None:
    flat = plane(0.0, shape=lambda _: 0.5, ys=(64, 128), rates=(0.1, 0.2))
    sizes = []
    for i, runs in enumerate((flat, plane(1.0, ys=(0.5, 3.0), rates=(0.1, 0.2, 7.0)))):
        made = made_slice(runs, metric)
        slices_figure(made, fit_of(made, draws=10)).savefig(tmp_path / f"{i}.png")
        sizes.append((tmp_path / f"{i}.png").stat().st_size)
    assert min(sizes) > 10_000


def test_weights_without_decay_stand_below_the_others() -> None:
    runs = plane(-1.0, key="optim.weight_decay", ys=(1e-4, 2e-4, 4e-4), rates=RATES[:4])
    for run in runs:
        if run.config["optim"]["weight_decay"] == 1e-4:
            run.config["optim"]["weight_decay"] = 0.0
    made = made_slice(runs)
    places = places_of(made)
    assert places[1] - places[0] == pytest.approx(1.0)
    assert drawn(runs).axes[0].get_yticklabels()[0].get_text() == "0"


@pytest.mark.slow
def test_the_command_writes_picture_and_numbers(here: Path, answer: Answer) -> None:
    for i, run in enumerate(plane(1.0, ys=BATCHES[:3], rates=RATES[2:8])):
        write_run(run, here / "sweep" / str(i))
    done = answer("slices", "sweep", "--out", "there/mine", "--y", "batch_size")
    assert "The best optim.lr goes with batch_size to the power +1.00" in done.out
    assert "18 cells: there/mine.png" in done.out
    assert sorted(p.name for p in (here / "there").iterdir()) == ["mine.csv", "mine.md", "mine.png"]
    assert answer("slices", "sweep", "--y", "epochs").code == 2


@pytest.mark.slow
def test_a_sweep_is_drawn(call: Call, here: Path) -> None:
    rest = [w for w in TINY if not w.startswith(("batch_size", "epochs"))]
    words = ("optim=sgd", "optim.lr=0.02,0.1,0.5", "batch_size=16,32", "max_steps=1")
    done = call("-m", *rest, *words)
    assert done.code == 0, done.err
    sweep = (here / "outputs" / "latest").resolve()
    assert call("slices", str(sweep)).code == 0
    made = made_slice(read_runs(sweep))
    assert [len(cell.values) for cell in made.cells] == [1] * 6
    assert made.tested is None  # a sweep chooses on val
    ridge = fit_of(made)
    assert not is_believable(checks_of(made, ridge))  # one octave
    assert (sweep / "slices.md").read_text().startswith(("The best optim.lr", "No ridge"))
