"""Weights go into a model that they fit, whole; a last layer for other classes is left new."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from trainer.checkpoint.format import digest
from trainer.checkpoint.load_into import fit_weights, start_from
from trainer.checkpoint.weights import Weights
from trainer.config.groups import REGISTRIES
from trainer.core.errors import ConfigError, DataError
from trainer.core.weights_source import Origin
from trainer.data import Images, Source


def weights_of(tensors: dict[str, torch.Tensor]) -> Weights:
    return Weights("init_from", Origin(Path("/a/run")), tensors, digest(tensors))


def source_of(classes: str) -> Source:
    """Return a source whose classes have names of one letter."""
    none = Images(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    return Source(none, none, tuple(classes), (0.5,), (0.5,), "these images")


def network(classes: int = 4, width: int = 3, seed: int = 0, channels: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3),
        nn.BatchNorm2d(width),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def refused(model: nn.Module, tensors: dict[str, torch.Tensor], *, new_head: bool = True) -> str:
    """Return why weights are refused, having checked that the model is as before."""
    before = copy.deepcopy(model.state_dict())
    with pytest.raises((ConfigError, DataError)) as told:
        fit_weights(model, weights_of(tensors), 4, new_head=new_head)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    return str(told.value)


def test_a_model_of_the_same_kind_takes_everything() -> None:
    model, other = network(seed=0), network(seed=1)
    other[1].num_batches_tracked.fill_(9)
    assert fit_weights(model, weights_of(other.state_dict()), 4, new_head=True) == ""
    assert digest(model.state_dict()) == digest(other.state_dict())


def test_weights_are_copied_into_the_model_s_format_and_layout() -> None:
    model = network().double().to(memory_format=torch.channels_last)
    other = network(seed=1)
    given = {n: t.bfloat16() if t.is_floating_point() else t for n, t in other.state_dict().items()}
    storage = model[0].weight.data_ptr()
    fit_weights(model, weights_of(given), 4, new_head=True)
    assert model[0].weight.dtype == torch.float64
    assert model[0].weight.data_ptr() == storage
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model[0].weight, given["0.weight"].double())
    given["0.weight"].zero_()
    assert model[0].weight.abs().sum() > 0


def test_a_head_for_other_classes_is_new_and_the_rest_taken(caplog) -> None:
    model, other = network(classes=4), network(classes=7, seed=1)
    head = copy.deepcopy(model[3])
    with caplog.at_level(logging.INFO, logger="trainer"):
        start_from(model, weights_of(other.state_dict()), source_of("abcd"), network)
    for name, tensor in model[:3].state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    assert torch.equal(model[3].weight, head.weight)
    assert torch.equal(model[3].bias, head.bias)
    assert "the last layer (3) is new, for 4 classes instead of 7" in caplog.text


def test_where_the_head_must_fit_it_is_refused() -> None:
    told = refused(network(), network(classes=7).state_dict(), new_head=False)
    assert "of another shape or type: 3.weight (7, 3) for (4, 3), 3.bias (7,) for (4,)" in told


def test_what_differs_is_named() -> None:
    told = refused(network(), network(width=5).state_dict())
    assert told.startswith("init_from=/a/run: these weights do not fit the model")
    assert "0.weight (5, 1, 3, 3) for (3, 1, 3, 3)" in told
    told = refused(network(), network(channels=3).state_dict())
    assert "0.weight (3, 3, 3, 3) for (3, 1, 3, 3)" in told


def test_long_lists_are_shortened() -> None:
    given = {f"layers.{i}": torch.zeros(1) for i in range(20)}
    told = refused(network(), given)
    assert "missing: 0.bias, 0.weight, 1.bias" in told
    assert "not in the model: layers.0, layers.1, layers.10" in told
    assert "and 14 more" in told


@pytest.mark.parametrize("change", ["a name more", "a name less", "whole numbers"])
def test_all_names_and_types_must_agree(change: str) -> None:
    given = dict(network(seed=1).state_dict())
    if change == "a name more":
        given["extra"] = torch.zeros(1)
    elif change == "a name less":
        del given["1.running_var"]
    else:
        given["3.bias"] = torch.zeros(4, dtype=torch.int64)
    named = {"a name more": "extra", "a name less": "1.running_var", "whole numbers": "3.bias"}
    assert named[change] in refused(network(), given)


def test_the_counter_that_old_files_lack_is_no_difference() -> None:
    model, given = network(), dict(network(seed=1).state_dict())
    model[1].num_batches_tracked.fill_(5)
    del given["1.num_batches_tracked"]
    assert fit_weights(model, weights_of(given), 4, new_head=True) == ""
    assert int(model[1].num_batches_tracked) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_that_are_not_finite_in_the_model_are_refused(value: float) -> None:
    given = {n: t.double() for n, t in network(seed=1).state_dict().items()}
    given["1.num_batches_tracked"] = torch.tensor(0)
    given["0.bias"][1] = value
    assert "0.bias holds values that are not finite" in refused(network(), given)


@pytest.mark.parametrize("name", REGISTRIES["model"].names())
@pytest.mark.slow
def test_every_network_starts_from_another_of_its_kind(name: str, monkeypatch) -> None:
    """With as many classes all weights come over; with others, all but one layer's."""
    component = REGISTRIES["model"].load(name)()
    shape = (3, 32, 32)
    donor = component.build(shape, 7)
    for init in ("kaiming_normal_", "kaiming_uniform_", "normal_", "xavier_uniform_"):
        monkeypatch.setattr(nn.init, init, lambda tensor, *_, **__: tensor.data.fill_(0.5))
    given = weights_of(donor.state_dict())
    same, other = component.build(shape, 7), component.build(shape, 11)
    assert fit_weights(same, given, 7, new_head=True) == ""
    assert digest(same.state_dict()) == given.sha256
    head = fit_weights(other, given, 11, new_head=True)
    assert head
    own = other.state_dict()
    assert len(own[f"{head}.weight"]) == 11
    for key, tensor in own.items():
        if key.rpartition(".")[0] != head:
            assert torch.equal(tensor, given.tensors[key]), key
