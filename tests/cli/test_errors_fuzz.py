"""Two hundred bad command lines: each is refused with one message that names the culprit."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.command_lines import answers_to
from tests.chaos.lines import BASE, check, conflicts, line_of, missing, typos, wrong_types
from tests.command import ROOT, Call, environment, real, snapshot


@pytest.mark.slow
def test_two_hundred_bad_lines_are_refused_by_one_message_and_leave_nothing(
    here: Path, tmp_path: Path, call: Call
) -> None:
    draw = random.Random(2026)
    faults = [*conflicts(tmp_path), *missing(tmp_path), *wrong_types(draw, 100)]
    faults += typos(draw, 40)
    assert len(faults) >= 200
    before = snapshot(tmp_path)
    wrong = []
    for fault in faults:
        outcome = call(*line_of(fault))
        wrong += [w for w in [check(fault, outcome.code, outcome.err)] if w]
        now = snapshot(tmp_path)
        if now != before:
            wrong.append(f"left {sorted(set(now) ^ set(before))}: {fault.words}")
            before = now
        if "Traceback" in outcome.out or "error: " in outcome.out:
            wrong.append(f"printed to stdout: {fault.words}: {outcome.out[:200]}")
    assert wrong == [], f"{len(wrong)} of {len(faults)}:\n" + "\n".join(wrong)


@pytest.mark.slow
def test_typos_are_told_before_torch_is_imported_with_the_right_suggestion(here: Path) -> None:
    faults = list(typos(random.Random(7), 300))
    answers = answers_to([f.words for f in faults], here)
    assert [
        check(f, c, e) for f, (c, e, _) in zip(faults, answers, strict=True) if check(f, c, e)
    ] == []
    assert [f.words for f, (_, _, torch) in zip(faults, answers, strict=True) if torch] == []
    missed = [
        f"{' '.join(f.words)} -> {e}"
        for f, (_, e, _) in zip(faults, answers, strict=True)
        if f"did you mean '{f.right}'" not in e
    ]
    assert len(missed) <= 0.05 * len(faults), "\n".join(missed)
    assert snapshot(here) == {}


@pytest.mark.slow
def test_a_dozen_bad_lines_in_real_processes(here: Path, tmp_path: Path) -> None:
    draw = random.Random(5)
    every = [*missing(tmp_path), *conflicts(tmp_path), *typos(draw, 3)]
    faults = [*draw.sample(every, 9), *every[-3:]]
    before = snapshot(tmp_path)
    wrong = []
    for fault in faults:
        outcome = real(line_of(fault), here)
        wrong.append(check(fault, outcome.code, outcome.err))
    assert [w for w in wrong if w] == []
    assert snapshot(tmp_path) == before


def test_a_folder_that_may_not_be_written_is_the_user_s_mistake(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse: Callable[..., None]

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    outcome = call(*BASE)
    assert outcome.code == 2
    assert "outputs" in outcome.err
    assert "no permission to write" in outcome.err
    assert snapshot(here) == {}


@pytest.mark.slow
def test_help_is_instant_and_imports_no_torch(here: Path) -> None:
    code = (
        "import sys, time; start = time.process_time(); from trainer.cli.main import exit_code;"
        "assert exit_code(['--help']) == 0; assert 'torch' not in sys.modules;"
        "print('SECONDS', time.process_time() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout.rsplit("SECONDS", 1)[1]) < 0.5
    lines = done.stdout.splitlines()
    # the default first
    assert any(line.split()[:3] == ["mix=", "none,", "cutmix,"] for line in lines)
    assert ROOT not in list(here.parents)
