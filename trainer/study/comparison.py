"""The text's comparisons: many arms, each tuned on `val`, run again on fresh seeds, judged with an
interval.

Usage: python -m trainer.study.comparison [NAME|all] [WORD ...] [--out DIR] [--n N] [--trials N]

Without a name, lists them. What is finished already is not run again: the same line goes on where
it was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.core.errors import telling_errors
from trainer.study._command import chosen, listing, reader
from trainer.study._facts import shown_overrides
from trainer.study.comparisons.spec import ComparisonPlan, changed, load, names


def main(program: str = "python -m trainer.study.comparison") -> None:
    """Answer a command line."""
    options = parser(program).parse_intermixed_args()
    with telling_errors():
        if options.name is None:
            print(listing(f"{program} NAME", {name: load(name).question for name in names()}))
            return
        plans = [
            changed(load(name), line=options.overrides, n=options.n, trials=options.trials)
            for name in chosen(options.name, names())
        ]
        for plan in plans:
            show(plan, options.out, command_of(program, plan, options.n, options.trials))


def parser(program: str) -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = reader(
        program,
        "Arms compared, each tuned on val, run again on fresh seeds; `all` for each.",
        names(),
    )
    made.add_argument("--n", type=int, help="seeds of each arm; each comparison has its own number")
    made.add_argument(
        "--trials", type=int, help="draws for each arm; the preset has its own number"
    )
    return made


def command_of(program: str, plan: ComparisonPlan, n: int | None, trials: int | None) -> str:
    """Return the line that makes the same again."""
    given = {"--n": n, "--trials": trials}
    options = [f"{name} {value}" for name, value in given.items() if value is not None]
    return " ".join([program, plan.name, *shown_overrides(plan.line), *options])


def show(plan: ComparisonPlan, out: Path | None, command: str) -> None:
    """Run a comparison, write its files and print what can be said."""
    from trainer.api import compose
    from trainer.study.comparisons.page import page, write
    from trainer.study.comparisons.stages import perform

    for label in plan.labels:
        compose(*plan.overrides(label, (), 0))
    result = perform(plan)
    file = write(result, out or Path("outputs") / plan.name, command)
    print(f"\n{page(result, command)}\npage  {file}")


if __name__ == "__main__":
    main()
