"""The text's comparisons: many arms, each tuned on `val`, run again on fresh seeds, judged with an
interval.

Usage: python -m trainer.study.comparison [NAME|all] [WORD ...] [--out DIR] [--n N] [--trials N]

Without a name, lists them. What is finished already is not run again: the same line goes on where
it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trainer.errors import TrainerError
from trainer.study._facts import shown_words
from trainer.study.comparisons.spec import Plan, changed, load, names


def main(program: str = "python -m trainer.study.comparison") -> None:
    """Answer a command line."""
    options = parser(program).parse_intermixed_args()
    try:
        chosen = names() if options.name == "all" else [options.name] if options.name else []
        if not chosen:
            print(listing(program))
        plans = [
            changed(load(name), line=options.words, n=options.n, trials=options.trials)
            for name in chosen
        ]
        for plan in plans:
            show(plan, options.out, command_of(program, plan, options.n, options.trials))
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def parser(program: str) -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog=program,
        description="Arms compared, each tuned on val, run again on fresh seeds; `all` for each.",
    )
    made.add_argument("name", nargs="?", help=", ".join(names()))
    made.add_argument("words", nargs="*", help="added to every run, such as epochs=30")
    made.add_argument("--out", type=Path, help="folder for page, tables and picture")
    made.add_argument("--n", type=int, help="seeds of each arm; each comparison has its own number")
    made.add_argument(
        "--trials", type=int, help="draws for each arm; the preset has its own number"
    )
    return made


def listing(program: str) -> str:
    """Return every comparison with what it asks."""
    width = max(map(len, names()))
    lines = [f"  {name:{width}}  {load(name).question}" for name in names()]
    return "\n".join([f"usage: {program} NAME", "", *lines])


def command_of(program: str, plan: Plan, n: int | None, trials: int | None) -> str:
    """Return the line that makes the same again."""
    given = {"--n": n, "--trials": trials}
    options = [f"{name} {value}" for name, value in given.items() if value is not None]
    return " ".join([program, plan.name, *shown_words(plan.line), *options])


def show(plan: Plan, out: Path | None, command: str) -> None:
    """Run a comparison, write its files and print what can be said."""
    from trainer.api import compose
    from trainer.study.comparisons.page import page, write
    from trainer.study.comparisons.stages import perform

    for label in plan.labels:
        compose(*plan.words(label, (), 0))
    result = perform(plan)
    file = write(result, out or Path("outputs") / plan.name, command)
    print(f"\n{page(result, command)}\npage  {file}")


if __name__ == "__main__":
    main()
