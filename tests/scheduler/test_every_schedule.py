"""Each schedule in whole runs: what the record says is what the closed form says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import TINY, Call
from trainer import compose
from trainer.core.clock import Clock
from trainer.scheduler.base import SCHEDULERS, Schedule

ARGS = {"torch": ("scheduler.lr_scheduler=PolynomialLR", "scheduler.args={total_iters:8}")}


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS.names())
def test_three_steps_run_and_the_last_lr_is_recorded(name: str, call: Call, here: Path) -> None:
    overrides = (*TINY, f"scheduler={name}", *ARGS.get(name, ()), "max_steps=3")
    done = call(*overrides, "hydra.run.dir=run")
    assert done.code == 0, done.err
    config = compose(*overrides)
    made = Schedule(config.scheduler, peak=config.optim.shared.lr, total=3, steps_per_epoch=4)
    (row,) = rows(here / "run")
    point = made(Clock(2, 3, 4))
    assert row["lr"] == pytest.approx(config.optim.shared.lr * point.lr_scale, rel=1e-12)
    assert row["momentum"] == (0.9 if point.momentum is None else pytest.approx(point.momentum))


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "accumulate"), [(16, 1), (16, 2), (28, 4), (58, 1)])
def test_the_last_step_is_one_before_the_end_value(batch_size, accumulate, call, here) -> None:
    overrides = (*TINY, f"batch_size={batch_size}", f"accumulate={accumulate}", "optim.lr=0.4")
    done = call(*overrides, "scheduler=polynomial", "scheduler.min_lr=25%", "hydra.run.dir=run")
    assert done.code == 0, done.err
    first, last = rows(here / "run")
    total = last["step"]
    assert first["step"] * 2 == total
    for row in (first, last):
        expected = 0.1 + 0.3 * (1 - (row["step"] - 1) / total)
        assert row["lr"] == pytest.approx(expected, rel=1e-12)
