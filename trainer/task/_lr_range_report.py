"""A sweep over learning rates as numbers, as a picture, and as people read it."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.core.command import run_line
from trainer.record.console import Console, shown_path
from trainer.record.style import LOST, clean_axes, new_figure
from trainer.task._lr_range_fit import Finding, LrSweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES = {
    "steepest": "where the loss falls fastest",
    "minimum_tenth": "a tenth of where the loss is least",
}


def suggestion(finding: Finding, rule: str) -> float | None:
    """Return what a rule suggests, to two digits; None where the loss did not fall."""
    value = {"steepest": finding.steepest, "minimum_tenth": finding.minimum_tenth}[rule]
    return None if value is None else float(f"{value:.2g}")


def results(sweep: LrSweep, finding: Finding, rule: str) -> dict[str, Any]:
    """Return what `summary.json` says."""
    found = {
        "suggestion": suggestion(finding, rule),
        "rule": rule,
        "steepest": finding.steepest,
        "minimum_tenth": finding.minimum_tenth,
        "least": finding.least,
        "diverged_at": sweep.lrs[-1] if sweep.diverged else None,
    }
    return {k: v for k, v in found.items() if v is not None}


def write_csv(file: Path, sweep: LrSweep, finding: Finding) -> None:
    """Write a line for each step."""
    with open(file, "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["step", "lr", "loss", "smoothed"])
        for step, (lr, loss) in enumerate(zip(sweep.lrs, sweep.losses, strict=True)):
            smoothed = finding.smoothed[step] if step < len(finding.smoothed) else ""
            table.writerow([step, lr, loss, smoothed])


def figure_of(sweep: LrSweep, finding: Finding, rule: str, title: str) -> Figure:
    """Return the losses over the learning rate, with what is suggested."""
    figure = new_figure(7.0, 4.2)
    axes = figure.add_subplot()
    smoothed, lrs = finding.smoothed, sweep.lrs
    axes.plot(lrs, sweep.losses, color="0.6", linewidth=0.8, label="loss of each step")
    axes.plot(lrs[: len(smoothed)], smoothed, color="tab:blue", linewidth=2.0, label="smoothed")
    mark(axes, sweep, finding, rule)
    finite = [loss for loss in sweep.losses if math.isfinite(loss)]
    low, high = min(finite, default=0.0), max(smoothed, default=1.0)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.2 * (high - low))
    axes.set_xscale("log")
    axes.set_xlabel("learning rate (optim.lr)")
    axes.set_ylabel("training loss")
    axes.set_title(title, loc="left", fontsize=9)
    clean_axes(axes)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def mark(axes: Axes, sweep: LrSweep, finding: Finding, rule: str) -> None:
    """Draw what the rules suggest, where the loss is least and where it left."""
    smoothed, lrs = finding.smoothed, sweep.lrs
    marks = (
        ("steepest", finding.steepest, "tab:green"),
        ("minimum_tenth", finding.minimum_tenth, "tab:orange"),
    )
    for name, lr, color in marks:
        if lr is not None:
            chosen = name == rule
            axes.axvline(
                lr,
                color=color,
                linewidth=1.8 if chosen else 1.0,
                linestyle="-" if chosen else ":",
                label=f"{name}: {lr:.2g}" + (" (suggested)" if chosen else ""),
            )
    if finding.least is not None:
        axes.plot(finding.least, min(smoothed), "o", color="tab:blue", ms=6, label="least")
    if sweep.diverged:
        axes.axvline(
            lrs[-1],
            color=LOST,
            linewidth=1.0,
            linestyle="--",
            label=f"the loss leaves: {lrs[-1]:.2g}",
        )


def report(sweep: LrSweep, finding: Finding, rule: str, *, console: Console, path: Path) -> None:
    """Print what is suggested, by which rule, and the line that trains with it."""
    first, last = sweep.lrs[0], sweep.lrs[-1]
    ended = f"the loss left at lr {last:.3g}" if sweep.diverged else "the loss stayed"
    console.say(f"swept     lr {first:.3g} to {last:.3g} in {len(sweep.lrs)} steps; {ended}")
    for line in suggestions(finding, rule):
        console.say(line)
    console.say(f"results   {shown_path(path)}")
    best = suggestion(finding, rule)
    if best is not None:
        overrides = [f"repeat={shown_path(path)}", "task=train", f"optim.lr={best:g}"]
        console.say(f"train     {run_line(*overrides)}")


def suggestions(finding: Finding, rule: str) -> list[str]:
    """Return what the rules say, the chosen one first."""
    if finding.is_cut_off:
        return ["suggests  nothing: the loss still fell at the end; raise task.max_lr"]
    if finding.least is None:
        return [
            "suggests  nothing: the loss did not fall beyond its scatter; raise task.max_lr, "
            "or task.steps"
        ]
    names = [rule, *(name for name in RULES if name != rule)]
    return [
        f"{'suggests' if name == rule else 'beside':8}  lr {suggestion(finding, name):g}, "
        f"{RULES[name]} (task.rule={name})"
        for name in names
    ]
