"""Strategies of several devices, as far as one process on a CPU can tell."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.command import TINY
from trainer import compose
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.precision.step import Precision
from trainer.strategy.build import build_strategy
from trainer.strategy.ddp import Ddp
from trainer.strategy.dp import DataParallelModel, Dp
from trainer.strategy.keys import StrategyChoice, parse_strategy
from trainer.strategy.process_group import JOINED, ProcessGroup

CPU = torch.device("cpu")
FP32 = Precision("fp32", CPU)
GPUS = (torch.device("cuda", 0), torch.device("cuda", 1), torch.device("cuda", 2))


@pytest.fixture
def spreads(monkeypatch: pytest.MonkeyPatch) -> list[list[torch.device]]:
    """The devices that each pass was spread over; the parts are computed here."""
    devices: list[list[torch.device]] = []

    def spread(model: nn.Module, images: torch.Tensor, device_ids: list[Any]) -> torch.Tensor:
        devices.append(device_ids)
        return torch.cat([model(part) for part in images.chunk(len(device_ids))])

    monkeypatch.setattr(nn.parallel, "data_parallel", spread)
    return devices


@pytest.mark.parametrize(("images", "wanted"), [(12, 3), (6, 3), (5, 2), (3, 1), (1, 1)])
def test_a_small_batch_goes_to_fewer_devices(
    spreads: list[list[torch.device]], images: int, wanted: int
) -> None:
    model = nn.Linear(2, 2)
    batch = torch.randn(images, 2)
    torch.testing.assert_close(DataParallelModel(model, GPUS)(batch), model(batch))
    assert spreads == [list(GPUS[:wanted])]


def test_what_is_trained_is_the_bare_model() -> None:
    model = nn.Linear(2, 2)
    spread = DataParallelModel(model, GPUS)
    assert list(spread.parameters()) == list(model.parameters())
    assert list(model.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(("count", "index", "named"), [(1, None, "two GPUs"), (3, 1, "takes all")])
def test_dp_needs_two_gpus_and_takes_all(
    monkeypatch: pytest.MonkeyPatch, count: int, index: int | None, named: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ConfigError, match=named):
        Dp(World()).take(torch.device("cuda", index), FP32, 1)


def test_dp_on_three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    strategy = Dp(World())
    strategy.take(torch.device("cuda", 0), FP32, 1)
    assert strategy.devices == GPUS
    wrapped = strategy.wrap(nn.Linear(1, 1))
    assert isinstance(wrapped, DataParallelModel)


@pytest.mark.parametrize("name", ["single", "dp"])
def test_one_process_strategies_refuse_several(name: str) -> None:
    with pytest.raises(ConfigError, match="2 processes"):
        build_strategy(StrategyChoice(name), World(size=2, local_size=2, is_torchrun=True))


def ddp(**keys: object) -> Ddp:
    nobody: Any = None
    return Ddp(
        World(), ProcessGroup(World(), nobody, nobody, 1.0), parse_strategy({"name": "ddp", **keys})
    )


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="accumulate=2"):
        ddp(static_graph=True).take(CPU, FP32, 2)
    with pytest.raises(ConfigError, match="16 bits already"):
        ddp(compress="fp16").take(CPU, Precision("O2", CPU), 1)
    with pytest.raises(ConfigError, match="mps"):
        ddp().take(torch.device("mps"), FP32, 1)
    with pytest.raises(ConfigError, match="sync_batch_norm=true needs GPUs, got device=cpu"):
        ddp(sync_batch_norm=True).take(CPU, FP32, 1)
    ddp(sync_batch_norm=True).take(torch.device("cuda", 0), FP32, 1)
    ddp(static_graph=True, compress="bf16").take(CPU, FP32, 1)


def test_one_process_joins_nobody() -> None:
    config = compose(*TINY)
    build_strategy(config.strategy, World())
    assert JOINED.get() is None
