"""BatchNorm over all processes; with one process it must be BatchNorm."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn

from trainer.core.errors import ConfigError
from trainer.model._ghost import GhostBatchNorm2d
from trainer.strategy.sync_batch_norm import SyncedNorm, with_synced_norms


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum over one process is the tensor itself; tests/test_parity.py has two."""
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: None)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 5)])
def test_one_process_gives_batch_norm(
    affine: bool, momentum: float | None, shape: tuple[int, ...]
) -> None:
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    norm = kind(3, affine=affine, momentum=momentum, dtype=torch.float64)
    model = nn.Sequential(norm)
    other = copy.deepcopy(model)
    synced = with_synced_norms(other)
    assert isinstance(synced[0], SyncedNorm)  # type: ignore[index]
    for seed in range(3):
        torch.manual_seed(seed)
        features = torch.randn(shape, dtype=torch.float64) * 3 + 5
        ours, theirs = (features.clone().requires_grad_() for _ in range(2))
        weights = torch.randn(shape, dtype=torch.float64)
        ours_out, theirs_out = synced(ours), model(theirs)
        torch.testing.assert_close(ours_out, theirs_out)
        for out in (ours_out, theirs_out):
            (out * weights).sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
    # the model itself holds what the copy moved
    for mine, wanted in zip(other.state_dict().values(), model.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, wanted)
    for p, q in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_the_model_stays_as_it_is_and_shares_everything() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.1))
    model.eval()
    synced = with_synced_norms(model)
    assert type(model[1]) is nn.BatchNorm2d
    assert {id(p) for p in synced.parameters()} == {id(p) for p in model.parameters()}
    assert {id(b) for b in synced.buffers()} == {id(b) for b in model.buffers()}
    assert all(m.training for m in synced.modules())


def test_half_precision_is_summed_in_float32() -> None:
    norm = nn.BatchNorm1d(1)
    synced = with_synced_norms(nn.Sequential(norm))
    out = synced(torch.full((4096, 1), 100.0, dtype=torch.float16))
    assert out.dtype == torch.float16
    assert float(norm.running_mean) == pytest.approx(10.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "named"),
    [(nn.Linear(1, 1), "no BatchNorm"), (GhostBatchNorm2d(2, 4), "GhostBatchNorm2d")],
)
def test_a_model_it_would_not_change_or_would_undo_is_refused(model: nn.Module, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        with_synced_norms(nn.Sequential(model))
