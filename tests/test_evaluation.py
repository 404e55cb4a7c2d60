"""A signal ends an evaluation at the next batch, and the run that is resumed ends as if there had
been none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command import Call
from tests.run.test_resume import assert_same, rows
from tests.stopping import LINE, STOPS, counted, held
from tests.warm import Warm


class Moved:
    """Compares the checkpoints that stops in one evaluation left: it moves nothing that they
    hold."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, int], dict[str, Any]] = {}

    def check(self, written: dict[str, Any], num_rows: int) -> None:
        """Check a checkpoint that stands after so many rows."""
        first = self.first.setdefault((written["step"], num_rows), written)
        assert written == first, "the evaluation moved what the checkpoint holds"


def num_rows(run: Path) -> int:
    """Return the epochs that a run recorded."""
    return len(rows(run)) if (run / "metrics.jsonl").exists() else 0


@pytest.mark.slow
# One of the signals comes before the first batch of an average's statistics was seen: there are
# none then. Without an average nothing is new at the run's end, and what was saved before the last
# epoch's evaluation must not stand for what is saved after it.
@pytest.mark.parametrize(
    ("left_out", "total", "evaluations"),
    [((), 27, 3), (("scheduler", "data.val"), 9, 1), (("average",), 9, 3)],
)
def test_a_signal_ends_an_evaluation_at_the_next_batch(
    call: Call, here: Path, left_out: tuple[str, ...], total: int, evaluations: int
) -> None:
    has_val = "data.val" not in left_out
    line = [word for word in LINE if not word.startswith(left_out)]
    line += [] if has_val else ["data.val=0"]
    with counted() as seen:
        assert call(*line, "hydra.run.dir=whole").code == 0
    assert seen[0] == total
    moved = Moved()
    for number in range(1, total + 1, 4):
        run = here / f"run-{number}"
        with counted(stop_at=number) as seen:
            stopped = call(*line, f"hydra.run.dir={run}")
            assert stopped.code == 143, stopped.err
            assert seen[0] == number, "the evaluation went on"
        moved.check(held(run), num_rows(run))
        with counted():
            resumed = call(f"resume={run}")
            assert resumed.code == 0, resumed.err
        if has_val:
            assert_same(run, here / "whole")
        assert held(run) == held(here / "whole")
    assert len(moved.first) == evaluations


@pytest.mark.slow
def test_a_fork_is_stopped_in_its_evaluations_like_any_run(call: Call, here: Path) -> None:
    with counted():
        assert call(*LINE, "hydra.run.dir=origin").code == 0
    line = (*LINE, "fork=origin@3", "optim.lr=0.02")
    with counted() as seen:
        assert call(*line, "hydra.run.dir=whole").code == 0
    total, moved = seen[0], Moved()
    for number in range(1, total + 1, 5):
        run = here / f"run-{number}"
        with counted(stop_at=number):
            assert call(*line, f"hydra.run.dir={run}").code == 143
        moved.check(held(run), num_rows(run))
        with counted():
            assert call(f"resume={run}").code == 0
        assert_same(run, here / "whole")
        assert held(run) == held(here / "whole")
    # and a fork of what was saved in an evaluation begins with that evaluation
    with counted(stop_at=2):
        assert call(*LINE, "hydra.run.dir=stopped").code == 143
    again = tuple(word for word in LINE if not word.startswith("checkpoint.every"))
    with counted() as seen:
        assert call(*again, "fork=stopped@3", "hydra.run.dir=forked").code == 0
    assert seen[0] == total + 9
    assert rows(here / "forked") == rows(here / "origin")


@pytest.mark.slow
def test_an_epoch_evaluated_after_a_stop_has_one_row_whatever_comes_then(
    call: Call, here: Path
) -> None:
    """Its checkpoint stands before the row: one that goes on from there twice writes it once."""
    line = [word for word in LINE if not word.startswith("checkpoint")]
    with counted():
        assert call(*line, "hydra.run.dir=whole").code == 0
    with counted(stop_at=2):
        assert call(*line, "hydra.run.dir=run").code == 143
    run = here / "run"
    assert not (run / "metrics.jsonl").exists()
    shutil.copytree(run / "checkpoints", here / "aside")
    for _ in range(2):  # the second time as if the first had been killed before it saved
        with counted():
            assert call("resume=run").code == 0
        assert_same(run, here / "whole")
        shutil.rmtree(run / "checkpoints")
        shutil.copytree(here / "aside", run / "checkpoints")
        (run / "summary.json").unlink()


@pytest.mark.slow
def test_the_signal_of_one_process_ends_the_evaluation_of_all(warm: Warm, here: Path) -> None:
    words = ["--standalone", "--nproc-per-node=2", "-m", "tests.stopping", str(here)]
    process = warm.torchrun(words, here)
    _, err = process.communicate()
    assert process.wait() == 0, err
    seen = [json.loads((here / f"seen-{rank}.json").read_text()) for rank in (0, 1)]
    moved, whole = Moved(), held(here / "whole")
    for i, (rank, number) in enumerate(STOPS):
        assert seen[rank]["seen"][i] == number, "the evaluation went on"
        assert abs(seen[0]["seen"][i] - seen[1]["seen"][i]) <= 6
        assert seen[0]["codes"][i] == 138
        assert seen[0]["held"][i] == seen[1]["held"][i]
        moved.check(seen[0]["held"][i], sum(number > end for end in ((9, 18), (8, 16))[rank]))
        run = here / f"run-{rank}-{number}"
        assert_same(run, here / "whole")
        assert held(run) == whole
    assert len(moved.first) == 3
