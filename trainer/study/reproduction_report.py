"""The report of a reproduction: what was run, our numbers beside others', differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.record import provenance
from trainer.record.tables import markdown_table
from trainer.study.outcome import Outcome
from trainer.study.page import machine_facts
from trainer.study.study import Study

PICTURE = ".png"
SIZES = {
    "smoke": "a toy size, to see that everything runs: no number of it means anything",
    "cpu": "the size that two cores can do",
    "gpu": "the text's size",
}


def report(
    scale: str, items: Sequence[Study], made: Mapping[str, Outcome | str], command: str
) -> str:
    """Return the report.

    Args:
        scale: `smoke`, `cpu` or `gpu`.
        items: in their order.
        made: what each gave, or why it gave nothing, by name.
        command: that made it.
    """
    done = [item for item in items if isinstance(made[item.name], Outcome)]
    runs = [one for one in made.values() if isinstance(one, Outcome)]
    commits = [provenance.git_state()[0]]
    machine = machine_facts(provenance.host(), provenance.versions(), commits)
    head = [
        f"# The text's figures and tables at the scale `{scale}`",
        f"`{command}`: {SIZES[scale]}. {len(done)} of {len(items)} were made, of "
        f"{sum(one.runs for one in runs)} runs that took "
        f"{sum(one.seconds for one in runs) / 60:.1f} minutes in all, one after the other.",
        "\n".join(f"- {fact}" for fact in machine),
        index(items, made),
    ]
    return "\n\n".join([*head, *(part(scale, item, made[item.name]) for item in items)]) + "\n"


def index(items: Sequence[Study], made: Mapping[str, Outcome | str]) -> str:
    """Return a table of all figures and tables, each with its picture."""
    rows = []
    for item in items:
        found = made[item.name]
        files = found.files if isinstance(found, Outcome) else ()
        picture = next((f"[{f}]({item.name}/{f})" for f in files if f.endswith(PICTURE)), "")
        rows.append([str(item.text["section"]), f"[{item.text['title']}](#{item.name})", picture])
    return markdown_table(["section", "what", "picture"], rows, texts=3)


def part(scale: str, item: Study, found: Outcome | str) -> str:
    """Return one figure's or table's part."""
    head = [
        f'## <a id="{item.name}"></a>{item.text["title"]}',
        f"The text, section {item.text['section']}: {item.text['claim']}",
    ]
    if isinstance(found, str):
        return "\n\n".join([*head, f"**Not made**: {found}", *references(item, {})])
    links = ", ".join(f"[{f}]({item.name}/{f})" for f in found.files if not f.endswith(PICTURE))
    sentences = "\n".join(f"- {sentence}" for sentence in found.sentences)
    pictures = [f"![{item.title}]({item.name}/{f})" for f in found.files if f.endswith(PICTURE)]
    differences = item.text.get("differences", {})
    differing = (*differences.get("all", ()), *differences.get(scale, ()))
    differs = "\n".join(f"- {text}" for text in differing)
    parts = [
        *head,
        f"Ours: `{found.command}`",
        sentences,
        *pictures,
        *references(item, found.ours),
        f"Power: {found.power}",
        f"Different from the text:\n\n{differs}" if differs else "",
        f"Numbers: {links}" if links else "",
    ]
    return "\n\n".join(text for text in parts if text)


def references(item: Study, ours: Mapping[str, str]) -> list[str]:
    """Return a table of others' numbers beside ours, if there are any."""
    found = item.text.get("references", ())
    if not found:
        return []
    rows = [
        [one["what"], one["value"], ours.get(one.get("ours"), ""), one["source"]] for one in found
    ]
    return [markdown_table(["what", "published", "ours", "source"], rows, texts=4)]
