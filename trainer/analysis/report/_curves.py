"""Curves of the report: the numbers of all runs, and the empty panels that the page fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainer.analysis._arms import OVER_EPOCHS, Arm, is_share, seed_of
from trainer.analysis.report._table import places, readable
from trainer.record.runs import EpochRow, RunRow
from trainer.record.style import colors

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

UNDRAWN = ("train_s", "average_s", "eval_s", "skipped_steps", "max_memory_bytes")
MOST_NUMBERS = 400_000  # in a page: about 3 MB
FEWEST_POINTS = 20  # of a curve, however many there are


def drawn_metrics(runs: Sequence[RunRow]) -> list[str]:
    """Return what runs have over epochs, but for costs."""
    rows = [row for run in runs for row in run.epochs]
    offered = [m for m in OVER_EPOCHS if m not in UNDRAWN]
    chosen = dict.fromkeys(name for row in rows for name in row.more)
    return [m for m in (*offered, *chosen) if any(row.value(m) is not None for row in rows)]


def curve_data(arms: Sequence[Arm], metric: str, names: Sequence[str]) -> dict[str, Any]:
    """Return what the page draws, as plain values; accuracies in percent, what is not finite None.
    The names are of all runs, in the order of arms and seeds."""
    runs = [run for arm in arms for run in arm.runs]
    metrics = drawn_metrics(runs)
    points = max(FEWEST_POINTS, MOST_NUMBERS // max(1, len(runs) * (len(metrics) + 1)))
    place = places(arms, metric)  # the best of each data set first, then the second ones
    order = sorted(range(len(arms)), key=lambda i: (place[i], i))
    ranks, shades = [order.index(i) for i in range(len(arms))], colors(len(arms))
    first = [m for m in (metric, "val_top1", "train_loss", "lr") if m in metrics]
    return {
        "metrics": metrics,
        "shares": [m for m in metrics if is_share(m)],
        "first": list(dict.fromkeys(first))[:2],
        "points": points,
        "arms": [
            {"number": i, "label": readable(arm.label), "color": shades[rank], "rank": rank}
            for i, (arm, rank) in enumerate(zip(arms, ranks, strict=True))
        ],
        "runs": [
            {
                "arm": number,
                "name": name,
                "seed": seed_of(run),
                "status": readable(run.status),
                **lines(thinned(run.epochs, points), metrics),
            }
            for (number, run), name in zip(
                ((i, run) for i, arm in enumerate(arms) for run in arm.runs), names, strict=True
            )
        ],
    }


def thinned(rows: Sequence[EpochRow], most: int) -> list[EpochRow]:
    """Return at most `most` of the rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (most - 1))] for i in range(most)]


def lines(rows: Sequence[EpochRow], metrics: Sequence[str]) -> dict[str, Any]:
    """Return epochs, and each metric's numbers at them where there are any."""
    found = {m: [plain(row.value(m), is_share(m)) for row in rows] for m in metrics}
    return {
        "x": [plain(row.epoch) for row in rows],
        "y": {m: numbers for m, numbers in found.items() if any(n is not None for n in numbers)},
    }


def plain(value: float | None, is_percent: bool = False) -> float | None:
    """Return a number with five digits, None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{100.0 * value if is_percent else value:.5g}")


def panel(last_epoch: float) -> dict[str, Any]:
    """Return an empty panel as the library's JSON: the same lines on a linear and on a log axis.

    The page fills the sources by their names, `seeds`, `bands`, `means` and `ends`, and shows one
    of the figures, `linear` and `log`.
    """
    from bokeh.embed import json_item
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, Range1d

    spread = ("xs", "ys", "color", "label", "run")
    sources = {
        "bands": ColumnDataSource({k: [] for k in spread}, name="bands"),
        "seeds": ColumnDataSource({k: [] for k in (*spread, "alpha", "dash")}, name="seeds"),
        "means": ColumnDataSource({k: [] for k in spread}, name="means"),
        "ends": ColumnDataSource({"x": [], "y": [], "label": [], "run": []}, name="ends"),
    }
    epochs = Range1d(start=0.0, end=last_epoch, name="epochs")
    figures = [axes(kind, epochs, sources) for kind in ("linear", "log")]
    return dict(json_item(column(*figures, sizing_mode="stretch_width")))


def axes(kind: str, epochs: Any, sources: dict[str, ColumnDataSource]) -> figure:
    from bokeh.models import BasicTicker, HoverTool, Range1d
    from bokeh.plotting import figure

    plot = figure(
        name=kind,
        height=340,
        sizing_mode="stretch_width",
        x_range=epochs,
        y_range=Range1d(start=0.0, end=1.0),
        y_axis_type="log" if kind == "log" else "linear",
        x_axis_label="epoch",
        tools="box_zoom,pan,wheel_zoom,reset,save",
        active_drag="box_zoom",
        toolbar_location="above",
        visible=kind == "linear",
        background_fill_color=None,
        border_fill_color=None,  # the page's colour shines through
        outline_line_color=None,
    )
    plot.toolbar.logo = None
    if epochs.end >= 1.0:
        plot.xaxis.ticker = BasicTicker(min_interval=1.0)  # epochs are counted whole
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
    plot.patches("xs", "ys", source=sources["bands"], color="color", alpha=0.16, line_width=0)
    thin = plot.multi_line(
        "xs",
        "ys",
        source=sources["seeds"],
        line_color="color",
        line_alpha="alpha",
        line_dash="dash",
        line_width=1.2,
    )
    thick = plot.multi_line("xs", "ys", source=sources["means"], line_color="color", line_width=2.2)
    plot.scatter(
        "x", "y", source=sources["ends"], marker="x", size=9, line_width=2, color="#d62728"
    )
    tooltips = [("", "@label"), ("", "@run"), ("epoch", "$snap_x{0.[00]}"), ("value", "$snap_y")]
    plot.add_tools(
        HoverTool(renderers=[thin, thick], tooltips=tooltips, line_policy="nearest", name="hover")
    )
    return plot
