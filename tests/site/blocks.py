"""The blocks of code of a page: which are commands, programs or files, and which are not run.

A block is marked in a comment of HTML above it: `<!-- not run: needs a GPU -->`, or, where what
stands there must end otherwise than with 0, `<!-- exits 130 -->`. A line above it that is a path in
backticks makes it a file of the reader's, which is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<text>.*?)^(?P=fence)\s*$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: ((?:(?!-->).)+) -->\s*$", re.S)
EXITS = re.compile(r"<!-- exits (\d+) -->\s*$")
PATH = re.compile(r"^`([\w./-]+\.\w+)`:?$", re.M)
UNKNOWN = re.compile(r"\.\.\.|\d{4}-\d\d-\d\d_\w[\w-]*|[\d.,]+ s\b")
PROGRAMS = (
    *("python", "torchrun", "trainer", "make", "pip", "sbatch", "tensorboard", "mkdir", "ls"),
    *("timeout", "cat", "srun", "git", "cd"),
)


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        page: where it stands.
        line: of the page, from 1.
        kind: `commands`, `transcript` (commands after `$`, with what they print), `program` of
            Python, `file`, or `shown`: what is to be read alone.
        text: what it holds.
        path: of a file.
        code: that it ends with.
        reason: why it is not run, or None.
    """

    page: Path
    line: int
    kind: str
    text: str
    path: str = ""
    code: int = 0
    reason: str | None = None

    def commands(self) -> list[str]:
        """Return its command lines, without comments, continued lines joined."""
        text = self.text.replace("\\\n", " ")
        if self.kind == "transcript":
            return [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        lines = (re.sub(r"(^|\s)#( .*)?$", "", line).strip() for line in text.splitlines())
        return [line for line in lines if line]

    def printed(self) -> list[str]:
        """Return what a transcript says that its last command prints, in parts: between them stand
        `...`, or names of runs, which nobody knows before."""
        after = self.text.rpartition("$ ")[2].splitlines()[1:]
        parts = [part for line in after for part in UNKNOWN.split(line)]
        return [part.strip() for part in parts if part.strip()]


def blocks(page: Path, text: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    found = []
    for match in BLOCK.finditer(text):
        above = text[: match.start()].rstrip("\n")
        not_run, exits = NOT_RUN.search(above), EXITS.search(above)
        path = PATH.search(above.rpartition("\n")[2])
        kind = kind_of(match["language"], match["text"])
        code = int(exits[1]) if exits else 0
        if path is not None:
            kind = "file"
        elif kind == "transcript" and re.search(r"^error: ", match["text"], re.M):
            code = code or 2
        reason = " ".join(not_run[1].split()) if not_run else None
        line = text.count("\n", 0, match.start()) + 1
        name = path[1] if path else ""
        found.append(Block(page, line, kind, match["text"], name, code, reason))
    return found


def kind_of(language: str, text: str) -> str:
    """Return what a block without a path is."""
    if language == "python":
        return "program"
    if language not in ("", "bash", "sh"):
        return "shown"
    if re.search(r"^\$ ", text, re.M):
        return "transcript"
    first = [re.sub(r"^(\w+=\S+ )+", "", line).split(" ")[0] for line in text.splitlines()]
    return "commands" if any(word in PROGRAMS for word in first) else "shown"
