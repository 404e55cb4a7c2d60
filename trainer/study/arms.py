"""Studies of arms: tuned, run on fresh seeds, compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.analysis.compare import Arm, Comparison, compare, to_csv, to_markdown, value_text
from trainer.record.runs import RunRow
from trainer.study.halves import arms_half
from trainer.study.page import StudyFinding
from trainer.study.runs import REPORTED, StudyRuns, perform, trials_csv
from trainer.study.study import Study
from trainer.study.verdict import conclusions, difference_text, gains, is_shown, power_text

COST = ("train_seconds", "average_seconds")


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run the arms of a study, and return what they came to."""
    for label in study.labels:
        study.compose(*study.job(label, study.chosen(label), 0).overrides)
    return finding_of(perform(study, quiet=quiet))


def finding_of(runs: StudyRuns) -> StudyFinding:
    """Return what the runs of arms came to."""
    study = runs.study
    found = compared(study, runs.tuned)
    sentences = list(conclusions(runs, found))
    tables = {".csv": table(runs, found)}
    if runs.trials:
        tables["_trials.csv"] = trials_csv(runs.trials)
    return StudyFinding(
        sentences,
        power_text(study, found),
        to_markdown(found, columns(runs, found)),
        rows_of((*runs.tuned, *runs.untuned)),
        tables=tables,
        notes=list(notes(runs)),
        ours=dict(numbers(found)),
        is_shown=any(map(is_shown, found.rows)),
        worth=arms_half(runs, found),
    )


def compared(study: Study, arms: Sequence[Arm]) -> Comparison:
    """Return the arms compared as the study says."""
    return compare(arms, REPORTED, arms[0].label, is_paired=None, against=study.against)


def rows_of(arms: Sequence[Arm]) -> list[RunRow]:
    return [run for arm in arms for run in arm.runs]


def columns(runs: StudyRuns, found: Comparison) -> dict[str, list[str]]:
    """Return the page's further columns."""
    study = runs.study
    values = [" ".join(runs.values[label]) for label in study.labels]
    more = {"chosen": [f"`{words}`" if words else "" for words in values]} if any(values) else {}
    if runs.untuned:
        more["untuned (sd, n)"] = [spread_text(arm) for arm in runs.untuned]
        more["tuned - untuned"] = [difference_text(one) for one in gains(runs)]
    correlations = [row.correlation.value if row.correlation else None for row in found.rows]
    more["correlation"] = ["" if value is None else f"{value:+.2f}" for value in correlations]
    costs = [cost(arm) for arm in runs.tuned]
    return {**more, "seconds": ["" if value is None else f"{value:.1f}" for value in costs]}


def notes(runs: StudyRuns) -> Iterator[str]:
    """Yield how the numbers were made."""
    study = runs.study
    for arm in study.arms:
        yield f"{arm.label}: `{' '.join(arm.overrides)}`"
    yield (
        "delivered: of the averaged weights where an arm averages, of the final ones elsewhere; "
        f"{'untuned: the arm with the defaults, on the same seeds; ' if runs.untuned else ''}"
        "seconds: of one thread, training and the pass for BatchNorm's statistics; correlation: "
        f"with {study.labels[0]} over seeds"
    )
    if runs.trials:
        trials = {arm: sum(t.arm == arm for t in runs.trials) for arm in study.labels}
        counts = " and ".join(map(str, sorted(set(trials.values()))))
        yield (
            f"chosen on val among {counts} trials of each arm (seeds "
            f"{', '.join(map(str, study.tune_seeds))}): most completed runs, then the highest "
            f"mean; everything tried: [{study.name}_trials.csv]({study.name}_trials.csv)"
        )
    elif study.draw == "rates":
        yield (
            "every rate that was tried is shown; each arm's best was chosen on val, by the same "
            f"runs: [{study.name}_rates.csv]({study.name}_rates.csv)"
        )
    elif any(arm.tune for arm in study.arms):
        yield (
            "chosen on val before, with other seeds; `--tune` chooses again and lists all that "
            "was tried"
        )
    yield (
        f"reported on test, looked at once, with seeds {study.first} to {study.reported[-1]}; one "
        "thread for each run"
    )


def table(runs: StudyRuns, found: Comparison) -> str:
    """Return a line for each arm: its words, and all numbers; accuracies are shares."""
    more: dict[str, Sequence[Any]] = {}
    if runs.untuned:
        untuned, gained = [arm.spread(REPORTED) for arm in runs.untuned], gains(runs)
        for name in ("n", "mean", "sd"):
            more[f"untuned_{name}"] = [getattr(spread, name) for spread in untuned]
        for name, field in (("gain", "mean"), ("gain_low", "low"), ("gain_high", "high")):
            more[name] = [getattr(one, field) if one else None for one in gained]
    rows = found.rows
    more["correlation"] = [row.correlation.value if row.correlation else None for row in rows]
    more["is_paired"] = [row.difference.is_paired if row.difference else None for row in rows]
    more["seconds"] = [cost(arm) for arm in runs.tuned]
    return to_csv(found, more)


def numbers(found: Comparison) -> Iterator[tuple[str, str]]:
    """Yield each arm's error and difference as text, in the units that publications use."""
    for row in found.rows:
        spread, label = row.spread, row.arm.label
        if spread.mean is not None:
            sd = "" if spread.sd is None else f"sd {100 * spread.sd:.2f}, "
            yield f"error {label}", f"{100 * (1 - spread.mean):.2f} % ({sd}n={spread.n})"
        if difference := difference_text(row.difference):
            yield f"difference {label}", f"{difference} points of accuracy"


def spread_text(arm: Arm) -> str:
    """Return mean, standard deviation and n of an arm, and how many runs it lost."""
    spread = arm.spread(REPORTED)
    lost = f", {len(arm.diverged)} diverged" if arm.diverged else ""
    sd = value_text(spread.sd, REPORTED) or "none"
    return f"{value_text(spread.mean, REPORTED)} ({sd}, {spread.n}{lost})"


def cost(arm: Arm) -> float | None:
    """Return the seconds that a run of an arm spends on training and on averaged weights."""
    parts: Sequence[float | None] = [arm.spread(phase).mean for phase in COST]
    return sum(part or 0.0 for part in parts) if parts[0] is not None else None
