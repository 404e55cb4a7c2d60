"""Number formats, clipping, and the one place where an optimizer steps."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.precision import Clip, Precision, resolve

CPU = torch.device("cpu")


def with_gradients(*values: float) -> list[nn.Parameter]:
    """One parameter for each value, and one that got no gradient."""
    parameters = [nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor([value], dtype=torch.float64)
    return [*parameters, nn.Parameter(torch.zeros(3, dtype=torch.float64))]


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[float]:
    return [float(p.grad) for p in parameters if p.grad is not None]


def test_auto_is_bf16_or_fp32_and_never_fails_here() -> None:
    assert resolve("auto", CPU) in ("bf16", "fp32")
    assert resolve("auto", torch.device("mps")) == "fp32"
    assert Precision("auto", CPU).name == resolve("auto", CPU)


@pytest.mark.parametrize(("has_avx512", "has_amx"), [(0, 0), (1, 0), (0, 1)])
def test_auto_is_bf16_where_the_processor_computes_in_it(monkeypatch, has_avx512, has_amx) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(has_avx512))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(has_amx))
    assert resolve("auto", CPU) == ("bf16" if has_avx512 or has_amx else "fp32")


@pytest.mark.parametrize("supported", [True, False])
def test_auto_on_a_gpu_is_bf16_where_it_is_not_emulated(monkeypatch, supported: bool) -> None:
    def answer(including_emulation: bool) -> bool:
        assert not including_emulation
        return supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", answer)
    assert resolve("auto", torch.device("cuda")) == ("bf16" if supported else "fp32")


@pytest.mark.parametrize("name", ["fp32", "fp64", "bf16"])
def test_a_name_means_itself(name: str) -> None:
    assert resolve(name, CPU) == name


@pytest.mark.parametrize(
    ("name", "weights", "output"),
    [
        ("fp32", torch.float32, torch.float32),
        ("fp64", torch.float64, torch.float64),
        ("bf16", torch.float32, torch.bfloat16),
    ],
)
def test_weights_gradients_and_outputs_have_the_formats_of_the_name(name, weights, output) -> None:
    precision = Precision(name, CPU)
    assert precision.dtype == weights
    model = nn.Linear(4, 3).to(precision.dtype)
    with precision.autocast():
        out = model(torch.ones(2, 4, dtype=precision.dtype))
    assert out.dtype == output
    precision.backward(out.float().sum())
    assert model.weight.grad is not None
    assert model.weight.grad.dtype == weights
    assert not precision.scales_loss


def test_outside_the_context_nothing_is_cast() -> None:
    Precision("bf16", CPU).autocast()
    assert nn.Linear(4, 3)(torch.ones(2, 4)).dtype == torch.float32


def test_clip_by_norm_by_hand() -> None:
    parameters = with_gradients(3.0, 4.0)
    norm = Clip(norm=1.0)(parameters, measure=False)
    assert float(norm) == 5.0
    assert gradients_of(parameters) == pytest.approx([0.6, 0.8], rel=1e-5)


def test_clip_by_value_by_hand() -> None:
    parameters = with_gradients(3.0, -4.0, 0.5)
    assert Clip(value=1.0)(parameters, measure=False) is None
    assert gradients_of(parameters) == [1.0, -1.0, 0.5]


def test_norm_first_then_value() -> None:
    parameters = with_gradients(30.0, 40.0)
    Clip(norm=5.0, value=3.5)(parameters, measure=False)
    assert gradients_of(parameters) == pytest.approx([3.0, 3.5], rel=1e-5)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.floats(0.01, 100))
def test_clipping_agrees_with_torch(values: list[float], bound: float) -> None:
    mine, theirs = with_gradients(*values), with_gradients(*values)
    norm = Clip(norm=bound)(iter(mine), measure=False)
    expected = nn.utils.clip_grad_norm_(theirs, bound)
    assert float(norm) == float(expected)
    assert gradients_of(mine) == gradients_of(theirs)
    assert sum(g * g for g in gradients_of(mine)) ** 0.5 <= bound * (1 + 1e-9)
    mine, theirs = with_gradients(*values), with_gradients(*values)
    Clip(value=bound)(iter(mine), measure=True)
    nn.utils.clip_grad_value_(theirs, bound)
    assert gradients_of(mine) == gradients_of(theirs)


def test_no_clipping_measures_only_when_asked_and_changes_nothing() -> None:
    parameters = with_gradients(3.0, 4.0)
    assert Clip()(parameters, measure=False) is None
    assert float(Clip()(parameters, measure=True)) == 5.0
    assert gradients_of(parameters) == [3.0, 4.0]


class Recorder(torch.optim.SGD):
    """Notes when it steps."""

    def __init__(self, parameters: Iterable[nn.Parameter], events: list[str]) -> None:
        super().__init__(parameters, lr=0.1)
        self.events = events

    def step(self, closure=None) -> None:
        self.events.append("step")
        super().step(closure)


@pytest.mark.parametrize("name", ["fp32", "fp64", "bf16"])
@pytest.mark.parametrize("micro_batches", [1, 3])
@pytest.mark.parametrize("clip", [Clip(), Clip(norm=0.1), Clip(value=0.01)])
def test_a_step_is_gradients_then_clip_then_one_optimizer_step(name, micro_batches, clip) -> None:
    precision, events = Precision(name, CPU), []
    torch.manual_seed(0)
    model = nn.Linear(4, 2).to(precision.dtype)
    images = torch.randn(6, 4, dtype=precision.dtype)
    reference = copy.deepcopy(model)
    optimizer = Recorder(model.parameters(), events)
    next(model.parameters()).grad = torch.full_like(next(model.parameters()), 1e6)  # stale

    def gradients() -> None:
        events.append("gradients")
        for part in images.chunk(micro_batches):
            with precision.autocast():
                loss = model(part).float().square().mean() / micro_batches
            precision.backward(loss)

    def clipped(parameters: Iterable[nn.Parameter]) -> None:
        events.append("clip")
        clip(parameters, measure=False)

    assert precision.step(optimizer, gradients, clipped)
    assert events == ["gradients", "clip", "step"]

    with precision.autocast():
        reference(images).float().square().mean().backward()
    if clip.norm is not None:
        nn.utils.clip_grad_norm_(reference.parameters(), clip.norm)
    if clip.value is not None:
        nn.utils.clip_grad_value_(reference.parameters(), clip.value)
    tolerance = 2e-3 if name == "bf16" else 1e-6
    for moved, still in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(moved, still - 0.1 * still.grad, rtol=tolerance, atol=tolerance)


def test_every_group_is_clipped_together() -> None:
    one, two = with_gradients(3.0)[0], with_gradients(4.0)[0]
    gradients = [one.grad, two.grad]
    optimizer = torch.optim.SGD([{"params": [one]}, {"params": [two]}], lr=1.0)

    def restore() -> None:
        one.grad, two.grad = gradients

    Precision("fp64", CPU).step(optimizer, restore, lambda p: Clip(norm=1.0)(p, measure=False))
    assert [one.item(), two.item()] == pytest.approx([-0.6, -0.8], rel=1e-5)
