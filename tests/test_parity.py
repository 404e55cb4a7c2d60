"""Several processes give one process's weights, over every schedule and optimizer; the options of
ddp do what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.warm import Warm
from trainer.optim.base import OPTIMIZERS
from trainer.scheduler.base import SCHEDULERS


def found(warm: Warm, place: Path, processes: int) -> dict[str, Any]:
    """Return what tests/ranks.py found."""
    out = place / "found.json"
    words = ["--standalone", f"--nproc-per-node={processes}", "-m", "tests.ranks", str(out)]
    process = warm.torchrun(words, place)
    _, err = process.communicate()
    assert process.wait() == 0, err[-3000:]
    result: dict[str, Any] = json.loads(out.read_text())
    assert result["world_size"] == processes
    return result


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_every_schedule_and_optimizer_gives_one_process_s_weights(
    processes: int, warm: Warm, here: Path
) -> None:
    result = found(warm, here, processes)
    overrides = " ".join(result["apart"])
    for name in SCHEDULERS.names():
        assert f"scheduler={name} " in overrides
    for name in OPTIMIZERS.names():
        assert f"optim={name}" in overrides
    assert {k: v for k, v in result["apart"].items() if not v < 1e-10} == {}
    assert max(result["apart"].values()) > 0  # two sums in another order: it did run twice
    if processes == 2:
        check_options(result["options"])


def check_options(told: dict[str, Any]) -> None:
    assert told["is_view"]
    assert not told["is_view_without"]
    assert told["same_without"]
    assert 1e-6 < told["bf16"] < 1e-1  # 8 bits of mantissa
    assert 1e-8 < told["fp16"] < told["bf16"]
    assert told["static"]
    assert told["static_distance"] < 1e-10
    assert told["without_sync"] == [1, 1, 1]  # once a step, not once a micro-batch
