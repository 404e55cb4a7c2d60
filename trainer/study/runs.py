"""The runs of a study as sweeps: values are chosen on `val`, then run on fresh seeds, and `test` is
looked at once. What is finished is not run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.analysis.compare import Arm
from trainer.core.errors import ConfigError, Stopped, TrainerError
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.record.tables import csv_text
from trainer.study.study import Study, StudyJob
from trainer.sweep.runner import run_jobs

AGAIN = "the same command goes on with what is missing"
CHOSEN_BY, REPORTED = "delivered_val_top1", "delivered_test_top1"
VAL, TEST = "val_top1", "test_top1"
REPORT = "report_test=true"


@dataclass(frozen=True)
class Trial:
    """One combination of values, tried.

    Attributes:
        arm: label of the arm.
        overrides: the values.
        spread: of the validation accuracy at the end of the runs that completed.
        is_chosen: whether it is the best of its arm.
    """

    arm: str
    overrides: tuple[str, ...]
    spread: Spread
    is_chosen: bool = False


@dataclass(frozen=True)
class StudyRuns:
    """What the runs of a study's arms gave.

    Attributes:
        study: that they are of.
        trials: everything that was tried, arm by arm; nothing where values were chosen before.
        values: the values that were chosen, by arm.
        tuned: each arm's runs with them, on fresh seeds.
        untuned: each arm's runs with the defaults, on the same seeds; where something was tried.
    """

    study: Study
    trials: tuple[Trial, ...]
    values: dict[str, tuple[str, ...]]
    tuned: tuple[Arm, ...]
    untuned: tuple[Arm, ...] = ()


def run_all(
    jobs: Sequence[Sequence[str]], study: Study | None = None, *, quiet: bool = False
) -> list[RunRow]:
    """Run jobs as a sweep does, and return what they recorded, in their order.

    Args:
        jobs: words of each.
        study: says where configurations are looked up.
        quiet: print nothing.

    Raises:
        ConfigError: if none of them is valid.
        Stopped: after a signal.
        TrainerError: if a job has no result; the same call again runs what is missing.
    """
    sources, plugins = (study.sources, study.plugins) if study else (None, ())
    try:
        rows = run_jobs(jobs, sources=sources, plugins=plugins, quiet=quiet)
    except Stopped as error:  # the sweep's own line would go on with one stage of several
        raise Stopped(f"stopped; {AGAIN}", error.signum) from error
    lost = [(line, row) for line, row in zip(jobs, rows, strict=True) if isinstance(row, str)]
    if lost:
        line, reason = lost[0]
        raise TrainerError(
            f"{len(lost)} of {len(jobs)} runs have no result; the first is {' '.join(line)}: "
            f"{reason}. {AGAIN.capitalize()}"
        )
    return [row for row in rows if isinstance(row, RunRow)]


def perform(study: Study, *, quiet: bool = False) -> StudyRuns:
    """Run a study's arms; what is finished already is not run again.

    Raises:
        ConfigError: if a seed is used for choosing and for reporting.
        TrainerError: if runs have no result, or an arm has none that completed.
    """
    trials: list[Trial] = []
    values = {label: study.chosen(label) for label in study.labels}
    if not study.is_tuned:
        twice = sorted(set(study.tune_seeds) & set(study.reported))
        if twice:
            raise ConfigError(
                f"seeds {', '.join(map(str, twice))} would be used for choosing and for reporting; "
                f"{study.name} reports seeds {study.first} to {study.reported[-1]}"
            )
        trials = tune(study, quiet=quiet)
        values = {trial.arm: trial.overrides for trial in trials if trial.is_chosen}
    jobs = final_jobs(study, values)
    rows = run_all([job.overrides for job in jobs], study, quiet=quiet)
    tuned = arms_from(study, jobs, rows, values)
    untuned = arms_from(study, jobs, rows, dict.fromkeys(values, ())) if trials else ()
    return StudyRuns(study, tuple(trials), values, tuned, untuned)


def tune(study: Study, *, quiet: bool = False) -> list[Trial]:
    """Try values for every arm, and mark the best; the test images are not looked at."""
    jobs = study.trial_jobs()
    return trials_of(study, jobs, run_all([job.overrides for job in jobs], study, quiet=quiet))


def trials_of(study: Study, jobs: Sequence[StudyJob], rows: Sequence[RunRow]) -> list[Trial]:
    """Return what was tried for each arm, the best of it marked."""
    trials = []
    for label in study.labels:
        tried: dict[tuple[str, ...], list[RunRow]] = {}
        for job, row in zip(jobs, rows, strict=True):
            if job.arm == label:
                tried.setdefault(job.values, []).append(row)
        mine = [
            Trial(label, values, Arm(label, {}, tuple(runs)).spread(CHOSEN_BY))
            for values, runs in tried.items()
        ]
        if not any(trial.spread.n for trial in mine):
            raise TrainerError(f"no run of {label} completed: there is nothing to choose from")
        trials += chosen(mine)
    return trials


def chosen(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials of which the best is marked: most completed runs, then the highest mean."""
    best = max(trials, key=lambda t: (t.spread.n, t.spread.mean or 0.0), default=None)
    return [replace(t, is_chosen=t is best) for t in trials]


def trials_csv(trials: Sequence[Trial]) -> str:
    """Return a line for each trial; accuracies are shares."""
    rows: list[list[object]] = [["arm", "words", "n", "val_top1", "sd", "chosen"]]
    for t in trials:
        numbers = ["" if v is None else f"{v:.4f}" for v in (t.spread.mean, t.spread.sd)]
        mark = "yes" if t.is_chosen else ""
        rows.append([t.arm, " ".join(t.overrides), t.spread.n, *numbers, mark])
    return csv_text(rows)


def final_jobs(study: Study, values: dict[str, tuple[str, ...]]) -> list[StudyJob]:
    """Return the runs that are reported: every arm with the chosen values and, where they are
    chosen here, with none; seed by seed, so that a machine's moods hit all arms alike."""
    kinds = {k: (v,) if study.is_tuned else dict.fromkeys((v, ())) for k, v in values.items()}
    return [
        study.job(label, tried, seed, REPORT)
        for seed in study.reported
        for label in study.labels
        for tried in kinds[label]
    ]


def arms_from(
    study: Study,
    jobs: Sequence[StudyJob],
    rows: Sequence[RunRow],
    values: dict[str, tuple[str, ...]],
) -> tuple[Arm, ...]:
    """Return the reported runs arm by arm, those with these values."""
    arms = []
    for label in study.labels:
        runs = [
            row
            for job, row in zip(jobs, rows, strict=True)
            if (job.arm, job.values) == (label, values[label])
        ]
        words = (*study.arm(label).overrides, *study.last_words, *values[label])
        arms.append(Arm(label, dict(w.split("=", 1) for w in words), tuple(runs)))
    return tuple(arms)
