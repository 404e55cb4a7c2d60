"""`strategy.sync_batch_norm=true`: torch's SyncBatchNorm, which has no CPU version. What needs a
GPU is marked `gpu` and was not run on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.command import Call, environment
from trainer.core.errors import ConfigError
from trainer.model._ghost import GhostBatchNorm2d
from trainer.strategy.ddp import with_sync_batch_norm

WORDS = (
    *("data=synthetic", "data.num_train=90", "data.num_test=10", "data.image_shape=[1,6,6]"),
    *("model=mlp", "model.hidden=[6]", "model.norm=batch", "batch_size=16", "max_steps=20"),
    *("precision=fp64", "device=cuda:0", "threads=1"),
)


def test_the_model_stays_as_it_is_and_shares_everything() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.1))
    model.eval()
    synced = with_sync_batch_norm(model)
    assert type(model[1]) is nn.BatchNorm2d
    assert isinstance(synced, nn.Sequential)
    assert type(synced[1]) is nn.SyncBatchNorm
    assert [id(p) for p in synced.parameters()] == [id(p) for p in model.parameters()]
    assert [id(b) for b in synced.buffers()] == [id(b) for b in model.buffers()]
    assert len(list(model.buffers())) == 3
    assert all(m.training for m in synced.modules())
    assert not model.training


@pytest.mark.parametrize(
    ("model", "named"),
    [(nn.Linear(1, 1), "no BatchNorm"), (GhostBatchNorm2d(2, 4), "GhostBatchNorm2d")],
)
def test_a_model_it_would_not_change_or_would_undo_is_refused(model: nn.Module, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        with_sync_batch_norm(nn.Sequential(model))


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_two_processes_with_batch_norm_equal_one(here: Path, call: Call) -> None:
    """On one GPU, over gloo: NCCL takes one process per GPU."""
    assert call(*WORDS, "hydra.run.dir=one").code == 0
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    synced = ("strategy=ddp", "strategy.sync_batch_norm=true", "hydra.run.dir=both")
    done = subprocess.run(
        [*line, "-m", "trainer", *WORDS, *synced],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    newest = [max((here / run / "checkpoints").iterdir()) for run in ("one", "both")]
    one, both = (safetensors.torch.load_file(step / "model.safetensors") for step in newest)
    assert set(one) == set(both)
    for name, tensor in one.items():
        assert (tensor - both[name]).abs().max() < 1e-10, name
