"""Names of number formats: what they mean, which keys they have, which devices lack them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.command import ROOT
from trainer.core.errors import ConfigError
from trainer.precision.formats import (
    FORMATS,
    NAMES,
    LossScale,
    PrecisionChoice,
    check_device,
    check_eps,
    parse_precision,
    set_fp32_precision,
)

BACKENDS: Any = torch.backends
CUDA = torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A GPU that is not there, with the facts that decide."""
    facts: dict[str, Any] = {"capability": (8, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: facts["capability"])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A Card")
    return facts


@pytest.mark.parametrize("capability", [(8, 0), (8, 9), (9, 0), (12, 0)])
def test_tf32_exists_from_compute_capability_8_on(gpu: dict[str, Any], capability: Any) -> None:
    gpu["capability"] = capability
    check_device("tf32", CUDA)


def test_tf32_on_an_older_gpu_is_refused_with_its_capability(gpu: dict[str, Any]) -> None:
    gpu["capability"] = (7, 5)
    with pytest.raises(ConfigError, match=r"tf32 needs an NVIDIA GPU.*8\.0.*A Card has 7\.5"):
        check_device("tf32", CUDA)


def test_tf32_on_another_maker_s_gpu_is_refused(
    gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.4")
    with pytest.raises(ConfigError, match=r"A Card is not made by NVIDIA"):
        check_device("tf32", CUDA)


@pytest.mark.parametrize(("eps", "is_refused"), [(1e-8, True), (2.0**-25, True), (1e-7, False)])
def test_an_eps_that_float16_rounds_to_nothing_is_refused(eps: float, is_refused: bool) -> None:
    for name in set(NAMES) - {"O3"}:
        check_eps(PrecisionChoice(name), {"eps": eps})
    if not is_refused:
        check_eps(PrecisionChoice("O3"), {"eps": eps})
        return
    with pytest.raises(ConfigError, match=r"optim.eps=.* is 0 in the float16 of precision=O3"):
        check_eps(PrecisionChoice("O3"), {"eps": eps})
    check_eps(PrecisionChoice("O3"), {"momentum": 0.9})


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_tf32_without_a_gpu_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"precision=tf32 .*device={device}"):
        check_device("tf32", torch.device(device))


def test_every_format_but_tf32_exists_on_a_cpu() -> None:
    for name in set(NAMES) - {"tf32"}:
        check_device(name, torch.device("cpu"))


def test_mps_has_float32_alone() -> None:
    mps, offered = torch.device("mps"), []
    for name in NAMES:
        try:
            check_device(name, mps)
        except ConfigError as error:
            assert f"precision={name}" in str(error)  # noqa: PT017
        else:
            offered.append(name)
            assert name == "auto" or FORMATS[name] == FORMATS["fp32"]
    assert {"fp32", "auto"} <= set(offered)


@pytest.fixture
def products() -> Iterator[None]:
    """Leave float32 products as they are everywhere else."""
    yield
    set_fp32_precision("ieee")


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("order", [["ieee", "tf32"], ["tf32", "ieee"], ["tf32", "tf32"]])
def test_products_and_convolutions_are_set_in_every_switch_that_torch_has(
    order: list[str],
) -> None:
    for wanted in order:
        set_fp32_precision(wanted)
        assert BACKENDS.cuda.matmul.fp32_precision == wanted
        assert BACKENDS.cudnn.conv.fp32_precision == wanted
        assert BACKENDS.cudnn.rnn.fp32_precision == wanted
        assert BACKENDS.mkldnn.matmul.fp32_precision == "ieee"
        assert BACKENDS.mkldnn.conv.fp32_precision == "ieee"
        # torch raises at these where the older switches disagree with the newer ones
        assert BACKENDS.cuda.matmul.allow_tf32 == (wanted == "tf32")
        assert BACKENDS.cudnn.allow_tf32 == (wanted == "tf32")
        assert torch.get_float32_matmul_precision() == ("high" if wanted == "tf32" else "highest")
        with BACKENDS.cudnn.flags(enabled=True):
            pass


def test_tf32_alone_multiplies_float32_inexactly() -> None:
    assert {name for name, f in FORMATS.items() if f.fp32_precision == "tf32"} == {"tf32"}


def yaml_of(name: str) -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "precision" / f"{name}.yaml"))
    assert isinstance(values, dict)
    return {str(k): v for k, v in values.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_yaml_holds_the_keys_of_its_name_at_their_defaults(name: str) -> None:
    values = yaml_of(name)
    choice = parse_precision(values)
    assert choice.plain() == values
    scaled = name in FORMATS and FORMATS[name].scales_loss
    assert choice == PrecisionChoice(name, LossScale() if scaled else None)


def test_keys_are_converted_and_come_back() -> None:
    values = {"name": "fp16", "init_scale": 1024, "growth_interval": 5.0}
    choice = parse_precision(values)
    assert choice.loss_scale == LossScale(1024.0, 5)
    assert choice.plain() == {"name": "fp16", "init_scale": 1024.0, "growth_interval": 5}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "fp161"}, r"unknown precision 'fp161'; did you mean 'fp16'"),
        ({}, r"unknown precision 'None'"),
        ({"name": "bf16", "init_scale": 2.0}, r"unknown key 'precision.init_scale'"),
        ({"name": "fp16", "initial": 2.0}, r"unknown key 'precision.initial'"),
        (
            {"name": "fp16", "init_scale": 0.5},
            r"precision.init_scale must be from 1 to 2\*\*126, got 0.5",
        ),
        ({"name": "fp16", "init_scale": "x"}, r"precision.init_scale must be a number"),
        ({"name": "fp16", "growth_interval": 0}, r"precision.growth_interval must be at least 1"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_precision(values)
