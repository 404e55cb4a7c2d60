"""Arms over the learning rate: every rate that is tried is shown, and each arm's best is
compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis.compare import (
    Arm,
    Comparison,
    ComparisonRow,
    adjusted,
    compare,
    difference_of,
    to_markdown,
)
from trainer.record.runs import RunRow
from trainer.study.arms import columns, notes, numbers
from trainer.study.halves import Half, draw_over_rates, headline_of
from trainer.study.page import StudyFinding
from trainer.study.runs import (
    REPORT,
    REPORTED,
    StudyRuns,
    run_all,
    trials_csv,
    trials_of,
)
from trainer.study.study import LR, Study, StudyJob
from trainer.study.verdict import conclusions, difference_text, is_shown, points, power_text

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

GOOD = 0.05  # below an arm's best mean: rates within it are its good range
Rates = dict[float, Arm]


def jobs_of(study: Study) -> list[StudyJob]:
    """Return every arm's runs at every rate, with every seed."""
    return [
        study.job(label, [f"{LR}={rate}"], seed, REPORT)
        for seed in study.reported
        for label in study.labels
        for rate in study.tried(label)[LR].split(",")
    ]


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run every arm at every rate, and return what came of it."""
    jobs = jobs_of(study)
    for label in study.labels:
        study.compose(*next(job.overrides for job in jobs if job.arm == label))
    rows = run_all([job.overrides for job in jobs], study, quiet=quiet)
    return finding_of(study, jobs, rows)


def finding_of(study: Study, jobs: Sequence[StudyJob], rows: Sequence[RunRow]) -> StudyFinding:
    """Return each arm's best rate, chosen on val, compared on test; and how wide its good range
    is."""
    trials = trials_of(study, jobs, rows)
    best = {trial.arm: trial.overrides for trial in trials if trial.is_chosen}
    by_rate = {
        label: {
            rate_of(job): Arm(
                label,
                {},
                tuple(
                    r
                    for j, r in zip(jobs, rows, strict=True)
                    if (j.arm, j.values) == (label, job.values)
                ),
            )
            for job in jobs
            if job.arm == label
        }
        for label in study.labels
    }
    arms = tuple(by_rate[label][float(best[label][0].split("=")[1])] for label in study.labels)
    runs = StudyRuns(study, tuple(trials), best, arms)
    found = compare(arms, REPORTED, arms[0].label, is_paired=None, against=study.against)
    same = at_each_rate(study, by_rate)
    said = [*conclusions(runs, found), width_text(by_rate)]
    if same:
        said.insert(1, rates_text(study, same))
    tops = [float(best[label][0].split("=")[1]) for label in study.labels]
    lines = [
        (label, {rate: list(arm.values(REPORTED).values()) for rate, arm in rates.items()})
        for label, rates in by_rate.items()
    ]

    def draw(panel: SubFigure) -> None:
        draw_over_rates(panel.subplots(), lines, tops)

    return StudyFinding(
        said,
        power_text(study, found),
        to_markdown(found, columns(runs, found)),
        list(rows),
        tables={"_rates.csv": trials_csv(trials)},
        notes=list(notes(replace(runs, trials=()))),
        ours=dict(numbers(found)),
        is_shown=any(map(is_shown, found.rows)),
        worth=Half(headline(study, found, same), draw),
    )


def rate_of(job: StudyJob) -> float:
    return float(job.values[0].split("=", 1)[1])


def at_each_rate(study: Study, arms: dict[str, Rates]) -> tuple[ComparisonRow, ...]:
    """Return what the claimed arm is worth at each rate that its baseline has too, all of them
    counted; nothing where that is one rate or none."""
    mine, others = arms[study.claim], arms[study.baseline_of(study.claim)]
    rows = []
    for rate in (rate for rate in mine if rate in others):
        values, before = mine[rate].values(REPORTED), others[rate].values(REPORTED)
        if values and before:
            row = ComparisonRow(replace(mine[rate], label=f"{rate:g}"), mine[rate].spread(REPORTED))
            rows.append(replace(row, difference=difference_of(before, values)))
    return adjusted(rows) if len(rows) > 1 else ()


def rates_text(study: Study, rows: Sequence[ComparisonRow]) -> str:
    """Return the differences at each rate."""
    parts = [
        f"{row.arm.label}: {difference_text(row.difference)}"
        f"{'' if is_shown(row) else ', not told apart'}"
        for row in rows
    ]
    return (
        f"At the same learning rate {study.claim} differs from {study.baseline_of(study.claim)} in "
        f"points (adjusted for {len(rows)} rates, Holm): {'; '.join(parts)}."
    )


def headline(study: Study, found: Comparison, rows: Sequence[ComparisonRow]) -> str:
    """Return in a few words what came of the claim, each arm at its best rate, and where that is
    not told apart what does at the same rate."""
    best = headline_of(study, found)
    claim = next(row for row in found.rows if row.arm.label == study.claim)
    gains = [row.difference.mean for row in rows if row.difference and is_shown(row)]
    if is_shown(claim) or not gains:
        return best
    most = max(gains, key=abs)
    verb = "gains" if most > 0 else "loses"
    at_best = "each at its best: not told apart"
    return f"at the same rate {study.claim} {verb} up to {points(abs(most))} points; {at_best}"


def width_text(arms: dict[str, Rates]) -> str:
    """Return for each arm over which factor of rates it stays near its best."""
    parts = []
    for label, rates in arms.items():
        means = {rate: arm.spread(REPORTED).mean or 0.0 for rate, arm in rates.items()}
        good = [rate for rate, mean in means.items() if mean >= max(means.values()) - GOOD]
        parts.append(
            f"{label} over a factor of {max(good) / min(good):.3g} ({min(good):g} to {max(good):g})"
        )
    return f"Within {100 * GOOD:g} points of an arm's best, of the rates tried: {', '.join(parts)}."
