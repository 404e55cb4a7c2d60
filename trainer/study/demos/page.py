"""A demonstration's page in Markdown: sentence, numbers, and what they were measured with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.analysis.compare import Arm
from trainer.study._facts import facts_of
from trainer.study.demos.pictures import Shown
from trainer.study.demos.spec import Demo
from trainer.study.demos.verdict import NO_EFFECT


def sentence_of(demo: Demo, shown: Shown) -> str:
    """Return the sentence, and where to look if there was nothing to see."""
    hint = f"\nWhere to look: `{demo.where}`" if NO_EFFECT in shown.sentence else ""
    return shown.sentence + hint


def page(demo: Demo, shown: Shown, arms: Sequence[Arm], command: str) -> str:
    """Return the page; accuracies in percent."""
    notes = "\n".join(f"- {fact}" for fact in facts(demo, arms, command))
    parts = [f"# {demo.title}", sentence_of(demo, shown), f"![{demo.title}]({demo.name}.png)"]
    return "\n\n".join([*parts, shown.table.rstrip(), notes]) + "\n"


def facts(demo: Demo, arms: Sequence[Arm], command: str) -> Iterator[str]:
    """Yield what the numbers were measured with, from the records of the runs."""
    yield f"command: `{command}`; all arms: `{' '.join(demo.base)}`"
    yield f"seeds 0 to {len(arms[0].runs) - 1} in each arm, each run with one thread"
    yield from facts_of([run for arm in arms for run in arm.runs])
    if any(part.tune for part in demo.arms):
        yield (
            f"tuned on val, with other seeds: docs/results/demos/tuning/{demo.name}.csv, made by "
            f"`python -m trainer demo {demo.name} --tune`"
        )
