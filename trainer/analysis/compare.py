"""Settings compared over seeds: curves with their spread, means, differences and what they are
worth."""

from __future__ import annotations

from trainer.analysis._arms import Arm, arms_of, trained
from trainer.analysis._comparison import Comparison, ComparisonRow, compare, difference_of
from trainer.analysis._pictures import arms_figure, draw_finals, title_of
from trainer.analysis._statistics import Difference, paired, welch
from trainer.analysis._tables import to_csv, to_markdown, value_text

__all__ = [
    "Arm",
    "Comparison",
    "ComparisonRow",
    "Difference",
    "arms_figure",
    "arms_of",
    "compare",
    "difference_of",
    "draw_finals",
    "paired",
    "title_of",
    "to_csv",
    "to_markdown",
    "trained",
    "value_text",
    "welch",
]
