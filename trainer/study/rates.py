"""Arms over the learning rate: every rate that is tried is shown, and each arm's best is
compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trainer.analysis.compare import (
    Arm,
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
from trainer.study.verdict import conclusions, difference_text, is_shown, power_text

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
    said = [*conclusions(runs, found), *rate_texts(study, by_rate), width_text(by_rate)]
    tops = [float(best[label][0].split("=")[1]) for label in study.labels]
    lines = [
        (label, {rate: list(arm.values(REPORTED).values()) for rate, arm in rates.items()})
        for label, rates in by_rate.items()
    ]
    return StudyFinding(
        said,
        power_text(study, found),
        to_markdown(found, columns(runs, found)),
        list(rows),
        tables={"_rates.csv": trials_csv(trials)},
        notes=list(notes(replace(runs, trials=()))),
        ours=dict(numbers(found)),
        is_shown=any(map(is_shown, found.rows)),
        worth=Half(
            headline_of(study, found), lambda panel: draw_over_rates(panel.subplots(), lines, tops)
        ),
    )


def rate_of(job: StudyJob) -> float:
    return float(job.values[0].split("=", 1)[1])


def rate_texts(study: Study, arms: dict[str, Rates]) -> Iterator[str]:
    """Yield what the claimed arm is worth at the rates that its baseline has too, all of them
    counted."""
    mine, others = arms[study.claim], arms[study.baseline_of(study.claim)]
    shared = [rate for rate in mine if rate in others]
    rows = []
    for rate in shared:
        values, before = mine[rate].values(REPORTED), others[rate].values(REPORTED)
        if values and before:
            row = ComparisonRow(replace(mine[rate], label=f"{rate:g}"), mine[rate].spread(REPORTED))
            rows.append(replace(row, difference=difference_of(before, values)))
    if len(rows) < 2:
        return
    parts = [
        f"{row.arm.label}: {difference_text(row.difference)}"
        f"{'' if is_shown(row) else ', not told apart'}"
        for row in adjusted(rows)
    ]
    yield (
        f"At the same learning rate {study.claim} differs from {study.baseline_of(study.claim)} in "
        f"points (adjusted for {len(rows)} rates, Holm): {'; '.join(parts)}."
    )


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
