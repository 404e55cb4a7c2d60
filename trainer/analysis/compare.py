"""Settings compared over seeds: curves with their spread, means, differences and what they are
worth.

Usage: python -m trainer.analysis.compare RUN_OR_FOLDER ... [--metric val_top1] [--baseline WORDS]
       [--paired] [--out FILES]

Runs are grouped by everything but the seed. Writes compare.png, compare.csv and compare.md
into the first folder that is named, or FILES with these endings.
"""

from __future__ import annotations

from trainer.analysis._arms import Arm, arms_of, trained
from trainer.analysis._command import add_metric, out_of, read_arms, reader, write_texts
from trainer.analysis._comparison import Comparison, ComparisonRow, compare, difference_of
from trainer.analysis._pictures import arms_figure, draw_finals, title_of
from trainer.analysis._statistics import Difference, paired, welch
from trainer.analysis._tables import to_csv, to_markdown, value_text
from trainer.core.errors import telling_errors

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


def main() -> None:
    """Compare what the command line names."""
    parser = reader(
        "compare", "Compare settings over seeds: curves, means, differences with their intervals."
    )
    add_metric(parser)
    parser.add_argument(
        "--baseline",
        metavar="WORDS",
        help="what the others are compared with, as `optim=sgd`; the first if left out",
    )
    parser.add_argument("--paired", action="store_true", help="compare seed by seed")
    options = parser.parse_args()
    with telling_errors():
        arms = read_arms(options.places)
        found = compare(arms, options.metric, options.baseline, is_paired=options.paired)
        figure = arms_figure(arms, options.metric)
        out = out_of(options, "compare")
        text = to_markdown(found)
        write_texts(out, {"md": text, "csv": to_csv(found)})
        figure.savefig(f"{out}.png")
        count = sum(len(arm.runs) + arm.repeated for arm in arms)
        print(f"{text}\n{count} runs compared: {out}.png, {out}.csv, {out}.md")


if __name__ == "__main__":
    main()
