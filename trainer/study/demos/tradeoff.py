"""One value over decades: loss curves, and what each value ends with."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm, welch
from trainer.record import style
from trainer.study.demos import pictures, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.spec import Demo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TENFOLD = 10.0
MOST_LOSS = 3.0  # that is shown; guessing among ten classes costs 2.3


def show(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return loss curves beside final accuracy, over the values of the one key of the grid."""
    (key,) = demo.axes
    values = [float(value) for value in demo.axes[key]]
    sentence = judged(key, values, arms)
    figure = pictures.framed(demo.title, sentence, facts)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.1))
    shades = style.color_scale(len(arms))
    draw_losses(left, key, values, arms, shades)
    draw_accuracies(right, key, values, arms, shades)
    return Shown(sentence, figure, verdict.table(demo, arms))


def judged(key: str, values: Sequence[float], arms: Sequence[Arm]) -> str:
    """Return which value is best, chosen on `val`, and what ten times less and more cost."""
    best = chosen(arms)
    if best is None:
        return "No verdict: every run diverged."
    mine = list(arms[best].values("test_top1").values())
    parts = [
        f"{key}={values[best]:g} is best (chosen on val): {100 * statistics.fmean(mine):.1f} % of "
        f"the test images are right"
    ]
    for factor, name in ((1 / TENFOLD, "ten times less"), (TENFOLD, "ten times more")):
        place = index_of(values, values[best] * factor)
        if place is not None:
            parts.append(f"{name} {loss(mine, arms[place])}")
    lost = sum(len(arm.diverged) for arm in arms)
    total = sum(len(arm.runs) for arm in arms)
    return "; ".join(parts) + f"; {len(mine)} seeds each, {lost} of all {total} runs diverged."


def chosen(arms: Sequence[Arm]) -> int | None:
    """Return the place of the arm that is best on `val`, of those whose runs all completed; else
    of those that have any."""
    means = {
        i: (len(arm.diverged) == 0, statistics.fmean(arm.values("val_top1").values()))
        for i, arm in enumerate(arms)
        if arm.values("val_top1")
    }
    return max(means, key=lambda i: means[i], default=None)


def index_of(values: Sequence[float], wanted: float) -> int | None:
    """Return the place of a value, but for rounding."""
    near = [i for i, value in enumerate(values) if abs(value / wanted - 1.0) < 0.05]
    return near[0] if near else None


def loss(best: Sequence[float], other: Arm) -> str:
    """Return what another value costs, in words."""
    theirs = list(other.values("test_top1").values())
    if len(other.diverged) == len(other.runs):
        return "diverges"
    found = welch(theirs, best)
    if found.low is None or found.high is None:
        return f"loses {verdict.points(found.mean)} points"
    if found.low <= 0.0 <= found.high:
        low, high = verdict.points(found.low, "+"), verdict.points(found.high, "+")
        return f"makes no difference that shows (95 % interval {low} to {high})"
    verb = "loses" if found.mean > 0.0 else "gains"
    near, far = sorted((abs(found.low), abs(found.high)))
    interval = f"95 % interval {verdict.points(near)} to {verdict.points(far)}"
    return f"{verb} {verdict.points(abs(found.mean))} points ({interval})"


def draw_losses(
    axes: Axes,
    key: str,
    values: Sequence[float],
    arms: Sequence[Arm],
    shades: Sequence[str],
) -> None:
    """Draw each value's mean training loss over epochs; a cross where the first run diverged."""
    for value, arm, shade in zip(values, arms, shades, strict=True):
        rows: dict[float, list[float]] = {}
        for run in arm.completed:
            for row in run.epochs:
                rows.setdefault(row.epoch, []).append(row.train_loss)
        if rows:
            means = [statistics.fmean(rows[epoch]) for epoch in sorted(rows)]
            axes.plot(sorted(rows), means, color=shade, linewidth=1.6, label=f"{value:g}")
        else:
            axes.plot([], [], "x", color=style.LOST, label=f"{value:g} diverged")
    axes.set_ylim(0.0, min(1.05 * axes.get_ylim()[1], MOST_LOSS))  # what diverges leaves above
    axes.set_xlabel("epoch", fontsize=8)
    style.clean_axes(axes)
    axes.legend(frameon=False, fontsize=7, ncols=2, loc="lower left", title=key, title_fontsize=7)
    pictures.heading(axes, "training loss (mean of the seeds that completed)")


def draw_accuracies(
    axes: Axes,
    key: str,
    values: Sequence[float],
    arms: Sequence[Arm],
    shades: Sequence[str],
) -> None:
    """Draw final accuracy against the value: seeds, mean, interval; diverged runs at the foot."""
    means = []
    for value, arm, shade in zip(values, arms, shades, strict=True):
        numbers = [100.0 * v for v in arm.values("test_top1").values()]
        style.draw_spread(axes, value, numbers, shade, vertical=True)
        if numbers:
            means.append((value, statistics.fmean(numbers)))
        if arm.diverged:
            axes.plot(value, 0.0, "x", color=style.LOST, ms=7, mew=1.8, clip_on=False)
            text = f"{len(arm.diverged)}/{len(arm.runs)}"
            style.write_at(axes, text, value, 0.03, color=style.LOST)
    if means:
        axes.plot(*zip(*means, strict=True), color=style.GREY, linewidth=1.0, zorder=0)
    axes.set_xscale("log")
    axes.set_ylim(0.0, min(100.0, 1.15 * max((mean for _, mean in means), default=100.0)))
    axes.set_xlabel(key, fontsize=8)
    style.clean_axes(axes)
    pictures.heading(axes, "test accuracy at the end (%); x: diverged runs")
