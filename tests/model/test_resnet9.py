"""ResNet-9 is cifar10-fast's network, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model._blocks import Residual
from trainer.model._ghost import GhostBatchNorm2d
from trainer.model.resnet9 import ResNet9


def test_weights_at_width_64_counted_by_hand() -> None:
    pairs = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512)]
    pairs += [(512, 512), (512, 512)]
    convs_and_norms = sum(9 * c_in * c_out + 2 * c_out for c_in, c_out in pairs)
    total = convs_and_norms + 512 * 10
    model = ResNet9().build((3, 32, 32), 10)
    assert sum(p.numel() for p in model.parameters()) == total == 6_573_120


def plain(width: int) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """The yardstick's layers between its two residuals, spelt out."""

    def conv(c_in: int, c_out: int) -> list[nn.Module]:
        return [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]

    def residual(channels: int) -> Residual:
        return Residual(nn.Sequential(*conv(channels, channels), *conv(channels, channels)))

    w = width
    start = [*conv(3, w), *conv(w, 2 * w), nn.MaxPool2d(2), residual(2 * w)]
    middle = [*conv(2 * w, 4 * w), nn.MaxPool2d(2), *conv(4 * w, 8 * w), nn.MaxPool2d(2)]
    end = [residual(8 * w), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * w, 10, bias=False)]
    return nn.Sequential(*start), nn.Sequential(*middle), nn.Sequential(*end)


@pytest.mark.parametrize("scale", [1.0, 0.125])
def test_same_seed_gives_the_yardstick_times_the_scale(scale: float) -> None:
    torch.manual_seed(0)
    ours = ResNet9(width=4, logit_scale=scale).build((3, 32, 32), 10)
    torch.manual_seed(0)
    start, middle, end = plain(4)
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(ours(images), end(middle(start(images))) * scale)


ACTIVATIONS = {
    "celu": lambda x: torch.where(x > 0, x, 0.3 * (torch.exp(x / 0.3) - 1)),
    "gelu": lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "relu": lambda x: x.clamp(min=0),
}


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_every_nonlinearity_is_the_chosen_one(act: str) -> None:
    model = build(ResNet9, {"width": 1, "act": act}, "model").build((3, 8, 8), 10)
    blocks = [
        part
        for part in model.modules()
        if isinstance(part, nn.Sequential) and isinstance(part[0], nn.Conv2d)
    ]
    assert len(blocks) == 8
    x = torch.linspace(-3, 3, 101)
    for block in blocks:
        torch.testing.assert_close(block[2](x.clone()), ACTIVATIONS[act](x))  # type: ignore[no-untyped-call]
    model(torch.randn(2, 3, 8, 8)).sum().backward()


def test_ghost_batches_reach_every_norm() -> None:
    model = ResNet9(width=1, ghost_batch=2).build((3, 8, 8), 10)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    assert [type(norm) for norm in norms] == [GhostBatchNorm2d] * 8
    assert {norm.ghost_batch for norm in norms if isinstance(norm, GhostBatchNorm2d)} == {2}


def test_a_residual_whose_last_norm_is_zero_is_the_identity() -> None:
    model = ResNet9(width=2).build((3, 16, 16), 10)
    residuals = [part for part in model.modules() if isinstance(part, Residual)]
    assert len(residuals) == 2
    norms = [part for part in residuals[0].modules() if isinstance(part, nn.BatchNorm2d)]
    nn.init.zeros_(norms[-1].weight)
    features = torch.randn(2, 4, 8, 8)
    assert torch.equal(residuals[0](features), features)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 32, 48)])
def test_other_image_shapes(shape: tuple[int, int, int]) -> None:
    assert ResNet9(width=2).build(shape, 7)(torch.randn(2, *shape)).shape == (2, 7)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.width must be 1 or more, got -64"):
        ResNet9(width=-64)
    for scale in (0.0, -0.125, float("nan")):
        with pytest.raises(ConfigError, match=r"model\.logit_scale must be positive"):
            ResNet9(logit_scale=scale)
    with pytest.raises(ConfigError, match=r"model\.ghost_batch must be 2 or more"):
        ResNet9(ghost_batch=0)
    with pytest.raises(
        ConfigError, match=r"unknown model\.act 'elu'.*known: celu, gelu, relu, silu"
    ):
        build(ResNet9, {"act": "elu"}, "model")
    with pytest.raises(ConfigError, match=r"resnet9 needs images of 8x8 pixels or more.* 7x9"):
        ResNet9().build((3, 7, 9), 10)
