"""ResNet-50 and its variants have the paper's size and operations, and torchvision's values."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model.resnet50 import Bottleneck, ResNet50, Stem, Variant

VARIANTS: tuple[Variant, ...] = ("A", "B", "C", "D")
# Multiply-adds in billions, table 5 of arXiv:1812.01187.
OF_THE_PAPER = {"A": 3.8, "B": 4.1, "C": 4.3, "D": 4.3}


def parameters_by_hand(variant: Variant) -> int:
    """Return the number of weights for 1000 classes."""

    def conv_bn(c_in: int, c_out: int, kernel: int) -> int:
        return c_in * c_out * kernel**2 + 2 * c_out

    total = conv_bn(3, 64, 7)
    if variant in ("C", "D"):
        total = conv_bn(3, 32, 3) + conv_bn(32, 32, 3) + conv_bn(32, 64, 3)
    channels = 64
    for inner, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        total += conv_bn(channels, 4 * inner, 1)  # the projection
        for _ in range(blocks):
            total += conv_bn(channels, inner, 1) + conv_bn(inner, inner, 3)
            total += conv_bn(inner, 4 * inner, 1)
            channels = 4 * inner
    return total + 2048 * 1000 + 1000


def multiply_adds_by_hand(variant: Variant) -> int:
    """Return those of convolutions and the linear layer, for one image of 224x224."""
    total = 3 * 64 * 49 * 112**2
    if variant in ("C", "D"):
        total = 9 * (3 * 32 + 32 * 32 + 32 * 64) * 112**2
    channels = 64
    for inner, blocks, side in ((64, 3, 56), (128, 4, 28), (256, 6, 14), (512, 3, 7)):
        total += 4 * inner * channels * side**2  # the projection: its stride saves as much as D's
        for i in range(blocks):
            before = 2 * side if i == 0 and inner > 64 and variant != "A" else side
            total += channels * inner * before**2 + 13 * inner * inner * side**2
            channels = 4 * inner
    return total + 2048 * 1000


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_and_multiply_adds_are_those_of_table_5(variant: Variant) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        model = ResNet50(variant=variant).build((3, 224, 224), 1000).eval()
        model(torch.empty(1, 3, 224, 224))
    num_parameters = sum(p.numel() for p in model.parameters())
    assert num_parameters == parameters_by_hand(variant)
    assert num_parameters == (25_557_032 if variant in ("A", "B") else 25_576_264)
    multiply_adds = counter.get_total_flops() / 2
    assert multiply_adds == multiply_adds_by_hand(variant)
    assert multiply_adds / 1e9 == pytest.approx(OF_THE_PAPER[variant], abs=0.06)
    assert sum(isinstance(p, nn.Conv2d) for p in model.modules()) == (
        53 if variant in ("A", "B") else 55
    )


def torchvision_s(variant: Variant) -> models.ResNet:
    """Return torchvision's ResNet-50, which is variant B, changed into another by hand."""
    oracle = models.resnet50(weights=None, num_classes=10)
    if variant == "A":
        for layer in (oracle.layer2, oracle.layer3, oracle.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    if variant in ("C", "D"):
        parts: list[nn.Module] = []
        for c_in, c_out, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
            parts.append(nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False))
            parts += [nn.BatchNorm2d(c_out), nn.ReLU()]
        oracle.conv1 = nn.Sequential(*parts[:-2])  # type: ignore[assignment]
        oracle.bn1 = parts[-2]  # type: ignore[assignment]
    if variant == "D":
        for layer in (oracle.layer2, oracle.layer3, oracle.layer4):
            conv, norm = layer[0].downsample
            conv.stride = (1, 1)
            layer[0].downsample = nn.Sequential(nn.AvgPool2d(2), conv, norm)
    return oracle


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.slow
def test_torchvision_s_network_with_the_same_weights_gives_the_same_logits(
    variant: Variant,
) -> None:
    with torch.device("meta"):  # values are drawn once, for both
        oracle, ours = torchvision_s(variant), ResNet50(variant=variant).build((3, 64, 64), 10)
    values = []
    for like in oracle.state_dict().values():
        drawn = torch.rand(like.shape)
        if like.dim() > 1:  # a convolution or the linear layer: He's variance
            drawn = (drawn - 0.5) * (24 / like[0].numel()) ** 0.5
        values.append(drawn)
    images = torch.randn(3, 3, 64, 64)
    logits = [
        functional_call(model, dict(zip(model.state_dict(), values, strict=True)), (images,))
        for model in (ours.eval(), oracle.eval())
    ]
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-3, atol=1e-4)
    assert logits[0].std() > 0.01  # they say something


@pytest.mark.slow
def test_only_the_stem_for_small_images_keeps_their_size() -> None:
    sides = {}
    stems: tuple[Stem, ...] = ("imagenet", "cifar")
    for stem in stems:
        for variant in VARIANTS:
            model = ResNet50(variant=variant, stem=stem, width=2).build((3, 32, 32), 10)
            children = list(model.children())
            blocks = [i for i, part in enumerate(children) if isinstance(part, Bottleneck)]
            stem_of, body = children[: blocks[0]], children[: blocks[-1] + 1]
            images = torch.randn(2, 3, 32, 32)
            sides[stem, variant] = (
                nn.Sequential(*stem_of)(images).shape[-1],
                nn.Sequential(*body)(images).shape[-1],
            )
    assert {v for k, v in sides.items() if k[0] == "imagenet"} == {(8, 1)}
    assert {v for k, v in sides.items() if k[0] == "cifar"} == {(32, 4)}


@pytest.mark.parametrize("variant", ["B", "D"])
def test_zero_gamma_makes_every_block_the_relu_of_its_shortcut_and_moves_no_draw(
    variant: Variant,
) -> None:
    torch.manual_seed(0)
    model = ResNet50(variant=variant, width=4, zero_gamma=True).build((3, 32, 32), 10)
    torch.manual_seed(0)
    plain = ResNet50(variant=variant, width=4).build((3, 32, 32), 10)
    blocks = [part for part in model.modules() if isinstance(part, Bottleneck)]
    assert len(blocks) == 16
    for block in blocks:
        channels = block.body[0][0].in_channels  # type: ignore[index]
        features = torch.randn(2, channels, 6, 6).relu()
        assert torch.equal(block(features), F.relu(block.shortcut(features)))
        if len(block.shortcut) == 0:
            assert torch.equal(block(features), features)
    pairs = zip(model.named_parameters(), plain.parameters(), strict=True)
    changed = [name for (name, ours), theirs in pairs if not torch.equal(ours, theirs)]
    assert len(changed) == 16
    assert all(name.endswith("body.3.weight") for name in changed)


def test_zero_gamma_does_not_keep_a_block_from_learning() -> None:
    model = ResNet50(width=2, stem="cifar", zero_gamma=True).build((3, 8, 8), 10)
    model(torch.randn(4, 3, 8, 8)).square().sum().backward()
    blocks = [part for part in model.modules() if isinstance(part, Bottleneck)]
    gradients = [block.body[-1].weight.grad for block in blocks]
    assert all(g is not None and bool((g != 0).any()) for g in gradients)


def test_weights_are_drawn_by_xavier_and_biases_are_zero() -> None:
    torch.manual_seed(0)
    model = ResNet50(width=16).build((3, 32, 32), 100)
    conv = model[0][0]  # type: ignore[index]
    bound = (6 / (49 * 3 + 49 * 16)) ** 0.5
    assert 0.99 * bound < conv.weight.abs().max() <= bound
    assert model[-1].weight.abs().max() <= (6 / (512 + 100)) ** 0.5  # type: ignore[union-attr]
    assert torch.equal(model[-1].bias, torch.zeros(100))  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 9, 30)])
def test_other_image_shapes(variant: Variant, shape: tuple[int, int, int]) -> None:
    model = ResNet50(variant=variant, width=1).build(shape, 7)
    assert model(torch.randn(2, *shape)).shape == (2, 7)


def test_the_pooled_shortcut_of_an_odd_map_averages_what_there_is() -> None:
    block = Bottleneck(1, 1, 2, "D")
    pooled = block.shortcut[0](torch.arange(9.0).view(1, 1, 3, 3))
    assert torch.equal(pooled, torch.tensor([[[[2.0, 3.5], [6.5, 8.0]]]]))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown model\.variant 'E'; known: A, B, C, D"):
        build(ResNet50, {"variant": "E"}, "model")
    with pytest.raises(ConfigError, match=r"unknown model\.stem 'small'; known: cifar, imagenet"):
        build(ResNet50, {"stem": "small"}, "model")
    with pytest.raises(ConfigError, match=r"model\.width must be 1 or more, got 0"):
        ResNet50(width=0)
