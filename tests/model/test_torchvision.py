"""Every classification network of torchvision is built and gives plain logits."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.nn.modules import activation

from trainer.core.errors import ConfigError
from trainer.model import torchvision
from trainer.model.base import put_weights
from trainer.model.torchvision import Torchvision, names


@pytest.mark.slow
def test_resnet18_has_its_known_number_of_weights() -> None:
    model = Torchvision().build((3, 32, 32), 1000)
    assert sum(p.numel() for p in model.parameters()) == 11_689_512  # torchvision's own figure


@pytest.mark.slow
def test_every_network_is_built_and_gives_two_rows_of_logits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real modules at 224x224; their pass is without values, on the meta device.

    Weights stay undrawn and BatchNorm, which keeps shapes, is left out: both only cost time.
    """
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(activation, "xavier_uniform_", lambda tensor: tensor)
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda _, features: features)
    seen: list[torch.Tensor] = []
    real = torchvision._pass_on_meta

    def recorded(model: nn.Module, image_shape: tuple[int, int, int]) -> torch.Tensor:
        seen.append(real(model, image_shape))
        return seen[-1]

    monkeypatch.setattr(torchvision, "_pass_on_meta", recorded)
    for arch in names():
        assert Torchvision(arch).build((3, 224, 224), 7).training
    assert len(seen) == len(names()) >= 80
    assert {type(logits) for logits in seen} == {torch.Tensor}
    assert {tuple(logits.shape) for logits in seen} == {(2, 7)}


SMALL = ["googlenet", "inception_v3", "regnet_y_400mf", "shufflenet_v2_x0_5", "swin_t", "vit_b_32"]


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.slow
def test_a_real_pass_and_a_gradient_for_every_weight(arch: str) -> None:
    side = 96
    model = Torchvision(arch).build((3, side, side), 7)
    logits = model(torch.randn(2, 3, side, side))
    assert type(logits) is torch.Tensor
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.slow
def test_building_leaves_the_model_as_torchvision_makes_it() -> None:
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    ours = Torchvision("mobilenet_v3_small").build((3, 64, 64), 10)
    after = torch.rand(1)
    torch.manual_seed(0)
    plain = mobilenet_v3_small(num_classes=10)
    assert torch.equal(after, torch.rand(1))
    state = ours.state_dict()
    assert all(torch.equal(state[key], value) for key, value in plain.state_dict().items())
    assert all(part.training for part in ours.modules())


@pytest.mark.slow
def test_auxiliary_heads_are_left_out_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="trainer"):
        model = Torchvision("googlenet").build((3, 64, 64), 10)
    assert "model.arch=googlenet: auxiliary heads are left out" in caplog.text
    assert not any("aux" in name for name, _ in model.named_parameters())


def test_unknown_arch_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown model\.arch 'resnet81'; did you mean 'resnet18'"
    ):
        Torchvision("resnet81")
    with pytest.raises(ConfigError, match=r"unknown model\.arch 'fcn_resnet50'"):
        Torchvision("fcn_resnet50")  # segmentation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "side", "message"),
    [
        ("alexnet", 32, r"model\.arch=alexnet cannot take images of 32x32: .*too small"),
        ("inception_v3", 32, r"model\.arch=inception_v3 cannot take images of 32x32: "),
        ("vit_b_16", 40, r"model\.arch=vit_b_16 cannot take images of 40x40: .*divisible"),
        ("maxvit_t", 32, r"model\.arch=maxvit_t cannot take images of 32x32: "),
    ],
)
def test_images_of_a_wrong_size_are_refused(arch: str, side: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Torchvision(arch).build((3, side, side), 10)


def test_images_of_unequal_sides_or_one_channel_are_refused() -> None:
    with pytest.raises(ConfigError, match="32x64: a vision transformer needs square images"):
        Torchvision("vit_b_32").build((3, 32, 64), 10)
    with pytest.raises(ConfigError, match="takes images of 3 channels, the data has 1; choose"):
        Torchvision().build((1, 28, 28), 10)


@pytest.mark.slow
def test_weights_go_into_a_network_that_wants_more_than_tensors() -> None:
    torch.manual_seed(0)
    model, other = (Torchvision("mnasnet0_5").build((3, 32, 32), 4) for _ in range(2))
    put_weights(model, dict(other.state_dict()))
    for name, tensor in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    with pytest.raises(AssertionError, match="same network"):
        put_weights(model, {})
