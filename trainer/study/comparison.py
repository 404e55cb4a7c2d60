"""The text's comparisons: many arms, each tuned on `val`, run again on fresh seeds, judged with an
interval."""

from __future__ import annotations

from pathlib import Path

from trainer.core.command import command_line
from trainer.study._facts import shown_overrides
from trainer.study.comparisons.spec import ComparisonPlan


def command_of(plan: ComparisonPlan, n: int | None, trials: int | None) -> str:
    """Return the line that makes the same again."""
    given = {"--n": n, "--trials": trials}
    options = [t for k, v in given.items() if v is not None for t in (k, str(v))]
    return command_line("comparison", plan.name, *shown_overrides(plan.line), *options)


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
