"""Every message that the program refuses or ends with, read from its sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.core import errors

ROOT = Path(__file__).resolve().parents[2]
KINDS = {  # what is raised, in the order of the page
    name: getattr(errors, name).exit_code
    for name in ("ConfigError", "NotFound", "DataError", "DiskError", "LostProcess", "LostWorker")
}
TITLES = {
    2: "Code 2: what was asked for cannot be",
    4: "Code 4: nothing to go on from",
    5: "Code 5: images are missing or damaged",
    74: "Code 74: the disk is full or read-only",
    1: "Code 1: another process is gone",
}


@dataclass(frozen=True)
class Message:
    """One message: its exit code, its words with `<name>` for what is filled in, and its source."""

    code: int
    text: str
    module: str


def messages() -> list[Message]:
    """Return every message of the package, in the order of its modules."""
    found = []
    for file in sorted((ROOT / "trainer").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for code, text in in_source(file.read_text()):
            found.append(Message(code, text, module))
    return found


def in_source(source: str) -> Iterator[tuple[int, str]]:
    """Yield the code and words of each error that a module makes; of one whose words come from
    elsewhere there are none to show."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in KINDS and node.args:
                text = words(node.args[0])
                if re.search(r"[a-z]{3,} .*[a-z]{2,}", re.sub(r"<[^>]*>", "", text)):
                    yield KINDS[node.func.id], text
            elif node.func.id == "unknown" and len(node.args) >= 2:
                what = words(node.args[0])
                yield 2, f"unknown {what} '<name>'; did you mean '<name>'? known: <names>"


def words(node: ast.expr) -> str:
    """Return the words of a text's expression."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return words(node.left) + words(node.right)
    if isinstance(node, ast.FormattedValue):
        return (
            words(node.value) if isinstance(node.value, ast.Constant) else placeholder(node.value)
        )
    return placeholder(node)


def placeholder(node: ast.expr) -> str:
    """Return what stands for a value that is filled in: the last name of its expression."""
    names = re.findall(r"[A-Za-z_]\w*", ast.unparse(node).split("(")[-1] or "")
    known = names or re.findall(r"[A-Za-z_]\w*", ast.unparse(node))
    return f"<{known[-1] if known else 'value'}>"


def page() -> str:
    """Return the page of all messages."""
    parts = [
        "# Every error message",
        "This page is made from the sources. Search it for a few words of your message. What a "
        "message fills in stands in angle brackets. The message itself names the key, the value "
        "and what is allowed. [What to do about an error](../../howto/errors.md) has the kinds.",
    ]
    found = messages()
    for code, title in TITLES.items():
        parts.append(f"## {title}")
        for package in sorted({area(m) for m in found if m.code == code}):
            mine = dict.fromkeys(m.text for m in found if m.code == code and area(m) == package)
            parts.append(f"### From `{package}`" + (f", code {code}" if code != 2 else ""))
            parts.append("\n".join(f"- {shown(text)}" for text in mine))
    return "\n\n".join(parts) + "\n"


def area(message: Message) -> str:
    """Return the package that a message is from."""
    return ".".join(message.module.split(".")[:2])


def shown(text: str) -> str:
    """Return a message as code of Markdown, on one line."""
    plain = " ".join(text.split())
    fence = "``" if "`" in plain else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{plain}{space}{fence}"
