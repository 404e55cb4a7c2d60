"""What a study came to, and its files: a page, a picture, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.core.files import replace_text
from trainer.record.runs import RunRow
from trainer.study.study import Study, merged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainer.study.halves import Half


@dataclass(frozen=True)
class StudyFinding:
    """What the runs of a study came to.

    Attributes:
        sentences: that the numbers allow, the first on what was asked.
        power: whether it was run with as many seeds as were stated beforehand.
        table: the numbers, in Markdown.
        runs: that the numbers come from.
        figure: the picture, if it is not among `files`.
        tables: further tables as CSV, by the ending of their names.
        notes: how the numbers were made.
        ours: numbers as text, by the name that references to published ones call them.
        files: that are in the folder already, pictures first.
        is_shown: whether what was claimed is; else the page says where to look.
        worth: the right half of the picture, where a mechanism is drawn beside it.
    """

    sentences: Sequence[str]
    power: str
    table: str = ""
    runs: Sequence[RunRow] = ()
    figure: Figure | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    ours: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    is_shown: bool = True
    worth: Half | None = None


def write(study: Study, found: StudyFinding, folder: Path) -> tuple[str, ...]:
    """Write a study's files, the page after what it shows; return their names, pictures first."""
    files = list(found.files)
    if found.figure is not None:
        files = [f"{study.name}.png", *files]
        found.figure.savefig(folder / files[0])
    for ending, text in found.tables.items():
        files.append(f"{study.name}{ending}")
        replace_text(folder / files[-1], text)
    files.append(f"{study.name}.md")
    replace_text(folder / files[-1], page(study, found, files))
    return tuple(files)


def page(study: Study, found: StudyFinding, files: Sequence[str]) -> str:
    """Return the page in Markdown; accuracies in percent."""
    pictures = [f"![{study.title}]({file})" for file in files if file.endswith(".png")]
    said = [*found.sentences, found.power]
    if study.elsewhere:
        said.append(elsewhere_text(study.elsewhere))
    if not found.is_shown and study.where:
        cost = f" ({study.cost})" if study.cost else ""
        said.append(f"Where to look next{cost}: `{study.where}`")
    parts = [
        f"# {study.title}",
        f"{study.question[0].upper()}{study.question[1:]}",
        "\n".join(f"- {sentence}" for sentence in said),
        *pictures,
        found.table.rstrip(),
        "\n".join(f"- {fact}" for fact in facts(study, found)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def elsewhere_text(elsewhere: Mapping[str, str]) -> str:
    """Return where a trick does not show, of a larger scale's committed rows."""
    return f"Where it does not: {elsewhere['said']} (`{elsewhere['command']}`, {elsewhere['date']})"


def facts(study: Study, found: StudyFinding) -> Iterator[str]:
    """Yield how the numbers were made and with what."""
    yield f"command: `{study.command()}`"
    if study.base and found.runs:
        yield f"all runs: `{' '.join(merged((*study.base, *study.size)))}`"
    yield from found.notes
    if found.runs:
        yield from facts_of(found.runs)


def facts_of(runs: Sequence[RunRow]) -> Iterator[str]:
    """Yield data, machine, versions and commit; of all runs where they are not of one commit."""
    first = runs[0].summary
    host, versions, data = (first.get(key) or {} for key in ("host", "versions", "data"))
    yield f"data: {data.get('name')}, fingerprint {str(data.get('fingerprint'))[:12]}"
    yield from machine_facts(host, versions, [run.summary.get("git") for run in runs])


def machine_facts(
    host: Mapping[str, Any],
    versions: Mapping[str, Any],
    commits: Sequence[Mapping[str, Any] | None],
) -> Iterator[str]:
    """Yield machine, versions and commit as a record has them."""
    yield f"machine: {host.get('processor')}, {host.get('cores')} cores"
    named = ("python", "torch", "trainer")
    yield "versions: " + ", ".join(f"{name} {versions.get(name)}" for name in named)
    yield f"commit: {', '.join(dict.fromkeys(map(commit_text, commits)))}"


def commit_text(git: Mapping[str, Any] | None) -> str:
    """Return a commit, and whether the files differed from it."""
    found = git or {}
    return f"{str(found.get('commit'))[:10]}{'' if found.get('clean') else ', changed'}"
