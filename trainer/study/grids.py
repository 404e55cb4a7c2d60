"""Studies of a grid: every value that is tried is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis import lr_tradeoff, slices
from trainer.analysis.compare import Arm, arms_of, welch
from trainer.analysis.lr_tradeoff import TradeoffPoint, best_of
from trainer.analysis.slices import GridCell, Line, Slice
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.record.style import DARK, FEW, clean_axes, end_labels
from trainer.study.halves import Half, draw_over_rates
from trainer.study.page import StudyFinding
from trainer.study.runs import TEST, VAL, run_all
from trainer.study.study import Study
from trainer.study.verdict import SHOWN, judged, points, verdict_of

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

TENFOLD = 10.0


def run_grid(study: Study, *, quiet: bool = False) -> tuple[list[RunRow], str]:
    """Run a grid; return its runs, and whether they are as many as were stated."""
    jobs, stated = study.grid_jobs(), len(study.grid_jobs(()))
    study.compose(*jobs[0])
    stated = stated // study.seeds * study.stated if study.grid else stated
    said = f"{len(jobs)} runs, as stated beforehand."
    if len(jobs) < stated or study.is_toy:
        toy = ", of a toy size" if study.is_toy else ""
        said = f"Below its stated power: {len(jobs)} runs where {stated} were stated beforehand"
        said += f"{toy}."
    return run_all(jobs, study, quiet=quiet), said


def tradeoff(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run a grid of learning rates, and return what they came to."""
    rows, power = run_grid(study, quiet=quiet)
    return tradeoff_of(study, rows, power)


def tradeoff_of(study: Study, rows: Sequence[RunRow], power: str) -> StudyFinding:
    """Return what runs with several learning rates came to: chosen on `val`, told of `test` where
    that was looked at."""
    arms = arms_of(rows)
    metric = TEST if any(run.test for run in rows) else VAL
    found, on_val = (lr_tradeoff.tradeoff(arms, which) for which in (metric, VAL))
    best = best_of(on_val, VAL)
    rate = None if best is None else best.lr
    said = [rates_text(found, rate, metric, study.margin)]
    lines = [("", {point.lr: list(point.values.values()) for point in found})]
    return StudyFinding(
        said,
        power,
        runs=rows,
        figure=None
        if study.mechanism
        else lr_tradeoff.figure_of(found, metric, titled((study.title, *said)), rate),
        worth=Half(
            headline_of(found, rate),
            lambda panel: draw_over_rates(panel.subplots(), lines, [rate]),
        ),
        tables={".csv": lr_tradeoff.to_csv(found)},
        ours={"best": "" if best is None else f"{best.lr:g}"},
    )


def titled(texts: Sequence[str]) -> str:
    """Return a figure's title from what is said, in lines."""
    return "\n".join(textwrap.fill(text, 120, break_on_hyphens=False) for text in texts)


def headline_of(found: Sequence[TradeoffPoint], best: float | None) -> str:
    """Return in a few words what ten times less and more than the best rate cost."""
    means = {point.lr: point.spread.mean for point in found}
    top = None if best is None else means[best]
    if best is None or top is None:
        return "no learning rate completed with every seed"
    parts = []
    for factor, name in ((1 / TENFOLD, "a tenth"), (TENFOLD, "ten times")):
        for lr, mean in means.items():
            if abs(lr / (best * factor) - 1.0) < 0.05:
                cost = "diverges" if mean is None else f"costs {points(top - mean)} points"
                parts.append(f"{name} {cost}")
    return f"learning rate {best:g} is best; {', '.join(parts)}"


def rates_text(
    found: Sequence[TradeoffPoint], best: float | None, metric: str, margin: float
) -> str:
    """Return which learning rate is best, chosen on `val`, and what ten times less and more
    cost."""
    lost = sum(len(point.arm.diverged) for point in found)
    total = sum(len(point.arm.runs) for point in found)
    if best is None:
        return (
            "No verdict: no learning rate had a run that completed with every seed; "
            f"{lost} of all {total} runs diverged."
        )
    mine = next(point for point in found if point.lr == best)
    images = "test" if metric == TEST else "validation"
    parts = [
        f"optim.lr={best:g} is best (chosen on val): {100 * (mine.spread.mean or 0):.1f} % of the "
        f"{images} images are right"
    ]
    for factor, name in ((1 / TENFOLD, "ten times less"), (TENFOLD, "ten times more")):
        for point in found:
            if abs(point.lr / (best * factor) - 1.0) < 0.05:
                parts.append(
                    f"{name} {loss(list(mine.values.values()), point.arm, metric, margin)}"
                )
    many = f"{mine.spread.n} seeds each, {lost} of all {total} runs diverged."
    return "; ".join([*parts, many])


def loss(best: Sequence[float], other: Arm, metric: str, margin: float) -> str:
    """Return what another value costs, in words."""
    theirs = list(other.values(metric).values())
    if len(other.diverged) == len(other.runs) or not theirs:
        return "diverges"
    found = welch(theirs, best)
    if found.low is None or found.high is None:
        return f"loses {points(found.mean)} points"
    if verdict_of(found, margin) != SHOWN:
        low, high = points(-found.high, "+"), points(-found.low, "+")
        return f"is not told apart ({points(-found.mean, '+')}, 95 % interval {low} to {high})"
    verb = "loses" if found.mean > 0.0 else "gains"
    near, far = sorted((abs(found.low), abs(found.high)))
    interval = f"95 % interval {points(near)} to {points(far)}"
    return f"{verb} {points(abs(found.mean))} points ({interval})"


def slice_(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run a grid of the learning rate and a second value, and return what it came to."""
    rows, power = run_grid(study, quiet=quiet)
    return slice_finding(study, rows, power)


def slice_finding(study: Study, rows: Sequence[RunRow], power: str) -> StudyFinding:
    """Return what a slice came to: found and fitted on `val`, with `test` beside it."""
    found = slices.slice_of(arms_of(rows), VAL)
    ridge = slices.fit_of(found)
    slope = "none" if ridge.slope is None else f"{ridge.slope:+.2f}"
    if ridge.interval is not None:
        slope += f" (95 % interval {ridge.interval[0]:+.2f} to {ridge.interval[1]:+.2f})"
    kept, moved = kept_and_moved(found)
    said = [slices.sentence(found, ridge)]
    headline = f"{found.title} and learning rate"
    if ridge.slope is not None:
        times = found.lines[-1].y / found.lines[0].y
        headline = f"{times:.3g} x {found.title} wants {times**ridge.slope:.2g} x the learning rate"
    if len(moved) > 1 and len(kept) > 1:
        last = welch(kept, moved)
        seeds = (len(moved), len(kept))
        say = (
            f"At {found.title} {found.lines[-1].y:g} a learning rate that moved along",
            "one that stayed",
        )
        said.append(judged(*say, last, seeds=seeds, margin=study.margin))
    return StudyFinding(
        said,
        power,
        slices.to_markdown(found, ridge).partition("\n\n")[2],  # the sentence is said already
        rows,
        None if study.mechanism else slices.slices_figure(found, ridge, study.title),
        {".csv": slices.to_csv(found, ridge)},
        ours={"slope": slope},
        worth=Half(headline, lambda panel: draw_kept(panel, found)),
    )


def best_cell(line: Line) -> GridCell:
    """Return a row's best cell of those of which every run completed, on val."""
    return max(line.cells, key=lambda cell: (cell.is_whole, cell.spread.mean or 0.0))


def kept_and_moved(found: Slice, row: int = -1) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the test accuracies of a row at the first row's best learning rate, and at its own."""
    line, first = found.lines[row], best_cell(found.lines[0])
    kept = next((cell for cell in line.cells if cell.lr == first.lr), None)
    return (() if kept is None else kept.tested), best_cell(line).tested


def draw_kept(panel: SubFigure, found: Slice) -> None:
    """Draw each row's test accuracy with the first row's learning rate, and with its own."""
    axes = panel.subplots()
    first = best_cell(found.lines[0]).lr
    names = (f"the same lr ({first:g})", "lr moved along")
    ends = []
    for which, (name, color) in enumerate(zip(names, FEW[1::-1], strict=True)):
        spreads = []
        for place in range(len(found.lines)):
            numbers = [100.0 * v for v in kept_and_moved(found, place)[which]]
            spreads.append(Spread.of(numbers))
            axes.plot([place] * len(numbers), numbers, "o", color=color, alpha=0.35, ms=6, mew=0)
        means = [spread.mean or 0.0 for spread in spreads]
        reach = [spread.half_width or 0.0 for spread in spreads]
        axes.errorbar(range(len(means)), means, reach, color=color, fmt="D-", ms=9, capsize=6, lw=3)
        ends.append((len(means) - 1, means[-1], name, color))
    axes.set_xticks(range(len(found.lines)), [f"{line.y:g}" for line in found.lines])
    clean_axes(axes, "y", size=13)
    axes.set_xlabel(found.title, fontsize=14, color=DARK)
    axes.set_title("test accuracy (%)", fontsize=14, loc="left", color=DARK)
    end_labels(axes, ends)
