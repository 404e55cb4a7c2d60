"""A comparison as a picture: what the arms ended with, and what was tried for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.analysis.compare import draw_finals
from trainer.record.style import clean_axes, colors
from trainer.study.comparisons.stages import REPORTED, ComparisonResult
from trainer.study.demos.pictures import framed, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LR = "optim.lr"


def figure_of(result: ComparisonResult, sentence: str) -> Figure:
    """Return the arms' final accuracies beside every learning rate that was tried."""
    plan = result.plan
    trials = len(result.trials) // len(plan.labels)
    facts = f"{plan.name}   |   {trials} trials and {plan.n} seeds of each arm"
    figure = framed(plan.title, sentence, facts, height=max(3.2, 1.0 + 0.5 * len(plan.labels)))
    left, right = figure.subplots(1, 2)
    draw_finals(left, result.tuned, REPORTED)
    draw_untuned(left, result)
    left.set_xlabel("")
    heading(left, "test accuracy (%): seeds, mean, 95 % interval; ring: untuned")
    draw_trials(right, result)
    return figure


def draw_untuned(axes: Axes, result: ComparisonResult) -> None:
    """Draw each arm's mean with the defaults as a ring."""
    for place, (arm, color) in enumerate(
        zip(result.untuned, colors(len(result.untuned)), strict=True)
    ):
        spread = arm.spread(REPORTED)
        if spread.mean is not None:
            axes.plot(100.0 * spread.mean, place + 0.3, "o", mec=color, mfc="none", ms=6)


def draw_trials(axes: Axes, result: ComparisonResult) -> None:
    """Draw the validation accuracy of all that was tried over the learning rate, the chosen with a
    rim; a cross at the foot where no run completed."""
    for label, color in zip(result.plan.labels, colors(len(result.plan.labels)), strict=True):
        for trial in (t for t in result.trials if t.arm == label):
            overrides = dict(override.split("=", 1) for override in trial.overrides)
            if LR not in overrides:
                continue
            lr = float(overrides[LR])
            if trial.spread.mean is None:
                axes.plot(lr, 0.0, "x", color=color, ms=6, clip_on=False)
            else:
                rim = {"mec": "black", "mew": 1.2, "ms": 7} if trial.is_chosen else {"mew": 0}
                axes.plot(lr, 100.0 * trial.spread.mean, "o", color=color, alpha=0.7, **rim)
    axes.set_xscale("log")
    axes.set_xlabel(LR, fontsize=8)
    clean_axes(axes)
    heading(axes, "validation accuracy of all that was tried (%); rim: chosen")
