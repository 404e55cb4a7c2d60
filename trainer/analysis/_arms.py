"""Runs that differ in nothing but the seed, and the numbers they ended with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from trainer.analysis._labels import Settings, labels, settings_of
from trainer.core.errors import TrainerError
from trainer.record.runs import EpochRow, RunRow, natural
from trainer.record.spread import Spread

OVER_EPOCHS = tuple(f.name for f in fields(EpochRow) if f.name not in ("epoch", "step", "more"))
TESTED = tuple(
    f"{which}_{name}" for which in ("test", "test_avg") for name in ("loss", "top1", "top5")
)
# Of the averaged weights where a run made some, of the final ones elsewhere.
DELIVERED = {
    "delivered_val_top1": ("avg_val_top1", "val_top1"),
    "delivered_test_top1": ("test_avg_top1", "test_top1"),
}
SECONDS = ("train_seconds", "average_seconds", "total_seconds")
METRICS = (*OVER_EPOCHS, *TESTED, "best_val_top1", *DELIVERED, *SECONDS)


@dataclass(frozen=True)
class Arm:
    """Runs of one setting, one for each seed.

    Attributes:
        label: the setting in words, as far as it differs from the other arms'.
        settings: what the runs have in common, by dotted key.
        runs: in the order of their seeds.
        repeated: how many more there were of seeds that are in `runs` already.
    """

    label: str
    settings: Settings
    runs: tuple[RunRow, ...]
    repeated: int = 0

    @property
    def completed(self) -> list[RunRow]:
        return [run for run in self.runs if run.status == "completed"]

    @property
    def diverged(self) -> list[RunRow]:
        return [run for run in self.runs if run.status == "diverged"]

    @property
    def failed(self) -> list[RunRow]:
        """Those that ended otherwise, or have not ended."""
        return [run for run in self.runs if run.status not in ("completed", "diverged")]

    def values(self, metric: str) -> dict[int, float]:
        """Return the completed runs' final numbers, by seed, of those that have one."""
        found = {seed_of(run): final(run, metric) for run in self.completed}
        return {seed: value for seed, value in found.items() if value is not None}

    def spread(self, metric: str) -> Spread:
        """Return mean and spread of the completed runs' final numbers."""
        return Spread.of(list(self.values(metric).values()))


def arms_of(runs: Iterable[RunRow]) -> list[Arm]:
    """Return runs by everything but the seed, in the order of their folders.

    Of several runs with the same setting and seed one counts: they would give the same numbers and
    are not independent. A finished one goes before others, a later one before earlier ones.
    """
    arms = []
    for arm in grouped(sorted(runs, key=lambda run: natural(run.path))):
        one = {seed_of(run): run for run in sorted(arm.runs, key=is_finished)}
        kept = tuple(one[seed] for seed in sorted(one))
        arms.append(Arm(arm.label or "all runs", arm.settings, kept, len(arm.runs) - len(kept)))
    return arms


def grouped(runs: Iterable[RunRow]) -> list[Arm]:
    """Return runs by everything but the seed; every one of them, also of seeds that are there
    twice."""
    found: dict[tuple[tuple[str, str], ...], list[RunRow]] = defaultdict(list)
    for run in runs:
        settings = arm_settings(run)
        found[tuple(sorted((k, str(v)) for k, v in settings.items()))].append(run)
    trees = [arm_settings(members[0]) for members in found.values()]
    return [
        Arm(label, tree, tuple(members))
        for label, tree, members in zip(labels(trees), trees, found.values(), strict=True)
    ]


def check_completed(arms: Sequence[Arm], metric: str) -> None:
    if not any(arm.values(metric) for arm in arms):
        raise TrainerError(f"none of the runs completed with {metric}")


def trained(runs: Iterable[RunRow]) -> list[RunRow]:
    """Return the runs of `task=train`; other tasks leave folders too."""
    return [run for run in runs if run.settings.get("task.name", "train") == "train"]


def arm_settings(run: RunRow) -> dict[str, Any]:
    """Return what distinguishes a run besides its seed."""
    return {k: v for k, v in settings_of(run).items() if k != "seed"}


def is_finished(run: RunRow) -> bool:
    return run.status in ("completed", "diverged")


def seed_of(run: RunRow) -> int:
    return int(run.config.get("seed", 0))


def final(run: RunRow, metric: str) -> float | None:
    """Return the number a completed run ended with, by one of `METRICS`: a field of the last epoch,
    a test score, what a run delivers, or seconds of a phase; None where it has none."""
    if metric in DELIVERED:
        found = (final(run, one) for one in DELIVERED[metric])
        return first_of(found)
    if metric == "best_val_top1":
        return run.best_val_top1
    if metric.endswith("_seconds"):
        return run.seconds.get(metric.removesuffix("_seconds"))
    for prefix, scores in (("test_avg_", run.test_avg), ("test_", run.test)):
        if metric.startswith(prefix):
            return (scores or {}).get(metric.removeprefix(prefix))
    return value_at(run.epochs[-1], metric) if run.epochs else None


def value_at(row: EpochRow, metric: str) -> float | None:
    """Return an epoch's number, of the averaged weights where they are what is delivered."""
    return first_of(row.value(name) for name in DELIVERED.get(metric, (metric,)))


def first_of(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def is_share(metric: str) -> bool:
    """Return whether a metric is an accuracy, shown in percent."""
    return metric.endswith(("top1", "top5"))


def scale_of(metric: str) -> float:
    """Return what a metric is multiplied by where it is shown: accuracies are in percent."""
    return 100.0 if is_share(metric) else 1.0


def higher_is_better(metric: str) -> bool:
    """Return whether more of a metric is better; of losses, errors and seconds less is."""
    is_cost = metric.endswith(("seconds", "_s", "_eer")) or "bytes" in metric
    return not (is_cost or any(word in metric for word in ("loss", "error", "distance")))


def standing(mean: float | None, metric: str) -> tuple[bool, float]:
    """Return what means are sorted by so that the best stands first, and None last."""
    return mean is None, (-1.0 if higher_is_better(metric) else 1.0) * (mean or 0.0)


def notes_on(
    arms: Sequence[Arm], metric: str, diverged: str = "counted, not in the means"
) -> Iterator[str]:
    """Yield what a reader must know of runs without a number (of those that diverged, `diverged`),
    and of where runs come from."""
    runs = [run for arm in arms for run in arm.runs]
    counts = {
        f"diverged: {diverged}": sum(len(arm.diverged) for arm in arms),
        "failed or did not end: counted, not in the means": sum(len(arm.failed) for arm in arms),
        f"completed without {metric}": sum(
            len(arm.completed) - len(arm.values(metric)) for arm in arms
        ),
        "left out: a later or finished run has their setting and seed": sum(
            arm.repeated for arm in arms
        ),
    }
    yield from (f"{count} of the runs {what}" for what, count in counts.items() if count)
    commits = {str((run.summary.get("git") or {}).get("commit", ""))[:10] for run in runs}
    machines = {str((run.summary.get("host") or {}).get("name", "")) for run in runs}
    for what, names in (("commits", commits - {""}), ("machines", machines - {""})):
        if len(names) > 1:
            yield f"the runs are of {len(names)} {what}: {', '.join(sorted(names))}"


def common_epochs(runs: Sequence[RunRow], metric: str) -> list[float]:
    """Return the epochs at which all of the runs have the metric."""
    each = [{row.epoch for row in run.epochs if value_at(row, metric) is not None} for run in runs]
    return sorted(set.intersection(*each)) if each else []
