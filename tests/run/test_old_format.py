"""A run of an older version: its state is refused in one line, its record and weights are read."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call, snapshot
from trainer.checkpoint import format as checkpoint
from trainer.record.runs import read_run


def make_old(folder: Path) -> None:
    """Write a checkpoint as version 0.9 did: format 1, the groups' schedules under `courses`."""
    manifest = json.loads((folder / "manifest.json").read_text())
    state = torch.load(folder / "state.pt", weights_only=True)
    state["courses"] = state.pop("group_schedules")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    (folder / "state.pt").write_bytes(content)
    sums = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["format"], manifest["files"]["state.pt"] = 1, sums
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def old(call: Call, here: Path) -> Path:
    """A run of an older version."""
    done = call(*TINY, "average=ema", "checkpoint.every=1ep", "hydra.run.dir=old")
    assert done.code == 0, done.err
    for folder in checkpoint.folders(here / "old" / "checkpoints"):
        make_old(folder)
    return here / "old"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["resume=old", "fork=old"])
def test_its_state_is_refused_in_one_line(call: Call, here: Path, old: Path, part: str) -> None:
    (old / "summary.json").unlink()
    (old / "run.log").unlink()
    before = snapshot(here)
    refused = call(part, *(() if part.startswith("resume") else (*TINY, "epochs=3")))
    assert refused.code == 4, refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert "older version" in refused.err
    assert f"repeat={old}" in refused.err
    assert f"init_from={old}" in refused.err
    (old / "run.log").unlink(missing_ok=True)  # it tells what was tried
    assert snapshot(here) == before


@pytest.mark.slow
def test_its_record_and_weights_are_read(call: Call, old: Path) -> None:
    row = read_run(old)
    assert row.status == "completed"
    assert len(row.epochs) == 2
    finished = call("resume=old")
    assert finished.code == 0, finished.err
    repeated = call("repeat=old", "hydra.run.dir=again")
    assert repeated.code == 0, repeated.err
    assert read_run(old.parent / "again").summary["weights_sha256"] == row.summary["weights_sha256"]
    for which in ("old", "old@average", "old@best"):
        started = call(*TINY, f"init_from={which}", "max_steps=1")
        assert started.code == 0, started.err
    taught = call(*TINY, "loss=distill", "loss.teacher=old", "max_steps=1")
    assert taught.code == 0, taught.err
