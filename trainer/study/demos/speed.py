"""Two arms that should end alike, one of them sooner: ratio of speeds, difference of results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm
from trainer.record import style
from trainer.record.console import Console
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.study.demos import pictures, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.runs import read_timed, report_job, run_here, timed_jobs
from trainer.study.demos.spec import Demo

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def run(demo: Demo, folder: Path, seeds: Sequence[int], *, quiet: bool) -> list[Arm]:
    """Run both arms of a seed one after the other in this process, each first in turn, and nothing
    beside them: the two see the same machine."""
    arms, console = timed_jobs(demo, folder, seeds), Console(quiet=quiet)
    pairs = list(zip(*arms, strict=True))
    jobs = [job for i, pair in enumerate(pairs) for job in (pair if i % 2 == 0 else pair[::-1])]
    for number, job in enumerate(jobs):
        run_here(job)
        report_job(number, job, console)
    return read_timed(demo, arms)


def show(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return the ratio of speeds seed by seed beside the final accuracies."""
    ratios = ratios_of(arms)
    first, second = (arm.label for arm in demo.arms)
    accuracy = verdict.sentence(demo, arms)
    sentence = f"{ratio_text(ratios, first)} {accuracy}"
    figure = pictures.framed(demo.title, sentence, facts, height=2.9)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    draw_ratios(left, ratios, f"images per second, {second} / {first}")
    pictures.draw_finals(right, demo, arms)
    return Shown(sentence, figure, verdict.table(demo, arms) + ratio_note(ratios))


def ratios_of(arms: Sequence[Arm]) -> list[float]:
    """Return the second arm's images per second as a multiple of the first's, by seed."""
    pairs = zip(arms[0].runs, arms[1].runs, strict=True)
    speeds = [(speed(one), speed(two)) for one, two in pairs]
    return [two / one for one, two in speeds if one and two]


def speed(run: RunRow) -> float | None:
    """Return the median of images per second over a run's epochs, the first left out where there
    are more."""
    found = [row.images_per_s for row in run.epochs if row.images_per_s]
    return statistics.median(found[1:] or found) if found else None


def interval(ratios: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the geometric mean of ratios and the ends of its 95 % interval (Student's, of the
    logarithms); None for fewer than two."""
    spread = Spread.of([math.log(ratio) for ratio in ratios])
    if spread.mean is None or spread.half_width is None:
        return None
    reach = spread.half_width
    return math.exp(spread.mean), math.exp(spread.mean - reach), math.exp(spread.mean + reach)


def ratio_text(ratios: Sequence[float], baseline: str) -> str:
    """Return a sentence on the ratio of speeds."""
    found = interval(ratios)
    if found is None:
        return f"No verdict on speed: too few pairs of runs ({len(ratios)})."
    mean, low, high = found
    counted = f"95 % interval {low:.2f} to {high:.2f}; {len(ratios)} pairs of runs"
    if low <= 1.0 <= high:
        return f"No effect on speed: {mean:.2f} times {baseline}'s images per second ({counted})."
    return f"Speed: {mean:.2f} times {baseline}'s images per second ({counted})."


def ratio_note(ratios: Sequence[float]) -> str:
    """Return the ratios by seed, as a line of text."""
    return f"\nratio of images per second by seed: {', '.join(f'{r:.3f}' for r in ratios)}\n"


def draw_ratios(axes: Axes, ratios: Sequence[float], title: str) -> None:
    """Draw the ratios as dots, their mean with its interval, and the line of no difference."""
    axes.axvline(1.0, color=style.GREY, linewidth=1.2, linestyle="--")
    axes.plot(ratios, [0.13] * len(ratios), "o", color=style.ACCENT, alpha=0.4, ms=5, mew=0)
    found = interval(ratios)
    if found is not None:
        mean, low, high = found
        reach = ([mean - low], [high - mean])
        axes.errorbar(mean, -0.15, xerr=reach, color=style.ACCENT, fmt="D", ms=6, capsize=4, lw=2)
        axes.annotate(
            f"{mean:.2f} ({low:.2f} to {high:.2f})",
            (mean, -0.32),
            ha="center",
            fontsize=9,
            fontweight="bold",
            color=style.ACCENT,
        )
    axes.set_ylim(-0.6, 0.5)
    axes.set_yticks([])
    axes.set_xlim(min(0.9, *axes.get_xlim()), max(1.1, *axes.get_xlim()))
    style.clean_axes(axes, "x")
    axes.spines["left"].set_visible(False)
    pictures.heading(axes, title)
