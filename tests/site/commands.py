"""Run what stands in the pages of the site: every command, program and file, in their order, each
page in a folder of its own.

Usage: python -m tests.site.commands [PAGE...]       (paths of pages, or parts of them)
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.command import ROOT, TINY, environment
from tests.site.blocks import Block, blocks
from tests.site.toy import toy, words_of
from tests.warm import Warm

LIMIT_S = 240.0
SLOW_S = 8.0  # a line that takes longer is named
RUN = ("average=swa", "average.start=50%", "average.every=1st", "checkpoint.keep=all")
SWEEP = ("-m", "optim.lr=0.1,0.2,0.4", "batch_size=16,32", "seed=0,1")


@dataclass
class Tally:
    """What came of the blocks: numbers by kind, reasons of those that are not run, failures."""

    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    lines: int = 0
    seen: set[str] = field(default_factory=set)


def pages(parts: Sequence[str]) -> list[Path]:
    """Return the pages that are run: those written by hand, and the texts beside components.

    README's are run from a wheel: `tests/test_readme.py`.
    """
    found = sorted((ROOT / "docs").rglob("*.md"))
    found += sorted((ROOT / "trainer").rglob("*.md"))
    left_out = ("results", "_build", "keys", "tricks")  # records; what is made of other pages
    mine = [f for f in found if not set(left_out) & set(f.relative_to(ROOT).parts[1:])]
    return [f for f in mine if not parts or any(p in str(f) for p in parts)]


class Shell:
    """Runs the lines of one page in one folder."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self.folder, self.warm = folder, warm
        tools = folder.parent / f"{folder.name}-bin"
        tools.mkdir()
        for name, module in (("python", ""), ("torchrun", "-m torch.distributed.run"), *OURS):
            script = f'#!/bin/bash\nexec "{sys.executable}" {module} "$@"\n'
            (tools / name).write_text(script)
            (tools / name).chmod(0o755)
        self.env = {**environment(), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        self.installed = folder.parent / f"{folder.name}-site"
        self.env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{self.installed}"
        self.env["PYTHONWARNINGS"] = "ignore"

    def python(self, words: Sequence[str]) -> tuple[int, str]:
        """Run Python in a fork; return its code and what it printed."""
        process = self.warm.start(words, self.folder, env=self.env)
        try:
            out, err = process.communicate(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return 124, f"took more than {LIMIT_S:g} s"
        return process.wait(), out + err

    def line(self, line: str) -> tuple[int, str]:
        """Run a line of a page; return its code and what it printed."""
        if re.fullmatch(r"(python -m )?pip install \.", line):  # into a folder of its own
            options = "-q --disable-pip-version-check --no-deps --no-build-isolation"
            line = f"python -m pip install {options} --target {self.installed} ."
        line = re.sub(r"[\w/]*<(run|sweep)>", lambda m: self.found(m[0], m[1]), line)
        if "outputs/latest" in line and not (self.folder / "outputs/latest").exists():
            self.make("outputs/default/<run>", "run")
        words = words_of(line)
        if words is not None:
            return self.python(["-m", "trainer", *toy(words)])
        split = shlex.split(line)
        if split[0] == "torchrun" and "trainer" in split:
            after = split.index("trainer") + 1
            whole = [*split[1:after], *toy(split[after:])]
            return self.python(["-m", "torch.distributed.run", *whole])
        match = re.search(r"python -m trainer([^|>&;]*)", line)
        if match is not None and "$" not in match[1]:
            given = shlex.split(match[1])
            more = shlex.join(toy(given)[len(given) :])
            line = f"{line[: match.end()].rstrip()} {more} {line[match.end() :]}"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
        )
        return done.returncode, done.stdout

    def found(self, text: str, kind: str) -> str:
        """Return the newest run or sweep that a text such as `outputs/default/<run>` can name; one
        is made where there is none."""
        file = "sweep.yaml" if kind == "sweep" else "run.log"
        places = (
            [text.rpartition("/")[0], "outputs/*"] if "/" not in text else [text[: -len(kind) - 3]]
        )
        for place in places:
            made = [p.parent for p in self.folder.glob(f"{place}/*/{file}") if not p.is_symlink()]
            if made:
                newest = max(made, key=lambda p: (p.stat().st_mtime, p.name))
                return str(newest.relative_to(self.folder))
        return self.make(text, kind)

    def make(self, text: str, kind: str) -> str:
        """Make a small run or sweep where a text says that there is one."""
        name = text.split("/")[1] if text.count("/") >= 2 else "default"
        words = SWEEP if kind == "sweep" else RUN
        code, said = self.python(["-m", "trainer", *words, *TINY_OF[kind], f"name={name}"])
        assert code == 0, said
        return self.found(f"outputs/{name}/<{kind}>", kind)


OURS = (("trainer", "-m trainer"),)
TINY_OF = {"run": TINY, "sweep": tuple(w for w in TINY if not w.startswith("batch_size"))}


def run_block(block: Block, shell: Shell, tally: Tally) -> str | None:
    """Run a block; return what went wrong, or None."""
    if block.kind == "file":
        file = shell.folder / block.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
        return None
    if block.kind == "program":
        tally.lines += 1
        code, said = shell.python(["-c", program_of(block.text)])
        return None if code == block.code else f"exit code {code}\n{said[-1500:]}"
    for line in block.commands():
        if line in tally.seen and "trainer" in block.page.relative_to(ROOT).parts:
            continue  # many pages of tricks name one demonstration
        tally.seen.add(line)
        tally.lines += 1
        begin = time.monotonic()
        code, said = shell.line(line)
        if (span := time.monotonic() - begin) > SLOW_S:
            print(f"{span:.0f} s: {line}", flush=True)
        if code != block.code:
            return f"{line}\nexit code {code}, not {block.code}\n{said[-1500:]}"
    if block.kind == "transcript":
        missing = [part for part in block.printed() if part not in said]
        if missing:
            return f"{line}\ndoes not print {missing[0]!r} but\n{said[-1500:]}"
    return None


def program_of(text: str) -> str:
    """Return the program that a block of Python is; doctest checks a session."""
    if not text.lstrip().startswith(">>>"):
        return text
    return (
        "import doctest, sys\n"
        f"test = doctest.DocTestParser().get_doctest({text!r}, {{}}, 'page', None, 0)\n"
        "sys.exit(doctest.DocTestRunner().run(test).failed)\n"
    )


def run_page(page: Path, place: Path, warm: Warm, tally: Tally) -> None:
    """Run the blocks of a page."""
    folder = place / re.sub(r"\W", "_", str(page.relative_to(ROOT)))
    folder.mkdir()
    shell = Shell(folder, warm)
    begin, before = time.monotonic(), tally.lines
    name = page.relative_to(ROOT)
    for block in blocks(page, page.read_text()):
        if block.reason is not None:
            tally.reasons[block.reason] += 1
            continue
        tally.kinds[block.kind] += 1
        if block.kind == "shown":
            continue
        wrong = run_block(block, shell, tally)
        if wrong is not None:
            tally.failures.append(f"{name}:{block.line}")
            print(f"FAILED {name}:{block.line}: {wrong}\n", flush=True)
    if tally.lines > before:
        print(f"{name}: {tally.lines - before} run, {time.monotonic() - begin:.0f} s", flush=True)


def main() -> None:
    """Run the pages and say what came of it."""
    tally = Tally()
    warm = Warm()
    try:
        with tempfile.TemporaryDirectory(prefix="docs-test-") as place:
            for page in pages(sys.argv[1:]):
                run_page(page, Path(place), warm, tally)
    finally:
        warm.close()
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.kinds.items()))
    print(f"blocks: {kinds}; commands and programs run: {tally.lines}")
    for reason, number in sorted(tally.reasons.items()):
        print(f"not run: {number} blocks, {reason}")
    left = sum(tally.reasons.values())
    print(
        f"{tally.lines - len(tally.failures)} passed, {len(tally.failures)} failed, {left} skipped"
    )
    sys.exit(1 if tally.failures or not tally.lines else 0)  # no such page: nothing was run


if __name__ == "__main__":
    main()
