"""Studies of a grid: every value that is tried is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.analysis import lr_tradeoff, slices
from trainer.analysis.compare import Arm, arms_of, welch
from trainer.analysis.lr_tradeoff import TradeoffPoint, best_of
from trainer.record.runs import RunRow
from trainer.study.page import StudyFinding
from trainer.study.pictures import texts_over
from trainer.study.runs import run_all
from trainer.study.study import Study
from trainer.study.verdict import SHOWN, points, verdict_of

TENFOLD = 10.0
VAL, TEST = "val_top1", "test_top1"


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
    said = [rates_text(found, None if best is None else best.lr, metric, study.margin)]
    return StudyFinding(
        said,
        power,
        runs=rows,
        figure=lr_tradeoff.figure_of(
            found, metric, texts_over((study.title, *said)), None if best is None else best.lr
        ),
        tables={".csv": lr_tradeoff.to_csv(found)},
        ours={"best": "" if best is None else f"{best.lr:g}"},
    )


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
    return StudyFinding(
        [slices.sentence(found, ridge)],
        power,
        slices.to_markdown(found, ridge).partition("\n\n")[2],  # the sentence is said already
        rows,
        slices.slices_figure(found, ridge, study.title),
        {".csv": slices.to_csv(found, ridge)},
        ours={"slope": slope},
    )
