"""Number formats, and the one place where an optimizer steps."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from trainer.clip import Clip
from trainer.precision import Precision, resolve

CPU = torch.device("cpu")


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
