"""What the report says of all runs together: counts, the best, what differs, what to know."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.analysis._arms import Arm, higher_is_better, is_share, notes_on
from trainer.analysis._labels import varied_keys
from trainer.analysis._tables import points_text, value_text
from trainer.analysis.report._table import data_of, places, readable
from trainer.core.convert import typed
from trainer.record.runs import RunRow
from trainer.record.spread import Spread

ENDED = ("completed", "diverged", "interrupted", "failed", "unfinished")
MOST_VALUES = 16  # of a key, in the list of what differs


@dataclass(frozen=True)
class Best:
    """The best setting on a data set, its number among `arm`; `noise` is the sd over seeds, pooled
    over the `several` settings that have more than one."""

    data: str
    arm: int
    label: str
    value: str
    n: int
    several: int
    noise: str | None


@dataclass(frozen=True)
class ReportSetting:
    """A key of the configuration with its values and how many runs have each; `more` are left
    out."""

    key: str
    values: tuple[tuple[str, int], ...]
    more: int = 0


def statuses(runs: Sequence[RunRow]) -> list[tuple[str, int]]:
    """Return how runs ended, with counts, the usual first."""
    counts = Counter(readable(run.status) for run in runs)
    order = {status: i for i, status in enumerate(ENDED)}
    return sorted(counts.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))


def seeds_text(arms: Sequence[Arm]) -> str:
    counts = [len(arm.runs) for arm in arms]
    low, high = min(counts), max(counts)
    if low == high:
        return f"{low} seed{'s' if low > 1 else ''} each"
    return f"{low} to {high} seeds each"


def best_ones(arms: Sequence[Arm], metric: str) -> list[Best]:
    """Return the best setting of each data set: scores of different images cannot be compared."""
    place = places(arms, metric)
    by_data: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(arms)), key=lambda i: place[i]):
        if arms[i].values(metric):
            by_data[data_of(arms[i])].append(i)
    found = []
    for data, numbers in sorted(by_data.items()):
        spreads = [arms[i].spread(metric) for i in numbers]
        noise = pooled(spreads)
        found.append(
            Best(
                readable(data),
                numbers[0],
                readable(arms[numbers[0]].label),
                spread_text(spreads[0], metric),
                spreads[0].n,
                sum(s.sd is not None for s in spreads),
                None if noise is None else points_text(noise, metric),
            )
        )
    return found


def pooled(spreads: Sequence[Spread]) -> float | None:
    """Return the standard deviation over seeds that settings have in common, None where no setting
    has two seeds."""
    parts = [(s.n - 1, s.sd) for s in spreads if s.sd is not None]
    freedom = sum(n for n, _ in parts)
    return math.sqrt(sum(n * sd**2 for n, sd in parts) / freedom) if freedom else None


def spread_text(spread: Spread, metric: str) -> str:
    """Return a mean with its standard deviation; accuracies in percent."""
    assert spread.mean is not None  # arms without a number are not asked
    unit = " %" if is_share(metric) else ""
    if spread.sd is None:
        return value_text(spread.mean, metric) + unit
    return f"{value_text(spread.mean, metric)} \u00b1 {value_text(spread.sd, metric)}{unit}"


def differing(runs: Sequence[RunRow]) -> list[ReportSetting]:
    found = []
    for key in varied_keys([run.settings for run in runs]):
        counts = Counter(
            readable(typed(run.settings[key])) if key in run.settings else "(absent)"
            for run in runs
        )
        kept = dict(counts.most_common(MOST_VALUES))
        values = tuple((value, n) for value, n in counts.items() if value in kept)  # as they came
        found.append(ReportSetting(key, values, len(counts) - len(values)))
    return found


def common(runs: Sequence[RunRow]) -> list[tuple[str, str]]:
    varied = set(varied_keys([run.settings for run in runs]))
    return [(k, readable(typed(v))) for k, v in runs[0].settings.items() if k not in varied]


def notes(arms: Sequence[Arm], metric: str, points: int) -> list[str]:
    """Return what a reader must know of the numbers; curves have at most so many points."""
    runs = [run for arm in arms for run in arm.runs]
    way = "greatest" if higher_is_better(metric) else "least"
    found = [
        f"Settings are grouped by everything but the seed and ranked, on each data set, by "
        f"{metric} at the end of completed runs, the {way} mean first; n counts seeds, sd is over "
        "them.",
        "The best of many settings, chosen and measured on the same runs, looks better than it is: "
        "run it again with fresh seeds before you quote it.",
    ]
    if any(len(run.epochs) > points for run in runs):
        found.append(f"Long curves are thinned to {points} points.")
    return [*found, *(readable(f"{note[0].upper()}{note[1:]}.") for note in notes_on(arms, metric))]


def left_out(damaged: Sequence[Path], root: Path) -> list[str]:
    """Return a sentence on folders that could not be read, if there are any; names begin at
    `root`."""
    if not damaged:
        return []
    names = ", ".join(readable(os.path.relpath(path, root)) for path in damaged)
    one = len(damaged) == 1
    return [
        f"{len(damaged)} {'folder is' if one else 'folders are'} left out, since "
        f"{'its record is' if one else 'their records are'} damaged: {names}."
    ]
