"""The reference of groups, names and keys, made from the dataclasses and from `conf/`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from trainer.config.groups import REGISTRIES
from trainer.config.run_config import CheckpointConfig, CompileConfig, RunConfig
from trainer.core.convert import allowed, hints_of, typed

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"

TITLES = {
    "task": "What is done: `task`",
    "data": "Images: `data`",
    "augment": "Augmentation: `augment`",
    "model": "Networks: `model`",
    "optim": "Optimizers: `optim`",
    "scheduler": "Learning-rate schedules: `scheduler`",
    "average": "Averaged weights: `average`",
    "mix": "Mixing: `mix`",
    "loss": "Losses: `loss`",
    "precision": "Number formats: `precision`",
    "strategy": "Processes: `strategy`",
}
PRESETS = {
    "experiment": ("Presets: `+experiment`", "python -m trainer +experiment="),
    "sweep": ("Sweeps: `+sweep`", "python -m trainer -m +sweep="),
    "study": ("Studies", "python -m trainer study "),
}


@dataclass(frozen=True)
class Key:
    """One key of a choice: its default in YAML, what it takes, and what it means."""

    name: str
    default: str
    takes: str
    meaning: str


def pages() -> dict[str, str]:
    """Return the pages of the reference that the code determines, by their path in `docs/`."""
    made = {f"reference/keys/{group}.md": group_page(group) for group in TITLES}
    made["reference/keys/top.md"] = top_page()
    made |= {f"reference/keys/{kind}.md": preset_page(kind) for kind in PRESETS}
    listed = "\n".join(["top", *TITLES, *PRESETS])
    made["reference/keys/index.md"] = (
        "# Every group, name and key\n\nThese pages are made from the code and from the YAML files "
        "of `conf/` each time the site is built.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return made


def group_page(group: str) -> str:
    """Return the page of one group: its names, the keys that all have, and each name's own."""
    files = sorted((CONF / group).glob("*.yaml"))
    default = default_of(group)
    files.sort(key=lambda f: f.stem != default)
    registry = REGISTRIES.get(group)
    shared = [f.name for f in fields(registry.shared)] if registry else []
    parts = [f"# {TITLES[group]}", intro(group, default)]
    if registry and shared:
        meanings = attributes(registry.shared)
        hints = hints_of(registry.shared)
        lines = [
            [f"`{group}.{k}`", escaped(allowed(hints[k])), meanings.get(k, "")] for k in shared
        ]
        parts += [
            "## Keys that every name has",
            table(["key", "takes", "meaning"], lines),
        ]
    for file in files:
        parts += list(name_section(group, file, shared))
    return "\n\n".join(parts) + "\n"


def intro(group: str, default: str) -> str:
    """Return how a name of the group is written, and which is the default."""
    written = (
        "`augment=NAME`, or a list: `augment=[NAME,NAME]`"
        if group == "augment"
        else (f"`{group}=NAME`")
    )
    return f"Written as {written}. The default is `{group}={default}`."


def name_section(group: str, file: Path, shared: Sequence[str]) -> Iterator[str]:
    """Yield the parts of the section of one name."""
    name = file.stem
    yield f"## `{name}`"
    values, comments = read(file)
    cls = REGISTRIES[group].load(name) if group in REGISTRIES else None
    meanings: dict[str, str] = {}
    hints: Mapping[str, Any] = {}
    if cls is not None:
        yield description(cls)
        meanings, hints = attributes(cls), hints_of(cls)
    elif "name" in comments:
        yield escaped(sentence(comments["name"]))
    where = f"augment.{name}" if group == "augment" else group
    own = [k for k in values if k not in ("name", *shared)]
    if own:
        lines = []
        for key in own:
            takes = escaped(allowed(hints[key])) if key in hints else ""
            meaning = meanings.get(key) or escaped(comments.get(key, ""))
            lines.append([f"`{where}.{key}`", code(typed(values[key])), takes, meaning])
        yield table(["key", "default", "takes", "meaning"], lines)
    same = [f"`{k}={typed(values[k])}`" for k in shared if k in values]
    if same:
        yield f"Defaults of the keys that every name has: {', '.join(same)}."


def top_page() -> str:
    """Return the page of the keys beside the groups."""
    values, comments = read(CONF / "config.yaml")
    meanings, hints = attributes(RunConfig), hints_of(RunConfig)
    lines = []
    for key, value in values.items():
        if key in ("defaults", "hydra"):
            continue
        inner = {"checkpoint": CheckpointConfig, "compile": CompileConfig}.get(key)
        if inner is not None:
            within, of = attributes(inner), hints_of(inner)
            lines += [
                [f"`{key}.{k}`", code(typed(v)), escaped(allowed(of[k])), within.get(k, "")]
                for k, v in value.items()
            ]
            continue
        takes = escaped(allowed(hints[key])) if key in hints else ""
        meaning = escaped(comments.get(key, "")) or meanings.get(key, "")
        lines.append([f"`{key}`", code(typed(value)), takes, meaning])
    return (
        "# Keys beside the groups\n\nWritten as `KEY=VALUE`, such as `epochs=5`.\n\n"
        + table(["key", "default", "takes", "meaning"], lines)
        + "\n"
    )


def preset_page(kind: str) -> str:
    """Return the page of the presets of one kind: the header of each file."""
    title, command = PRESETS[kind]
    parts = [f"# {title}", "What the header of each file says."]
    for file in sorted((CONF / kind).rglob("*.yaml")):
        name = file.relative_to(CONF / kind).with_suffix("").as_posix()
        header = [
            line[1:].removeprefix(" ")
            for line in file.read_text().splitlines()
            if line.startswith("#") and "@package" not in line
        ]
        parts += [f"## `{name}`", f"`{command}{name}`", "```text\n" + "\n".join(header) + "\n```"]
    return "\n\n".join(parts) + "\n"


def default_of(group: str) -> str:
    """Return the name of a group that `conf/config.yaml` chooses."""
    tree = yaml.safe_load((CONF / "config.yaml").read_text())
    chosen = next(d[group] for d in tree["defaults"] if isinstance(d, dict) and group in d)
    return chosen[0] if isinstance(chosen, list) else str(chosen)


def read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the keys of a YAML file with their values, following its `defaults` within the folder,
    and the comment beside each."""
    text = file.read_text()
    values: dict[str, Any] = {}
    comments: dict[str, str] = {}
    tree = yaml.safe_load(text) or {}
    for entry in tree.pop("defaults", []) if file.parent != CONF else []:
        if isinstance(entry, str) and entry != "_self_":
            more, said = read(file.parent / f"{entry}.yaml")
            values |= more
            comments |= said
    values |= tree
    for match in re.finditer(r"^(\w+):[^#\n]*#\s*(.+)$", text, re.MULTILINE):
        comments[match[1]] = match[2].strip()
    return values, comments


def attributes(cls: type) -> dict[str, str]:
    """Return what the `Attributes` section of a dataclass's docstring says of each field."""
    assert is_dataclass(cls)
    text = inspect.getdoc(cls) or ""
    _, _, section = text.partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith(" "):
            break
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            name, found[match[1]] = match[1], match[2]
        elif name:
            found[name] += " " + line.strip()
    return {key: escaped(sentence(said)) for key, said in found.items()}


def description(cls: type) -> str:
    """Return what a component's docstring says before its attributes."""
    text = inspect.getdoc(cls) or ""
    before = re.split(r"\n\n?(?:Attributes|Args|Raises):\n", text)[0]
    return escaped(before)


def sentence(text: str) -> str:
    """Return a text with a capital at its begin, unless that is code, and a full stop."""
    text = text.strip()
    begins = text[:1].upper() + text[1:]
    return begins if begins.endswith((".", "?", "")) and begins[-1:] in ".?" else begins + "."


def escaped(text: str) -> str:
    """Return plain text with code in backticks as Markdown that shows it as it is."""
    parts = re.split(r"(``?[^`]+``?)", text)
    plain = [re.sub(r"([*_<>$\[\]{}\\])", r"\\\1", p) for p in parts[::2]]
    whole = parts[:]
    whole[::2] = plain
    return "".join(whole)


def code(text: str) -> str:
    """Return a value as code, an empty one as a word."""
    return f"`{text}`" if text else "(empty)"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)
