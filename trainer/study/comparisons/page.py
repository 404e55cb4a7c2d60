"""A comparison on disk: a page, a table of arms, a table of all that was tried, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.analysis.compare import Arm, Difference, to_csv, to_markdown, value_text
from trainer.core.files import replace_text
from trainer.study import _trials
from trainer.study._facts import facts_of
from trainer.study.comparisons.picture import figure_of
from trainer.study.comparisons.stages import REPORTED, ComparisonResult
from trainer.study.comparisons.verdict import conclusions, gains
from trainer.study.demos.verdict import points

COST = ("train_seconds", "average_seconds")


def write(result: ComparisonResult, folder: Path, command: str) -> Path:
    """Write the four files of a comparison, the page after what it shows, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.plan.name}.md"
    figure_of(result, next(conclusions(result))).savefig(file.with_suffix(".png"))
    replace_text(file.with_suffix(".csv"), table(result))
    replace_text(folder / f"{result.plan.name}_trials.csv", _trials.to_csv(result.trials))
    replace_text(file, page(result, command))
    return file


def page(result: ComparisonResult, command: str) -> str:
    """Return the page in Markdown; accuracies in percent."""
    plan = result.plan
    more = {
        "chosen": [f"`{' '.join(result.values[label])}`" for label in plan.labels],
        "untuned (sd, n)": [spread_text(arm) for arm in result.untuned],
        "tuned - untuned": [difference_text(found) for found in gains(result)],
        "correlation": [correlation_text(row.correlation) for row in result.comparison.rows],
        "seconds": ["" if cost(arm) is None else f"{cost(arm):.1f}" for arm in result.tuned],
    }
    parts = [
        f"# {plan.title}",
        f"{plan.question[0].upper()}{plan.question[1:]}",
        "\n".join(f"- {sentence}" for sentence in conclusions(result)),
        f"![{plan.title}]({plan.name}.png)",
        to_markdown(result.comparison, more).rstrip(),
        "\n".join(f"- {fact}" for fact in facts(result, command)),
    ]
    return "\n\n".join(parts) + "\n"


def facts(result: ComparisonResult, command: str) -> Iterator[str]:
    """Yield how the numbers were made and with what."""
    plan = result.plan
    yield (
        "delivered: of the averaged weights where an arm averages, of the final ones elsewhere; "
        "untuned: the arm with the defaults of conf/, on the same seeds; seconds: of one thread, "
        "training and the pass for BatchNorm's statistics; correlation: with "
        f"{plan.labels[0]} over seeds"
    )
    yield f"command: `{command}`; its first stage alone: `python -m trainer -m +sweep={plan.name}`"
    trials = {arm: sum(t.arm == arm for t in result.trials) for arm in plan.labels}
    counts = " and ".join(map(str, sorted(set(trials.values()))))
    seeds = sorted({job.seed for job in plan.trials()})
    yield (
        f"chosen on val among {counts} trials of each arm (seeds {', '.join(map(str, seeds))}): "
        f"most completed runs, then the highest mean; everything tried: "
        f"[{plan.name}_trials.csv]({plan.name}_trials.csv)"
    )
    yield f"reported on test, looked at once, with seeds 0 to {plan.n - 1}; one thread for each run"
    yield from facts_of([run for arm in result.tuned for run in arm.runs])


def table(result: ComparisonResult) -> str:
    """Return a line for each arm: its words, and all numbers; accuracies are shares."""
    untuned = [arm.spread(REPORTED) for arm in result.untuned]
    found = gains(result)
    rows = result.comparison.rows
    more: dict[str, Sequence[Any]] = {
        "untuned_n": [spread.n for spread in untuned],
        "untuned_mean": [spread.mean for spread in untuned],
        "untuned_sd": [spread.sd for spread in untuned],
        "gain": [one.mean if one else None for one in found],
        "gain_low": [one.low if one else None for one in found],
        "gain_high": [one.high if one else None for one in found],
        "correlation": [row.correlation.value if row.correlation else None for row in rows],
        "is_paired": [row.difference.is_paired if row.difference else None for row in rows],
        "seconds": [cost(arm) for arm in result.tuned],
    }
    return to_csv(result.comparison, more)


def spread_text(arm: Arm) -> str:
    """Return mean, standard deviation and n of an arm, and how many runs it lost."""
    spread = arm.spread(REPORTED)
    lost = f", {len(arm.diverged)} diverged" if arm.diverged else ""
    sd = value_text(spread.sd, REPORTED) or "none"
    return f"{value_text(spread.mean, REPORTED)} ({sd}, {spread.n}{lost})"


def difference_text(found: Difference | None) -> str:
    """Return a difference with its interval."""
    if found is None or found.low is None or found.high is None:
        return ""
    low, high = points(found.low, "+"), points(found.high, "+")
    return f"{points(found.mean, '+')} ({low} to {high})"


def correlation_text(found: object) -> str:
    """Return a correlation as a table shows it."""
    value = getattr(found, "value", None)
    return "" if value is None else f"{value:+.2f}"


def cost(arm: Arm) -> float | None:
    """Return the seconds that a run of an arm spends on training and on averaged weights."""
    parts: Sequence[float | None] = [arm.spread(phase).mean for phase in COST]
    return sum(part or 0.0 for part in parts) if parts[0] is not None else None
