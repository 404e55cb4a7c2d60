"""A page per trick: the text that stands beside the component, with what the site knows of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {
    "scheduler": "Learning-rate schedules",
    "optim": "Optimizers",
    "average": "Averaged weights",
    "mix": "Mixing of examples",
    "augment": "Augmentation",
    "loss": "Losses",
    "precision": "Number formats",
    "strategy": "Several processes",
    "model": "Networks",
    "data": "Images",
    "task": "Tasks",
}
PICTURES = ROOT / "docs" / "images" / "demo"
DEMO = re.compile(r"python -m trainer demo (\w+)")
NAMED = re.compile(r"(?<![\w/(\[`])(docs/[\w/]+\.md)")  # pages that the text names without a link
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def texts() -> dict[str, list[Path]]:
    """Return the texts beside the components, by family, in the order of their names."""
    found = {g: sorted((ROOT / "trainer" / g).glob("*.md")) for g in FAMILIES}
    return {group: files for group, files in found.items() if files}


def pages() -> dict[str, str]:
    """Return the pages of tricks, by their path in `docs/`."""
    made: dict[str, str] = {}
    index = [
        "# A page per trick",
        "Each page has the idea, the formula, the command that shows it, and what it was worth in "
        "our runs. `python -m trainer explain NAME` prints the same text in a terminal.",
    ]
    for group, files in texts().items():
        for file in files:
            made[f"tricks/{group}/{file.stem}.md"] = page(group, file)
        listed = "\n".join(file.stem for file in files)
        made[f"tricks/{group}/index.md"] = (
            f"# {FAMILIES[group]}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
        )
    families = "\n".join(f"{group}/index" for group in texts())
    index.append(f"```{{toctree}}\n:maxdepth: 2\n\n{families}\n```")
    made["tricks/index.md"] = "\n\n".join(index) + "\n"
    return made


def linked(match: re.Match[str]) -> str:
    """Return a page that a text names as a link, wherever in `docs/` it lies."""
    named = ROOT / match[1]
    found = [named] if named.is_file() else list((ROOT / "docs").glob(f"*/{named.name}"))
    path = found[0].relative_to(ROOT).as_posix() if len(found) == 1 else match[1]
    return f"[{path}](../../{path})"


def page(group: str, file: Path) -> str:
    """Return the page of one component, its links as from where the page lies, with the picture of
    its demonstration where there is one and the text has none."""
    here = ROOT / "docs" / "tricks" / group

    def moved(match: re.Match[str]) -> str:
        target, hash_, anchor = match[2].partition("#")
        if re.match(r"\w+:", match[2]) or not target:
            return match[0]
        lies = os.path.normpath(file.parent / target)
        if lies.endswith(".md") and Path(lies).parent.parent == ROOT / "trainer":
            lies = str(ROOT / "docs" / "tricks" / Path(lies).parent.name / Path(lies).name)
        return f"{match[1]}{os.path.relpath(lies, here)}{hash_}{anchor}{match[3]}"

    text = LINK.sub(moved, NAMED.sub(linked, file.read_text().rstrip()))
    demo = next((d for d in DEMO.findall(text) if (PICTURES / f"{d}.png").is_file()), None)
    if demo is not None:
        shown = os.path.relpath(PICTURES / f"{demo}.png", here)
        figure = (
            f"![How {demo} works, drawn from a run, and what it is worth, over seeds]({shown})\n\n"
            f"Made by `python -m trainer demo {demo}`.\n\n"
        )
        before, heading, after = text.partition("\n## Try\n")
        text = f"{before}\n{figure}## Try\n{after}" if heading else f"{text}\n\n{figure}".rstrip()
    keys = os.path.relpath(ROOT / "docs" / "reference" / "keys" / f"{group}.md", here)
    return f"{text}\n\nEvery key with its default: [`{group}`]({keys}).\n"
