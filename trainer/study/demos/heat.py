"""A slice of two keys, drawn and fitted as `trainer.analysis.slices` does."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.analysis.compare import Arm, arms_of
from trainer.analysis.slices import draw_map, draw_ridge, fit_of, sentence, slice_of
from trainer.study.demos import pictures, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.spec import Demo


def show(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return a heat map of the test images with the ridge that was fitted on `val`, and the fit."""
    slice_ = slice_of(arms_of(run for arm in arms for run in arm.runs))
    ridge = fit_of(slice_)
    text = sentence(slice_, ridge)
    figure = pictures.framed(demo.title, text, facts)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    draw_map(left, slice_, ridge, is_test=slice_.tested is not None)
    draw_ridge(right, slice_, ridge)
    return Shown(text, figure, verdict.table(demo, arms))
