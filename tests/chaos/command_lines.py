"""Attack: bad command lines. Each ends with one message that names the culprit, without a
traceback, and leaves nothing behind; typos of one letter are told what was meant."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.lines import check, conflicts, line_of, missing, typos, wrong_types
from tests.command import environment, snapshot

ANSWER = """
import io, json, sys, contextlib
from trainer import cli
answers = []
for line in json.load(sys.stdin):
    sys.argv = ["trainer", *line]
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            cli.main()
    except SystemExit as end:
        answers.append([end.code, err.getvalue(), "torch" in sys.modules])
print(json.dumps(answers))
"""


def answers_to(lines: Sequence[Sequence[str]], place: Path) -> list[tuple[int, str, bool]]:
    """Return exit code, message and whether torch was imported by then, for lines answered one
    after the other by one process in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", ANSWER],
        cwd=place,
        env=environment(),
        input=json.dumps([list(line) for line in lines]),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(code, message, has_torch) for code, message, has_torch in json.loads(done.stdout)]


@dataclass(frozen=True)
class Found:
    """What came of the attack.

    Attributes:
        lines: how many were tried.
        wrong: a description of each that was answered otherwise than it should be.
        left: paths that were left behind.
        typos: lines with one wrong letter.
        told: of these, those told the right word.
    """

    lines: int
    wrong: tuple[str, ...]
    left: tuple[str, ...]
    typos: int
    told: int


def attack(count: int, seed: int, place: Path) -> Found:
    """Try that many bad lines, a third of them typos.

    Args:
        count: of lines, at least 300.
        seed: they are drawn from.
        place: an empty folder.
    """
    draw = random.Random(seed)
    work, given = place / "work", place / "given"
    work.mkdir()
    given.mkdir()
    fixed = [*conflicts(given), *missing(given)]
    slips = list(typos(draw, count // 3))
    faults = [*fixed, *slips, *wrong_types(draw, count - len(fixed) - len(slips))]
    draw.shuffle(faults)
    before = snapshot(place)
    answers = answers_to([line_of(fault) for fault in faults], work)
    pairs = [(f, code, message) for f, (code, message, _) in zip(faults, answers, strict=True)]
    wrong = [found for found in (check(*pair) for pair in pairs) if found]
    told = sum(f"did you mean '{f.right}'" in m for f, _, m in pairs if f.right)
    left = sorted(set(snapshot(place)) ^ set(before))
    return Found(len(faults), tuple(wrong), tuple(left), len(slips), told)
