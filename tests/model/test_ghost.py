"""Ghost batches are normalised by themselves; to everything else they are BatchNorm."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.command import TINY, Call
from trainer.average._batch_norm import recompute
from trainer.core.errors import ConfigError
from trainer.model._ghost import GhostBatchNorm2d, batch_norm, check_ghosts, require_ghost_batch

LINE = (*(w for w in TINY if not w.startswith("model")), "model=cnn", "model.width=2")


def test_two_ghosts_of_two_numbers_worked_out_by_hand() -> None:
    norm = GhostBatchNorm2d(1, 2)
    out = norm(torch.tensor([0.0, 2.0, 10.0, 14.0]).view(4, 1, 1, 1))
    expected = torch.tensor([-1.0, 1.0, -1.0, 1.0])  # means 1 and 12, variances 1 and 4
    torch.testing.assert_close(out.flatten(), expected, rtol=1e-4, atol=0)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.item() == pytest.approx(0.9 * 0 + 0.1 * (1 + 12) / 2)
    assert norm.running_var.item() == pytest.approx(0.9 * 1 + 0.1 * (2 + 8) / 2)  # unbiased
    assert int(norm.num_batches_tracked) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(("num_images", "sizes"), [(12, [4, 4, 4]), (10, [4, 6]), (15, [4, 4, 7])])
def test_values_and_gradients_are_those_of_a_batch_norm_per_ghost(
    num_images: int, sizes: list[int]
) -> None:
    features = torch.randn(num_images, 3, 5, 4, dtype=torch.float64)
    ghosts, plain = GhostBatchNorm2d(3, 4).double(), nn.BatchNorm2d(3).double()
    for norm in (ghosts, plain):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, 0.5)
    ours, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
    out = ghosts(ours.contiguous(memory_format=torch.channels_last))
    expected = torch.cat([plain(part) for part in theirs.split(sizes)])
    torch.testing.assert_close(out, expected)
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(ghosts.weight.grad, plain.weight.grad)
    torch.testing.assert_close(ghosts.bias.grad, plain.bias.grad)
    # the running statistics move once, towards the mean over ghosts, by images
    means = torch.stack([part.mean((0, 2, 3)) for part in features.split(sizes)])
    shares = torch.tensor(sizes, dtype=torch.float64) / num_images
    torch.testing.assert_close(ghosts.running_mean, 0.1 * shares @ means)


@pytest.mark.parametrize("num_images", [2, 4, 7])
def test_a_batch_that_holds_one_ghost_is_a_whole_batch(num_images: int) -> None:
    features = torch.randn(num_images, 3, 2, 2)
    ghosts, plain = GhostBatchNorm2d(3, 4), nn.BatchNorm2d(3)
    assert torch.equal(ghosts(features), plain(features))
    for key, value in plain.state_dict().items():
        assert torch.equal(ghosts.state_dict()[key], value)


def test_evaluation_and_state_are_those_of_batch_norm() -> None:
    ghosts, plain = GhostBatchNorm2d(3, 2), nn.BatchNorm2d(3)
    assert isinstance(ghosts, _BatchNorm)
    for _ in range(3):
        ghosts(torch.randn(8, 3, 2, 2) * 2 + 1)
    plain.load_state_dict(ghosts.state_dict())
    features = torch.randn(8, 3, 2, 2)
    assert torch.equal(ghosts.eval()(features), plain.eval()(features))
    twin = copy.deepcopy(ghosts).train()
    assert torch.equal(twin(features), ghosts.train()(features))


def test_recomputed_statistics_are_those_of_all_images() -> None:
    model = nn.Sequential(GhostBatchNorm2d(2, 3))
    model(torch.randn(6, 2, 4, 4) + 5)  # statistics to forget
    batches = [torch.randn(7, 2, 4, 4) * 3 + 1, torch.randn(5, 2, 4, 4)]
    recompute(model, batches, model, lambda tensor: tensor.clone())
    everything = torch.cat(batches)
    norm = model[0]
    torch.testing.assert_close(norm.running_mean, everything.mean((0, 2, 3)))
    parts = [*batches[0].split([3, 4]), batches[1]]
    variances = torch.stack([part.transpose(0, 1).reshape(2, -1).var(1) for part in parts])
    shares = torch.tensor([3.0, 4.0, 5.0]) / 12
    torch.testing.assert_close(norm.running_var, shares @ variances)
    assert norm.momentum == 0.1


def test_float32_statistics_take_halves() -> None:
    features = torch.randn(6, 2, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = GhostBatchNorm2d(2, 3)(features.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), GhostBatchNorm2d(2, 3)(features), atol=0.05, rtol=0)


def test_null_is_batch_norm_and_bad_sizes_are_refused() -> None:
    assert type(batch_norm(3, None)) is nn.BatchNorm2d
    assert type(batch_norm(3, 2)) is GhostBatchNorm2d
    require_ghost_batch(None)
    with pytest.raises(ConfigError, match=r"model\.ghost_batch must be 2 or more, got 1"):
        require_ghost_batch(1)
    model = nn.Sequential(GhostBatchNorm2d(3, 8))
    check_ghosts(model, 16)
    with pytest.raises(ConfigError, match=r"model\.ghost_batch=8 must be at most half of the 15"):
        check_ghosts(model, 15)


@pytest.mark.slow
def test_ghosts_change_a_run_and_those_that_could_not_are_refused(call: Call, here: Path) -> None:
    hashes = []
    for number, overrides in enumerate(
        ([], ["model.ghost_batch=4", "average=swa", "swa.start=50%"])
    ):
        run = here / str(number)
        done = call(*LINE, *overrides, f"hydra.run.dir={run}")
        assert done.code == 0, done.err
        hashes.append(json.loads((run / "summary.json").read_text())["weights_sha256"])
    assert hashes[0] != hashes[1]
    refused = call(*LINE, "model.ghost_batch=8", "accumulate=2")
    assert refused.code == 2
    assert "model.ghost_batch=8 must be at most half of the 8 images" in refused.err
