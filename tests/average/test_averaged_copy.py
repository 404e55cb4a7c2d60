"""The averaged copy: float32 sums for parameters that are halves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.average._averaged_copy import Shadow
from trainer.average._batch_norm import recompute
from trainer.average.base import SnapshotPlan
from trainer.core.clock import Clock


def averaged_half(dtype: torch.dtype, stop: int | None = None) -> torch.Tensor:
    """The average of a weight that jumps from 1 to 2, followed with a share of a thousandth."""
    model = nn.Linear(1, 1, bias=False).to(dtype)
    shadow = Shadow(model, SnapshotPlan(0, 1), lambda count: 0.001)
    for step in range(1, 101):
        nn.init.constant_(model.weight, 1.0 if step == 1 else 2.0)
        shadow.update(model, Clock(step, 100, 10))
        if step == stop:
            kept = shadow.eval_model()
            assert kept is not None
            again = Shadow(model, SnapshotPlan(0, 1), lambda count: 0.001)
            weights = {k: v.clone() for k, v in kept.state_dict().items()}
            again.load_state_dict(shadow.state_dict(), weights)
            shadow = again
    result = shadow.eval_model()
    assert result is not None
    weight = next(result.parameters())
    assert weight.dtype == dtype
    return weight.detach().clone()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_small_shares_do_not_round_to_nothing(dtype: torch.dtype) -> None:
    expected = 2 - 0.999**99  # 1.0943; in bfloat16 1 + 0.001 is 1
    assert float(averaged_half(dtype)) == pytest.approx(expected, rel=4e-3)
    assert expected > 1.09


def test_sums_survive_a_checkpoint_bit_for_bit() -> None:
    straight = averaged_half(torch.bfloat16)
    assert torch.equal(averaged_half(torch.bfloat16, stop=50), straight)


def test_statistics_of_many_images_do_not_overflow_a_half() -> None:
    norm = nn.BatchNorm1d(1).half()
    batches = [torch.full((500, 1), 1000.0).half() + torch.arange(500)[:, None].half()]
    recompute(norm, batches, norm, torch.clone)  # 500 * 1249 is above 65,504
    assert float(norm.running_mean) == pytest.approx(1249.5, rel=1e-3)
    assert norm.running_mean.dtype == torch.float16
