"""The two stages of a comparison: values are chosen on `val`, then run again on fresh seeds, with
and without them, and `test` is looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.analysis.compare import Arm, Comparison, compare
from trainer.core.errors import ConfigError, TrainerError
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.study._jobs import run_all
from trainer.study._trials import Trial, chosen
from trainer.study.comparisons.spec import ComparisonJob, ComparisonPlan

CHOSEN_BY, REPORTED = "delivered_val_top1", "delivered_test_top1"
REPORT = "report_test=true"


@dataclass(frozen=True)
class ComparisonResult:
    """What a comparison gave.

    Attributes:
        plan: what was compared.
        trials: everything that was tried, arm by arm.
        values: the values that were chosen, by arm.
        tuned: each arm's runs with them, on fresh seeds.
        untuned: each arm's runs with the defaults, on the same seeds.
        comparison: of the tuned arms with the first.
    """

    plan: ComparisonPlan
    trials: tuple[Trial, ...]
    values: dict[str, tuple[str, ...]]
    tuned: tuple[Arm, ...]
    untuned: tuple[Arm, ...]
    comparison: Comparison


def perform(plan: ComparisonPlan, *, quiet: bool = False) -> ComparisonResult:
    """Carry a comparison out; what is finished already is not run again.

    Raises:
        ConfigError: if a seed is used for choosing and for reporting.
        TrainerError: if runs have no result, or an arm has none that completed.
    """
    jobs, seeds = plan.trials(), range(plan.n)
    twice = sorted({job.seed for job in jobs} & set(seeds))
    if twice:
        raise ConfigError(
            f"seeds {', '.join(map(str, twice))} would be used for choosing and for reporting; "
            f"{plan.name} reports seeds 0 to {plan.n - 1}"
        )
    rows = run_all([job.overrides for job in jobs], quiet=quiet)
    trials = trials_of(plan, jobs, rows)
    values = {trial.arm: trial.overrides for trial in trials if trial.is_chosen}
    final = final_jobs(plan, values)
    rows = run_all([job.overrides for job in final], quiet=quiet)
    tuned, untuned = (arms_from(plan, final, rows, values, is_tuned=t) for t in (True, False))
    comparison = compare(tuned, REPORTED, tuned[0].label, is_paired=None, against=plan.against)
    return ComparisonResult(plan, tuple(trials), values, tuned, untuned, comparison)


def trials_of(
    plan: ComparisonPlan, jobs: Sequence[ComparisonJob], rows: Sequence[RunRow]
) -> list[Trial]:
    """Return what was tried for each arm, the best of it marked."""
    trials = []
    for label in plan.labels:
        mine = [(job, row) for job, row in zip(jobs, rows, strict=True) if job.arm == label]
        tried = []
        for values in dict.fromkeys(job.values for job, _ in mine):
            runs = tuple(row for job, row in mine if job.values == values)
            numbers = Arm(label, {}, runs).values(CHOSEN_BY).values()
            tried.append(Trial(label, values, Spread.of(list(numbers))))
        if not any(trial.spread.n for trial in tried):
            raise TrainerError(f"no run of {label} completed: there is nothing to choose from")
        trials += chosen(tried)
    return trials


def final_jobs(plan: ComparisonPlan, values: dict[str, tuple[str, ...]]) -> list[ComparisonJob]:
    """Return the runs that are reported: every arm with the chosen values and with none, seed by
    seed, so that a machine's moods hit all arms alike."""
    return [
        ComparisonJob(label, tried, seed, (*plan.overrides(label, tried, seed), REPORT))
        for seed in range(plan.n)
        for label in plan.labels
        for tried in dict.fromkeys((values[label], ()))
    ]


def arms_from(
    plan: ComparisonPlan,
    jobs: Sequence[ComparisonJob],
    rows: Sequence[RunRow],
    values: dict[str, tuple[str, ...]],
    *,
    is_tuned: bool,
) -> tuple[Arm, ...]:
    """Return the reported runs arm by arm, with the chosen values or with none."""
    arms = []
    for label in plan.labels:
        wanted = values[label] if is_tuned else ()
        runs = [
            row
            for job, row in zip(jobs, rows, strict=True)
            if job.arm == label and job.values == wanted
        ]
        settings = dict(override.split("=", 1) for override in (*plan.fixed(label), *wanted))
        arms.append(Arm(label, settings, tuple(runs)))
    return tuple(arms)
