"""Settings compared over seeds: curves with their spread, means, differences and what they are
worth."""

from __future__ import annotations

from trainer.analysis._arms import Arm, arms_of, trained
from trainer.analysis._comparison import Comparison, ComparisonRow, compare, difference_of
from trainer.analysis._pictures import arms_figure, bare, colors, draw_finals, title_of
from trainer.analysis._statistics import Difference, Spread, paired, welch
from trainer.analysis._tables import line_of, shown, to_csv, to_markdown

__all__ = [
    "Arm",
    "Comparison",
    "ComparisonRow",
    "Difference",
    "Spread",
    "arms_figure",
    "arms_of",
    "bare",
    "colors",
    "compare",
    "difference_of",
    "draw_finals",
    "line_of",
    "paired",
    "shown",
    "title_of",
    "to_csv",
    "to_markdown",
    "trained",
    "welch",
]
