"""An evaluation gives way to a stop, wherever it is; what goes on ends as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.chaos.ranks import run_ranks
from tests.chaos.trial import UNEQUAL, plain_digest
from tests.command import TINY, Call, environment
from tests.run.test_resume import assert_same, summary
from trainer import loop as evaluation
from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.format import digest
from trainer.data.base import Batch

# Validation, the average's statistics and its validation at each of two epochs' ends; at the run's
# end the statistics again and two tests: several batches each.
LINE = (
    *(word for word in TINY if not word.startswith("model")),
    *("model=cnn", "model.width=4", "data.val=20", "data.num_test=20", "average=swa"),
    *("average.start=1st", "average.every=1st", "scheduler=plateau", "scheduler.patience=0ep"),
    *("checkpoint.every=1st", "checkpoint.keep=all"),
)


@contextlib.contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> Iterator[list[int]]:
    """Count the batches that evaluations read; while one of them is read a signal comes."""
    plain, seen = evaluation.while_undisturbed, [0]

    def reading(batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in thirds(batches):
            seen[0] += 1
            if seen[0] == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(
            evaluation, "while_undisturbed", lambda run, batches: plain(run, reading(batches))
        )
        yield seen


def thirds(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield each batch three times: a few images are evaluated at once."""
    for batch in batches:
        yield from (batch, batch, batch)


def assert_same_checkpoints(run: Path, whole: Path) -> None:
    """Check that the last checkpoints hold the same weights, those of the average included, and the
    same state."""
    last = [checkpoint.newest(path / "checkpoints")[0] for path in (run, whole)]
    held = [
        {k: plain_digest(v) for k, v in found.state().items() if k not in UNEQUAL}
        | {"weights": digest(found.weights(), found.averaged())}
        for found in last
        if found is not None
    ]
    assert len(held) == 2
    assert held[0] == held[1]


@pytest.mark.slow
# One of the signals comes before the first batch of an average's statistics was seen: there are
# none then. Without an average nothing is new at the run's end, and what was saved before the last
# epoch's evaluation must not stand for what is saved after it.
@pytest.mark.parametrize(
    ("left_out", "total"), [((), 27), (("scheduler", "data.val"), 9), (("average",), 9)]
)
def test_a_signal_is_heeded_at_every_batch_of_an_evaluation(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch, left_out: tuple[str, ...], total: int
) -> None:
    has_val = "data.val" not in left_out
    line = [word for word in LINE if not word.startswith(left_out)]
    line += [] if has_val else ["data.val=0"]
    with counted(monkeypatch) as seen:
        assert call(*line, "hydra.run.dir=whole").code == 0
    assert seen[0] == total
    for number in range(1, total + 1, 4):
        run = here / f"run-{number}"
        with counted(monkeypatch, stop_at=number) as seen:
            stopped = call(*line, f"hydra.run.dir={run}")
            assert stopped.code == 143, stopped.err
            assert seen[0] == number, "the evaluation went on"
        with counted(monkeypatch):
            resumed = call(f"resume={run}")
            assert resumed.code == 0, resumed.err
        if has_val:
            assert_same(run, here / "whole")
        assert_same_checkpoints(run, here / "whole")


@pytest.mark.slow
def test_an_epoch_evaluated_after_a_stop_has_one_row_whatever_comes_then(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint stands before the row: one that goes on from there twice writes it once."""
    line = [word for word in LINE if not word.startswith("checkpoint")]
    with counted(monkeypatch):
        assert call(*line, "hydra.run.dir=whole").code == 0
    with counted(monkeypatch, stop_at=2):
        assert call(*line, "hydra.run.dir=run").code == 143
    run = here / "run"
    assert not (run / "metrics.jsonl").exists()
    shutil.copytree(run / "checkpoints", here / "aside")
    for _ in range(2):  # the second time as if the first had been killed before it saved
        with counted(monkeypatch):
            assert call("resume=run").code == 0
        assert_same(run, here / "whole")
        shutil.rmtree(run / "checkpoints")
        shutil.copytree(here / "aside", run / "checkpoints")
        (run / "summary.json").unlink()


BETWEEN = """
import json, os, signal, time
from pathlib import Path
from trainer import evaluation

plain, seen = evaluation.while_undisturbed, [0]


def counting(run, batches):
    for batch in plain(run, (batch for batch in batches for _ in range(400))):
        seen[0] += 1
        if os.environ["RANK"] == os.environ["STOPPED"] and seen[0] == 3:
            os.kill(os.getpid(), signal.SIGUSR1)
        if "STOPPED" in os.environ and os.environ["STOPPED"] != "nobody":
            time.sleep(0.02)
        yield batch
    Path(f"seen-{os.environ['RANK']}").write_text(str(seen[0]))


evaluation.while_undisturbed = counting
"""


@pytest.mark.slow
def test_the_signal_of_one_process_ends_the_evaluation_of_all(here: Path) -> None:
    (here / "between.py").write_text(BETWEEN)
    line = (*LINE, "strategy=ddp", "plugins=[between]")
    path = f"{environment()['PYTHONPATH']}{os.pathsep}{here}"
    code, said = run_ranks((*line, "hydra.run.dir=whole"), here, PYTHONPATH=path, STOPPED="nobody")
    assert code == 0, said
    code, said = run_ranks((*line, "hydra.run.dir=run"), here, PYTHONPATH=path, STOPPED="1")
    assert code == 1, said  # torchrun's
    assert summary(here / "run")["exit_code"] == 138, said
    seen = [int((here / f"seen-{rank}").read_text()) for rank in (0, 1)]
    assert seen[1] == 3
    assert 3 < seen[0] < 400, "rank 0 hears of it within a second or two, before its end"
    code, said = run_ranks(
        ("resume=run", "plugins=[between]"), here, PYTHONPATH=path, STOPPED="nobody"
    )
    assert code == 0, said
    assert_same(here / "run", here / "whole")
    assert_same_checkpoints(here / "run", here / "whole")
