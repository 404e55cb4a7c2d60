"""The network of airbench, layer by layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.errors import ConfigError
from trainer.model.airnet import AirNet


def test_weights_counted_by_hand_and_as_in_the_paper() -> None:
    with torch.device("meta"):
        model = AirNet().build((3, 32, 32), 10)
    blocks = ((24, 64), (64, 256), (256, 256))
    convs = sum(9 * (c_in * c_out + c_out * c_out) for c_in, c_out in blocks)
    biases = sum(2 * c_out for _, c_out in blocks)
    first = 24 * 3 * 4 + 24
    total = first + convs + biases + 256 * 10
    scales = biases
    assert sum(p.numel() for p in model.parameters()) - scales == total == 1_971_640
    assert total / 1e6 == pytest.approx(1.97, abs=0.005)


def test_only_the_first_weights_and_the_scales_of_batch_norm_are_not_trained() -> None:
    for train_first in (False, True):
        model = AirNet(width=2, train_first=train_first).build((3, 32, 32), 10)
        frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
        norms = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
        assert len(norms) == 6
        assert frozen == norms | (set() if train_first else {"0.weight"})
        assert model[0].bias.requires_grad  # type: ignore[index, union-attr]


@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_it_is_the_plain_network_of_the_paper(act: str) -> None:
    torch.manual_seed(0)
    model = AirNet(width=2, act=act).build((3, 32, 32), 10)  # type: ignore[arg-type]
    images = torch.randn(4, 3, 32, 32)
    logits = model(images)
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    (linear,) = [m for m in model.modules() if isinstance(m, nn.Linear)]
    nonlinear = {"gelu": F.gelu, "relu": F.relu}[act]

    def norm(features: torch.Tensor) -> torch.Tensor:
        mean = features.mean((0, 2, 3), keepdim=True)
        variance = features.var((0, 2, 3), correction=0, keepdim=True)
        return (features - mean) / (variance + 1e-12).sqrt()

    x = nonlinear(F.conv2d(images, convs[0].weight, convs[0].bias))  # 31x31
    sides = [x.shape[-1]]
    for i in (1, 3, 5):
        x = nonlinear(norm(F.max_pool2d(F.conv2d(x, convs[i].weight, padding=1), 2)))
        x = nonlinear(norm(F.conv2d(x, convs[i + 1].weight, padding=1)))
        sides.append(x.shape[-1])
    assert sides == [31, 15, 7, 3]
    expected = F.max_pool2d(x, 3).flatten(1) @ linear.weight.T / 9
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_running_statistics_keep_what_the_momentum_leaves() -> None:
    for momentum in (0.4, 0.25):
        model = AirNet(width=2, bn_momentum=momentum).build((3, 32, 32), 10)
        norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        seen: list[torch.Tensor] = []
        norm.register_forward_hook(lambda _, inputs, __, seen=seen: seen.append(inputs[0]))
        model(torch.randn(4, 3, 32, 32))
        torch.testing.assert_close(norm.running_mean, momentum * seen[0].mean((0, 2, 3)))


@pytest.mark.parametrize("shape", [(1, 9, 9), (1, 28, 28), (3, 33, 64)])
def test_other_image_shapes_have_twice_as_many_filters_as_a_patch_has_numbers(
    shape: tuple[int, int, int],
) -> None:
    model = AirNet(width=2).build(shape, 7)
    assert model[0].out_channels == 8 * shape[0]  # type: ignore[index, union-attr]
    assert model(torch.randn(2, *shape)).shape == (2, 7)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.width must be 1 or more, got 0"):
        AirNet(width=0)
    for momentum in (0.0, -0.4, 1.5):
        with pytest.raises(ConfigError, match=r"model\.bn_momentum must be in \(0, 1\], got"):
            AirNet(bn_momentum=momentum)
    for scale in (0.0, -1.0):
        with pytest.raises(ConfigError, match=r"model\.logit_scale must be positive"):
            AirNet(logit_scale=scale)
    with pytest.raises(ConfigError, match=r"airnet needs images of 9x9 pixels or more.* 8x8"):
        AirNet().build((1, 8, 8), 10)
