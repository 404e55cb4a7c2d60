"""Identities and whitening as initial weights: what they do, to what, and that runs keep them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.command import TINY, Call
from trainer.core.convert import convert, plain
from trainer.core.errors import ConfigError
from trainer.model._init import Init, covariance_of_patches, dirac, whiten, whitenable
from trainer.model.airnet import AirNet
from trainer.model.lenet5 import LeNet5
from trainer.model.mlp import Mlp

SHAPE = (3, 9, 8)


def alone(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone()


def correlated(num: int = 400) -> torch.Tensor:
    """Return images whose neighbouring pixels and channels are alike, away from zero mean."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(num, 3, 11, 10, generator=generator)
    smooth = F.avg_pool2d(noise, 3, stride=1) * 3
    return smooth + 0.5 * smooth.mean(1, keepdim=True) + 0.3


def images_of(images: torch.Tensor) -> Callable[[int], Iterable[torch.Tensor]]:
    return lambda num: images[:num].split(150)


def whitened(conv: nn.Conv2d) -> nn.Conv2d:
    whiten(nn.Sequential(conv), images_of(correlated()), SHAPE, alone)
    return conv


@pytest.mark.parametrize(
    ("value", "names", "text"),
    [
        ("default", (), "default"),
        (["default"], (), "default"),
        ("dirac", ("dirac",), "dirac"),
        (["whiten"], ("whiten",), "whiten"),
        (["whiten", "dirac"], ("dirac", "whiten"), "[dirac,whiten]"),
        ("[ dirac, whiten ]", ("dirac", "whiten"), "[dirac,whiten]"),
    ],
)
def test_spellings_and_the_way_back(value: object, names: tuple[str, ...], text: str) -> None:
    init = convert(Init, value, "init")
    assert init == Init(names)
    assert plain(init) == text
    assert convert(Init, text, "init") == init


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("white", r"unknown init 'white'; did you mean 'whiten'\? known: default, dirac, whiten"),
        (["default", "dirac"], r"init must be default, dirac, whiten or \[dirac,whiten\], got"),
        (["dirac", "dirac"], r"init must be default, dirac, whiten or"),
        ([], r"init must be .* got \[\]"),
        (3, r"init must be .* got 3"),
        (None, r"init must be .* got None"),
        ({"dirac": 1}, r"init must be"),
    ],
)
def test_other_values_are_refused(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(Init, value, "init")


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 3]),
    outputs=st.integers(1, 5),
    inputs=st.integers(1, 5),
    kernel=st.sampled_from([1, 3, 5]),
    bias=st.booleans(),
)
def test_a_dirac_convolution_hands_its_input_through_exactly(
    groups: int, outputs: int, inputs: int, kernel: int, bias: bool
) -> None:
    conv = nn.Conv2d(
        groups * inputs, groups * outputs, kernel, padding=kernel // 2, groups=groups, bias=bias
    ).to(memory_format=torch.channels_last)
    drawn = conv.weight.detach().clone()
    dirac(nn.Sequential(conv))
    features = torch.randn(2, groups * inputs, 5, 4)
    out = conv(features).unflatten(1, (groups, outputs))
    same = min(outputs, inputs)
    assert torch.equal(out[:, :, :same], features.unflatten(1, (groups, inputs))[:, :, :same])
    now, before = (w.unflatten(0, (groups, outputs))[:, same:] for w in (conv.weight, drawn))
    assert torch.equal(now, before)
    if groups == 1:
        oracle = drawn[:same].clone()
        nn.init.dirac_(oracle)
        assert torch.equal(conv.weight[:same], oracle)


def test_dirac_reaches_every_convolution_and_nothing_else() -> None:
    model = AirNet(width=2).build((3, 9, 9), 10)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    dirac(model)
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    convs = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert len(convs) == 7
    assert changed == convs | {"0.bias"}
    with pytest.raises(ConfigError, match="init=dirac changes convolutions, and this network has"):
        dirac(Mlp().build((1, 8, 8), 10))


def test_whitened_outputs_are_uncorrelated_with_variance_one() -> None:
    conv = whitened(nn.Conv2d(3, 12, 2, padding=1))
    images = correlated()
    with torch.no_grad():
        inner = F.conv2d(images, conv.weight, conv.bias)  # patches that lie in the image
    outputs = inner.transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(outputs), torch.eye(12), atol=0.02, rtol=0)
    patches = F.unfold(images, 2).transpose(0, 1).flatten(1).double()
    values = torch.linalg.eigvalsh(torch.cov(patches)).flip(0)
    assert values[0] > 10 * values[-1]  # they were correlated
    expected = (values / (values + 5e-4)).float()
    torch.testing.assert_close(torch.cov(outputs).diag(), expected, atol=1e-3, rtol=0)
    lengths = conv.weight.flatten(1).norm(dim=1)  # filters of large variance are short
    torch.testing.assert_close(lengths, (values + 5e-4).rsqrt().float(), atol=0, rtol=1e-3)


def test_twice_as_many_outputs_hold_the_negatives_and_the_bias_stays() -> None:
    once, twice = nn.Conv2d(3, 12, 2, bias=False), nn.Conv2d(3, 24, 2)
    assert twice.bias is not None
    bias = twice.bias.detach().clone()
    whitened(once)
    whitened(twice.to(memory_format=torch.channels_last))
    assert torch.equal(twice.weight, torch.cat([once.weight, -once.weight]))
    assert torch.equal(twice.bias, bias)


def test_the_patches_are_those_that_the_filters_see() -> None:
    conv = nn.Conv2d(3, 12, (1, 4), dilation=(1, 2), stride=2, padding=3)
    images = correlated(300)
    ours = covariance_of_patches(conv, images_of(images), SHAPE, alone)
    columns = [images[:, c, :, 2 * i : 2 * i + 2] for c in range(3) for i in range(4)]
    patches = torch.stack([c.flatten() for c in columns]).double()
    torch.testing.assert_close(ours, torch.cov(patches, correction=0))


def test_processes_that_share_the_images_find_the_filters_of_one() -> None:
    conv, images = nn.Conv2d(3, 12, 2), correlated()
    kept: list[torch.Tensor] = []
    covariance_of_patches(
        conv, images_of(images[:130]), SHAPE, lambda t: kept.append(t.clone()) or t
    )  # type: ignore[func-returns-value]
    shared = covariance_of_patches(conv, images_of(images[130:]), SHAPE, lambda t: t + kept[0])
    whole = covariance_of_patches(conv, images_of(images), SHAPE, alone)
    torch.testing.assert_close(shared, whole, rtol=1e-12, atol=1e-14)


def test_large_images_need_fewer_of_them() -> None:
    asked = []

    def few(num: int) -> Iterable[torch.Tensor]:
        asked.append(num)
        return [correlated(20)]

    covariance_of_patches(nn.Conv2d(3, 12, 2), few, (3, 32, 32), alone)
    assert asked == [5203]  # of 31x31 patches each: five million


def test_networks_that_cannot_be_whitened_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"init=whiten .* this network begins with Linear"):
        whitenable(Mlp().build((1, 8, 8), 10), (1, 8, 8))
    with pytest.raises(ConfigError, match=r"with 25 or 50 outputs .* this network's has 6;"):
        whitenable(LeNet5().build((1, 8, 8), 10), (1, 8, 8))
    for outputs in (11, 13, 23, 25, 36):
        with pytest.raises(ConfigError, match=r"with 12 or 24 outputs"):
            whitenable(nn.Sequential(nn.Conv2d(3, outputs, 2)), SHAPE)
    with pytest.raises(ConfigError, match=r"images of 2x8 are smaller than .* filters"):
        whitenable(nn.Sequential(nn.Conv2d(1, 9, 3)), (1, 2, 8))
    with pytest.raises(ConfigError, match=r"this network begins with Conv2d"):
        whitenable(nn.Sequential(nn.Conv2d(6, 12, 2, groups=2)), SHAPE)


LINE = (
    *(w for w in TINY if not w.startswith("model")),
    *("model=cnn", "model.width=9", "model.ghost_batch=4", "average=swa", "average.start=50%"),
    *("checkpoint.every=2st", "checkpoint.keep=all"),
)


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


@pytest.mark.slow
def test_a_run_takes_the_key_records_it_repeats_and_resumes_exactly(call: Call, here: Path) -> None:
    hashes = {}
    for init in ("default", "dirac", "whiten", "[dirac,whiten]"):
        run = here / init.strip("[]")
        done = call(*LINE, f"init={init}", f"hydra.run.dir={run}")
        assert done.code == 0, done.err
        assert yaml.safe_load((run / "config.yaml").read_text())["init"] == init
        hashes[init] = summary(run)["weights_sha256"]
    assert len(set(hashes.values())) == 4
    whole, cut, again = here / "dirac,whiten", here / "cut", here / "again"
    assert call(f"repeat={whole}", f"hydra.run.dir={again}").code == 0
    assert summary(again)["weights_sha256"] == hashes["[dirac,whiten]"]
    shutil.copytree(whole, cut)
    (cut / "summary.json").unlink()
    for folder in sorted((cut / "checkpoints").iterdir())[1:]:
        shutil.rmtree(folder)
    done = call(f"resume={cut}")
    assert done.code == 0, done.err
    assert "resumed at step 2 of 8" in done.out
    for key in ("weights_sha256", "test", "test_avg", "best_val_top1", "steps", "key"):
        assert summary(cut)[key] == summary(whole)[key], key


@pytest.mark.slow
def test_a_network_that_cannot_take_it_is_refused_and_leaves_nothing(
    call: Call, here: Path
) -> None:
    for overrides in (["init=dirac"], ["init=whiten"], ["init=whiten", "model=cnn"]):
        line = [w for w in TINY if len(overrides) == 1 or not w.startswith("model")]
        refused = call(*line, *overrides)
        assert refused.code == 2
        assert refused.err.startswith(f"error: {overrides[0]}")
    assert list(here.iterdir()) == []
