"""Attack: bad command lines. Each ends with one message that names the culprit, without a
traceback, and leaves nothing behind; typos of one letter are told what was meant."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.lines import check, conflicts, line_of, missing, typos, wrong_types
from tests.chaos.trial import Arena
from tests.command import environment, snapshot

QUICK, FULL = 1, 10
LINES = 100

ANSWER = """
import io, json, sys, contextlib
from trainer.cli import main as cli
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


def answers_to(
    lines: Sequence[Sequence[str]], place: Path, timeout_s: float = 600.0
) -> list[tuple[int, str, bool]]:
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
        timeout=timeout_s,
    )
    return [(code, message, has_torch) for code, message, has_torch in json.loads(done.stdout)]


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Try a hundred bad lines in an empty folder, a third of them typos."""
    place = arena.fresh("command-lines")
    work, given = place / "work", place / "given"
    work.mkdir()
    given.mkdir()
    slips = list(typos(draw, LINES // 3))
    fixed = draw.sample([*conflicts(given), *missing(given)], LINES // 3)
    faults = [*fixed, *slips, *wrong_types(draw, LINES - len(fixed) - len(slips))]
    draw.shuffle(faults)
    before = snapshot(place)
    answers = answers_to([line_of(fault) for fault in faults], work)
    pairs = [(f, code, message) for f, (code, message, _) in zip(faults, answers, strict=True)]
    wrong = [found for found in (check(*pair) for pair in pairs) if found]
    assert not wrong, "\n".join(wrong)
    left = sorted(set(snapshot(place)) ^ set(before))
    assert not left, f"left behind: {left}"
    told = sum(f"did you mean '{f.right}'" in m for f, _, m in pairs if f.right)
    assert told >= 0.9 * len(slips), f"{told} of {len(slips)} typos were told the right word"
    arena.count("bad command lines", len(faults))
    arena.count("typos of one letter", len(slips))
    arena.count("typos told the right word", told)
    return f"{len(faults)} lines; {told} of {len(slips)} typos told the right word"
