"""Contributions as a picture: floating bars from one mean to the next, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.analysis._arms import higher_is_better, is_share, scale_of
from trainer.analysis._comparison import Comparison, ComparisonRow
from trainer.analysis._pictures import lost_text, title_of, within_shares
from trainer.analysis._tables import value_text
from trainer.record.spread import CONFIDENCE
from trainer.record.style import BETTER, DARK, GREY, WORSE, clean_axes, new_figure, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def attribution_figure(parts: Sequence[tuple[str, Comparison]]) -> Figure:
    """Return a panel for each comparison: bars from the mean that an arm is compared with to its
    own, grey where the difference's p, adjusted for all of them (Holm), is not below 0.05."""
    rows = max(len(part.rows) for _, part in parts)
    figure = new_figure(6.6 * len(parts), 1.5 + 0.42 * rows)
    for axes, (title, part) in zip(
        figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True
    ):
        draw_part(axes, part)
        axes.set_title(title, fontsize=9.5, loc="left")
    return figure


def draw_part(axes: Axes, part: Comparison) -> None:
    scale = scale_of(part.metric)
    means = {row.arm.label: row.spread.mean for row in part.rows}
    for place, row in enumerate(part.rows):
        start = means[part.against.get(row.arm.label, part.baseline.label)]
        if row.spread.mean is not None:
            draw_row(axes, place, row, scale=scale, start=start, metric=part.metric)
        text = difference_text(row, part.metric)
        write_beside(axes, text, place, color_of(row, part.metric), fontsize=7.5)
    axes.set_yticks(range(len(part.rows)), [row.arm.label for row in part.rows], fontsize=8)
    axes.set_ylim(len(part.rows) - 0.5, -0.5)
    text = (
        f"{title_of(part.metric)}: seeds, mean; difference, 95 % interval; grey: p (Holm) >= 0.05"
    )
    axes.set_xlabel(text, fontsize=8)
    clean_axes(axes)
    if is_share(part.metric):
        within_shares(axes, "x")


def draw_row(
    axes: Axes, place: int, row: ComparisonRow, *, scale: float, start: float | None, metric: str
) -> None:
    """Draw an arm's seeds, its mean, and the bar from the mean that it is compared with."""
    mean = scale * (row.spread.mean or 0.0)
    if row.difference is not None and start is not None:
        color = color_of(row, metric)
        axes.barh(
            place, mean - scale * start, left=scale * start, height=0.62, color=color, alpha=0.45
        )
        axes.plot([scale * start] * 2, [place - 1.0 + 0.31, place + 0.31], color="0.5", lw=0.8)
    numbers = [scale * value for value in row.arm.values(metric).values()]
    axes.plot(numbers, [place] * len(numbers), "o", color=DARK, alpha=0.4, ms=3.5, mew=0)
    axes.plot(mean, place, "|", color=DARK, ms=15, mew=2.2)


def color_of(row: ComparisonRow, metric: str) -> str:
    """Return a colour: whether the difference is surely better, surely worse, or neither; the
    others that were looked at are taken into account."""
    found = row.difference
    if found is None:
        return DARK
    if found.p_holm is None or found.p_holm >= 1.0 - CONFIDENCE:
        return GREY
    return BETTER if (found.mean > 0.0) == higher_is_better(metric) else WORSE


def difference_text(row: ComparisonRow, metric: str) -> str:
    """Return a difference with its interval, and the runs that have no number."""
    found, parts = row.difference, []
    if found is not None:
        parts.append(value_text(found.mean, metric, "+"))
        if found.low is not None and found.high is not None:
            low, high = (value_text(end, metric, "+") for end in (found.low, found.high))
            parts.append(f"({low} to {high})")
    return " ".join([*parts, lost_text(row.arm)]).strip()
