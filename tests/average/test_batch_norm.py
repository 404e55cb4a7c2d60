"""BatchNorm statistics of averaged weights: the image-weighted mean over clean batches."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from trainer.average._batch_norm import recompute


def network(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(4, 3, 2),
        nn.BatchNorm2d(3),
    )


def batches_of(*sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, 2, 5, 5, generator=generator) * (i + 1) for i, n in enumerate(sizes)]


def statistics(model: nn.Module) -> list[torch.Tensor]:
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return [s for m in norms for s in (m.running_mean.clone(), m.running_var.clone())]


def run(model: nn.Module, batches: list[torch.Tensor], total=torch.clone) -> list[torch.Tensor]:
    recompute(model, iter(batches), model, total)
    return statistics(model)


def test_one_layer_by_hand() -> None:
    norm = nn.BatchNorm1d(1)
    # means 2 and 10, variances (divided by n - 1) 2 and 0; two images weigh 2, three weigh 3
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[10.0], [10.0], [10.0]])]
    recompute(norm, batches, norm, torch.clone)
    assert float(norm.running_mean) == pytest.approx((2 * 2 + 3 * 10) / 5)
    assert float(norm.running_var) == pytest.approx((2 * 2 + 3 * 0) / 5)


def test_equal_batches_agree_with_torch() -> None:
    model, batches = network(), batches_of(6, 6, 6, 6)
    oracle = copy.deepcopy(model)
    torch.optim.swa_utils.update_bn(batches, oracle)
    for mine, theirs in zip(run(model, batches), statistics(oracle), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_unequal_batches_are_weighted_by_their_images() -> None:
    model, batches = network(), batches_of(7, 3, 2)
    conv = model[0]
    maps = [conv(images).detach().double().transpose(0, 1).flatten(1).numpy() for images in batches]
    weights = [7 / 12, 3 / 12, 2 / 12]
    mean = sum(w * m.mean(1) for w, m in zip(weights, maps, strict=True))
    var = sum(w * m.var(1, ddof=1) for w, m in zip(weights, maps, strict=True))
    got = run(model, batches)
    np.testing.assert_allclose(got[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], var, rtol=1e-5, atol=1e-6)


def test_statistics_from_before_leave_no_trace() -> None:
    fresh, used, batches = network(), network(), batches_of(4, 4)
    used.train()(torch.randn(5, 2, 5, 5) * 50)
    for a, b in zip(run(fresh, batches), run(used, batches), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(run(fresh, batches), statistics(used), strict=True):  # nor does a first pass
        assert torch.equal(a, b)


def test_momenta_modes_and_weights_stay() -> None:
    model = network()
    weights = [p.clone() for p in model.parameters()]
    run(model.train(), batches_of(4, 4))
    assert [m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [0.3, 0.1]
    assert not any(m.training for m in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())
    names = {name for name, _ in model.named_buffers()}  # still registered, so they are saved
    assert {"1.running_mean", "1.running_var", "5.running_mean", "5.running_var"} <= names


def test_dropout_is_off_and_the_global_generator_does_not_move() -> None:
    before = torch.get_rng_state()
    model = network(dropout=0.9)
    torch.set_rng_state(before)
    with_dropout = run(model, batches_of(6, 6))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(with_dropout, run(network(), batches_of(6, 6)), strict=True):
        assert torch.equal(a, b)


def test_no_gradient_is_recorded() -> None:
    model, seen = network(), []
    recompute(model, batches_of(4), lambda images: seen.append(model(images)), torch.clone)
    assert [out.requires_grad for out in seen] == [False]


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), nn.Dropout(0.5)),
        nn.BatchNorm2d(2, track_running_stats=False),
    ],
)
def test_a_network_without_statistics_costs_not_one_batch(model: nn.Module) -> None:
    def no_batches():
        pytest.fail("a batch was asked for")
        yield torch.zeros(0)

    before = copy.deepcopy(model.state_dict())
    recompute(model, no_batches(), model, torch.clone)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_batches_dealt_to_several_processes_give_what_one_gives(parts: int) -> None:
    batches = batches_of(6, 6, 6, 2)  # five processes: one of them has none
    expected = run(network(), batches)
    records: list[list[torch.Tensor]] = []
    for rank in range(parts):  # the tensors that each process brings to each sum, in order
        record: list[torch.Tensor] = []

        def keep(tensor: torch.Tensor, record: list[torch.Tensor] = record) -> torch.Tensor:
            record.append(tensor.clone())
            return torch.ones_like(tensor)

        run(network(), batches[rank::parts], keep)
        records.append(record)
    sums = iter([torch.stack(same).sum(0) for same in zip(*records, strict=True)])
    got = run(network(), batches[0::parts], lambda tensor: next(sums))
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


def test_double_precision_is_kept() -> None:
    model = network().double()
    got = run(model, [images.double() for images in batches_of(6, 6)])
    assert all(s.dtype == torch.float64 for s in got)
