"""What numbers were measured with, from the records of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.record.runs import RunRow


def facts_of(runs: Sequence[RunRow]) -> Iterator[str]:
    """Yield data, machine, versions and commit; of all runs where they are not of one commit."""
    first = runs[0].summary
    host, versions, data = (first.get(key) or {} for key in ("host", "versions", "data"))
    yield f"data: {data.get('name')}, fingerprint {str(data.get('fingerprint'))[:12]}"
    yield f"machine: {host.get('processor')}, {host.get('cores')} cores"
    named = ("python", "torch", "trainer")
    yield "versions: " + ", ".join(f"{name} {versions.get(name)}" for name in named)
    yield f"commit: {', '.join(dict.fromkeys(commit_of(run) for run in runs))}"


def commit_of(run: RunRow) -> str:
    """Return the commit that a run was made by, and whether the files differed from it."""
    git = run.summary.get("git") or {}
    return f"{str(git.get('commit'))[:10]}{'' if git.get('clean') else ', changed'}"


def shown_overrides(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return words as a page shows them: a place on this machine says nothing elsewhere."""
    return tuple("data.root=DIR" if w.startswith("data.root=") else w for w in overrides)
