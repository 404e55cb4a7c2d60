"""Float16 networks: what is cast, what is shared, and where master weights are."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from tests.command import TINY
from trainer.api import compose
from trainer.core.environment import World
from trainer.loop import fit
from trainer.precision.formats import LossScale
from trainer.precision.half_copy import HalfCopy, cast_inputs_and_logits
from trainer.precision.step import Precision
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run

CPU = torch.device("cpu")


class Noise(nn.Module):
    """Adds a running mean of its own: a module with a buffer that is not BatchNorm's."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4, 1, 1))
        self.mean: torch.Tensor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean.lerp_(images.detach().mean((0, 2, 3), keepdim=True)[0], 0.5)
        return images + self.mean


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), Noise(), nn.ReLU()
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def images_of(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def no_clip(parameters: Iterable[nn.Parameter]) -> None:
    """Bound nothing."""


def test_the_copy_is_half_but_for_batch_norm_which_is_the_model_s_own() -> None:
    model = network()
    net = HalfCopy(model).net
    types = {name: p.dtype for name, p in net.named_parameters()}
    half, single = torch.float16, torch.float32
    assert types == {
        "0.weight": half,
        "1.weight": single,
        "1.bias": single,
        "6.weight": half,
        "6.bias": half,
    }
    assert net[1] is model[1]
    assert net[0] is not model[0]
    assert all(p.dtype == single for p in model.parameters())
    assert {n: b.dtype for n, b in net.named_buffers() if "2." in n} == {"2.mean": half}


def test_activations_are_half_and_images_and_logits_float32_even_under_autocast() -> None:
    model, seen = network(), {}
    halves = HalfCopy(model)
    for name, module in halves.net.named_children():

        def note(module: nn.Module, inputs: object, output: torch.Tensor, name=name) -> None:
            seen[name] = output.dtype

        module.register_forward_hook(note)
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            logits = halves(images_of())
        assert set(seen.values()) == {torch.float16}
        assert logits.dtype == torch.float32


def test_the_masters_get_float32_gradients_and_move_what_half_cannot() -> None:
    """A weight of 1 and steps of 1e-4: half has no number between 1 and 1.00098."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    precision = Precision("O2", CPU, LossScale(1024.0))
    halves = precision.prepare_for_training(model)
    assert isinstance(halves, HalfCopy)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.5)

    def gradients() -> None:
        precision.backward(-halves(torch.ones(1, 1)).sum())

    assert precision.step(optimizer, gradients, no_clip)
    assert model.weight.grad is not None
    assert model.weight.grad.dtype == torch.float32
    assert float(model.weight.grad) == -1.0
    (state,) = optimizer.state.values()
    assert state["momentum_buffer"].dtype == torch.float32
    assert model.weight.item() == pytest.approx(1.0001, abs=1e-7)
    for _ in range(5):
        assert precision.step(optimizer, gradients, no_clip)
    assert model.weight.item() == pytest.approx(1.00100, abs=3e-5)
    assert precision.step(optimizer, gradients, no_clip)
    assert halves.net.weight.item() == pytest.approx(1.000977, abs=1e-6)  # rounded, not lost


def test_o2_is_sgd_on_masters_with_the_gradient_of_the_rounded_weights() -> None:
    """Three steps against their transcription, accumulation included."""
    model, precision = network(), Precision("O2", CPU, LossScale(256.0))
    reference = copy.deepcopy(model)
    halves = precision.prepare_for_training(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):

        def gradients() -> None:
            for part in images_of().chunk(2):
                precision.backward(halves(part).square().mean())

        assert precision.step(optimizer, gradients, no_clip)
        net = copy.deepcopy(reference)
        for place in (0, 2, 6):
            net[place].half()
        for part in images_of().chunk(2):
            (256.0 * net(part.half()).float().square().mean()).backward()
        with torch.no_grad():
            for master, half in zip(reference.parameters(), net.parameters(), strict=True):
                master -= 0.5 * (half.grad.float() / 256.0)
            for buffer, moved in zip(reference.buffers(), net.buffers(), strict=True):
                buffer.copy_(moved)
    for (name, one), two in zip(
        model.state_dict().items(), reference.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=0, atol=0, msg=name)


def test_weights_that_others_move_reach_the_copy() -> None:
    model, precision = nn.Linear(1, 1, bias=False), Precision("O2", CPU)
    halves = precision.prepare_for_training(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with torch.no_grad():
        model.weight.fill_(3.0)
    seen = []
    precision.step(
        optimizer,
        lambda: precision.backward(
            seen.append(halves.net.weight.item()) or halves(torch.ones(1, 1)).sum()
        ),
        no_clip,
    )
    assert seen == [3.0]


def test_frozen_masters_get_no_gradient() -> None:
    model, precision = network(), Precision("O2", CPU)
    halves = precision.prepare_for_training(model)
    model[6].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    precision.step(optimizer, lambda: precision.backward(halves(images_of()).sum()), no_clip)
    assert model[6].weight.grad is None
    assert model[6].bias.grad is not None


def test_evaluation_by_autocast_is_the_half_network_bit_for_bit() -> None:
    model, precision = network(), Precision("O2", CPU)
    del model[2]  # its float32 buffer would widen what autocast computes
    halves = precision.prepare_for_training(model)
    for _ in range(2):
        halves(images_of())  # statistics, shared with the model
    precision.pairs.copy_to_masters()
    model.eval()
    halves.eval()
    with torch.inference_mode(), precision.autocast():
        assert torch.equal(model(images_of()).float(), halves(images_of()))


def test_a_model_of_halves_casts_at_its_border_and_so_do_its_copies() -> None:
    model = network().half()
    cast_inputs_and_logits(model)
    names = set(model.state_dict())
    assert names == set(network().state_dict())
    for one in (model, copy.deepcopy(model)):
        assert one(images_of()).dtype == torch.float32
        assert all(p.dtype == torch.float16 for p in one.parameters())
    wide = copy.deepcopy(model).float()
    torch.testing.assert_close(wide(images_of()), model(images_of()), rtol=0.02, atol=0.02)


def made(*overrides: str) -> Run:
    config = compose(*TINY, *overrides)
    return assemble(config, *prepare(config, World()))[0]


def state_types(run: Run) -> set[torch.dtype]:
    states = run.optimizer.state_dict()["state"].values()
    return {t.dtype for state in states for t in state.values() if torch.is_tensor(t) and t.dim()}


@pytest.mark.slow
@pytest.mark.parametrize("optim", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("name", "weights", "network_types"),
    [
        ("O0", torch.float32, {torch.float32}),
        ("O1", torch.float32, {torch.float32}),
        ("O2", torch.float32, {torch.float16, torch.float32}),
        ("O3", torch.float16, {torch.float16}),
    ],
)
def test_where_each_level_keeps_weights_and_the_optimizer_s_state(
    optim: str, name: str, weights: torch.dtype, network_types: set[torch.dtype]
) -> None:
    overrides = ("optim.momentum=0.9",) if optim == "sgd" else ("optim.eps=1e-4",)
    run = made(f"precision={name}", f"optim={optim}", "epochs=1", *overrides)
    list(fit(run))
    assert {p.dtype for p in run.model.parameters()} == {weights}
    assert state_types(run) == {weights}
    assert {p.dtype for p in run.parallel.parameters()} == network_types
    assert (run.precision.loss_scale is not None) == (name in ("O1", "O2"))
    for other in run.state.meter.losses, run.normalize.mean:
        assert other.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize(("level", "name"), [("O0", "fp32"), ("O1", "fp16")])
def test_two_levels_are_other_names_bit_for_bit(level: str, name: str) -> None:
    ends = []
    for precision in (level, name):
        run = made(f"precision={precision}", "epochs=1")
        list(fit(run))
        ends.append(run.model.state_dict())
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())


@pytest.mark.parametrize("name", ["O1", "O2", "O3"])
@pytest.mark.slow
def test_every_level_trains_with_convolutions_averages_mixing_and_clipping(name: str) -> None:
    overrides = ["model=cnn", "model.width=4", "mix=mixup", "average=ema", "average.start=0ep"]
    overrides += ["clip_norm=1.0", "accumulate=2", "optim.lr=0.02"]
    ends = {}
    kept = [word for word in TINY if not word.startswith("model")]
    for precision in ("fp32", name):
        config = compose(*kept, *overrides, f"precision={precision}")
        run = assemble(config, *prepare(config, World()))[0]
        ends[precision] = list(fit(run))[-1]
    for field in ("loss", "grad_norm"):
        one, two = (getattr(ends[p].train, field) for p in ("fp32", name))
        assert two == pytest.approx(one, rel=0.02), field
    assert ends[name].avg_val.loss == pytest.approx(ends["fp32"].avg_val.loss, rel=0.02)
    assert ends[name].val.loss == pytest.approx(ends["fp32"].val.loss, rel=0.02)
