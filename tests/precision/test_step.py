"""Number formats, and the one place where an optimizer steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn

from trainer.core.errors import Diverged
from trainer.optim._clip import Clip
from trainer.precision.formats import LossScale, PrecisionChoice, has_bf16
from trainer.precision.step import Precision, build_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_that_emulates_bf16_is_not_asked_how_fast_it_is(monkeypatch, supported: bool) -> None:
    def answer(including_emulation: bool) -> bool:
        assert not including_emulation
        return supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", answer)
    assert has_bf16(torch.device("cuda")) is supported


@pytest.mark.parametrize(
    ("name", "weights", "output"),
    [
        ("fp32", torch.float32, torch.float32),
        ("fp64", torch.float64, torch.float64),
        ("bf16", torch.float32, torch.bfloat16),
        ("fp16", torch.float32, torch.float16),
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
    assert precision.scales_loss == (name == "fp16")
    assert precision.loss_scale == (65536.0 if name == "fp16" else None)


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


@pytest.mark.parametrize("name", ["fp32", "fp64", "bf16", "fp16"])
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
    tolerance = 2e-3 if name in ("bf16", "fp16") else 1e-6
    for moved, still in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(moved, still - 0.1 * still.grad, rtol=tolerance, atol=tolerance)


def no_clip(parameters: Iterable[nn.Parameter]) -> None:
    """Bound nothing."""


def scaled(scale: float, interval: int = 2000) -> Precision:
    return Precision("fp16", CPU, LossScale(scale, interval))


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "fused_sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "fused_adam": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
}


class Toy:
    """A few weights whose gradient is the factor times the step's number."""

    def __init__(self, kind: str, precision: Precision) -> None:
        self.weights = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
        self.optimizer = OPTIMIZERS[kind]([self.weights])
        self.precision = precision
        self.norms: list[float] = []

    def step(self, number: float) -> bool:
        def clip(parameters: Iterable[nn.Parameter]) -> None:
            self.norms.append(float(nn.utils.get_total_norm([p.grad for p in parameters])))

        return self.precision.step(
            self.optimizer,
            lambda: self.precision.backward((self.weights * number).sum()),
            clip,
        )

    def all(self) -> dict[str, Any]:
        """Return weights and the optimizer's state, copied."""
        return copy.deepcopy(
            {"weights": self.weights.detach(), **self.optimizer.state_dict()["state"]}
        )


def assert_same(one: Any, two: Any) -> None:
    assert str(one) == str(two)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("bad", [float("inf"), float("nan"), 3e38])
@pytest.mark.parametrize("good_before", [0, 2])
def test_an_overflow_skips_the_step_halves_the_scale_and_moves_nothing(
    kind: str, bad: float, good_before: int
) -> None:
    toy, plain = Toy(kind, scaled(1024.0)), Toy(kind, Precision("fp32", CPU))
    for number in range(1, good_before + 1):
        assert toy.step(number)
        assert plain.step(number)
    before, clipped = toy.all(), len(toy.norms)
    assert not toy.step(bad)
    assert_same(toy.all(), before)
    assert toy.precision.loss_scale == 512.0
    assert len(toy.norms) == clipped  # what is not finite is not clipped, nor measured
    for number in (5.0, 7.0):  # as if it had not been
        assert toy.step(number)
        assert plain.step(number)
    assert_same(toy.all(), plain.all())
    assert toy.norms == plain.norms  # unscaled before they are clipped


def test_the_scale_doubles_after_so_many_steps_without_a_skip() -> None:
    toy, scales = Toy("sgd", scaled(8.0, interval=3)), []
    for number in (1, 1, 1, float("inf"), 1, 1, 1, 1):
        toy.step(number)
        scales.append(toy.precision.loss_scale)
    assert scales == [8, 8, 16, 8, 8, 8, 16, 16]


def test_skipping_is_endless_once_the_scale_is_below_one() -> None:
    toy = Toy("sgd", scaled(4.0))
    for _ in range(2):
        assert not toy.step(float("nan"))
        toy.precision.check_scale(7)
    assert toy.precision.loss_scale == 1.0
    assert not toy.step(float("nan"))
    with pytest.raises(Diverged, match=r"step 9 is not finite at any loss scale.* 0\.5") as caught:
        toy.precision.check_scale(9)
    assert (caught.value.step, caught.value.exit_code) == (9, 3)


def test_the_scale_goes_on_from_a_checkpoint() -> None:
    toy = Toy("sgd", scaled(64.0, interval=4))
    for number in (1, float("inf"), 1, 1):
        toy.step(number)
    other = Toy("sgd", scaled(64.0, interval=4))
    other.precision.load_state_dict(toy.precision.state_dict())
    scales = []
    for _ in range(3):
        assert toy.step(1)
        assert other.step(1)
        scales.append((toy.precision.loss_scale, other.precision.loss_scale))
    assert scales == [(32.0, 32.0), (64.0, 64.0), (64.0, 64.0)]


def test_a_scale_before_its_first_step_goes_on_too() -> None:
    precision = scaled(64.0)
    precision.load_state_dict(scaled(16.0).state_dict())
    assert precision.loss_scale == 16.0


@pytest.mark.parametrize("name", ["fp32", "fp64", "bf16"])
def test_what_is_not_scaled_has_no_state(name: str) -> None:
    precision = Precision(name, CPU)
    assert precision.state_dict() == {}
    precision.load_state_dict({})
    assert precision.loss_scale is None


def test_keys_reach_the_scaler() -> None:
    precision = build_precision(PrecisionChoice("fp16", LossScale(32.0, 1)), CPU)
    toy = Toy("sgd", precision)
    assert toy.step(1.0)
    assert precision.loss_scale == 64.0
