"""A demonstration's page in Markdown: sentence, numbers, and what they were measured with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.analysis.compare import Arm
from trainer.study.demos.pictures import Shown
from trainer.study.demos.spec import Demo
from trainer.study.demos.verdict import NO_EFFECT


def told(demo: Demo, shown: Shown) -> str:
    """Return the sentence, and where to look if there was nothing to see."""
    hint = f"\nWhere to look: `{demo.where}`" if NO_EFFECT in shown.sentence else ""
    return shown.sentence + hint


def page(demo: Demo, shown: Shown, arms: Sequence[Arm], command: str) -> str:
    """Return the page; accuracies in percent."""
    facts = "\n".join(f"- {fact}" for fact in facts_of(demo, arms, command))
    parts = [f"# {demo.title}", told(demo, shown), f"![{demo.title}]({demo.name}.png)"]
    return "\n\n".join([*parts, shown.table.rstrip(), facts]) + "\n"


def facts_of(demo: Demo, arms: Sequence[Arm], command: str) -> Iterator[str]:
    """Yield what the numbers were measured with, from the records of the runs."""
    runs = [run for arm in arms for run in arm.runs]
    first = runs[0].summary
    host, versions, git = (first.get(key) or {} for key in ("host", "versions", "git"))
    data = first.get("data") or {}
    yield f"command: `{command}`; all arms: `{' '.join(demo.base)}`"
    yield f"seeds 0 to {len(arms[0].runs) - 1} in each arm, each run with one thread"
    yield f"data: {data.get('name')}, fingerprint {str(data.get('fingerprint'))[:12]}"
    yield f"machine: {host.get('processor')}, {host.get('cores')} cores"
    named = ("python", "torch", "trainer")
    yield "versions: " + ", ".join(f"{name} {versions.get(name)}" for name in named)
    clean = "" if git.get("clean") else ", changed"
    yield f"commit: {str(git.get('commit'))[:10]}{clean}"
    if any(part.tune for part in demo.arms):
        yield (
            f"tuned on val, with other seeds: docs/results/demos/tuning/{demo.name}.csv, made by "
            f"`python -m scripts.demo {demo.name} --tune`"
        )
