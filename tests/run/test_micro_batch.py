"""How small a micro-batch may be: one image without BatchNorm, two with it; told before data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call
from trainer.api import compose
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.run.assemble import assemble
from trainer.run.device import check_micro_batch, prepare
from trainer.run.work import has_batch_norm, may_have_batch_norm

SINGLE = ("batch_size=1", "max_steps=3")
WITHOUT = (
    "model=mlp model.norm=none",
    "model=vgg16 model.norm=none data.image_shape=[3,32,32]",
    "model=vit model.patch=4",
    "model=lenet5 data.image_shape=[1,28,28]",
    "model=torchvision model.arch=squeezenet1_1 data.image_shape=[3,32,32]",
)
WITH = (
    *("model=cnn", "model=mlp", "model=vgg16", "model=resnet9", "model=resnet20"),
    *("model=preact_resnet18", "model=wide_resnet", "model=resnet50", "model=airnet"),
    "model=cnn model.ghost_batch=2",
    "model=torchvision model.arch=resnet18",
)


def words(model: str) -> list[str]:
    return [w for w in TINY if not w.startswith("model")] + model.split()


@pytest.mark.slow
@pytest.mark.parametrize("model", WITHOUT)
def test_a_network_without_batch_norm_trains_on_single_images(model: str) -> None:
    config = compose(*words(model), *SINGLE)
    run, _ = assemble(config, *prepare(config, World()))
    ((batch,), *_) = run.data.train_steps(0, 0)
    assert len(batch.labels) == 1
    loss = run.loss(run.parallel(run.normalize(batch).images), batch)
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("model", WITH)
@pytest.mark.parametrize(
    ("batch", "accumulate", "processes"), [(1, 1, 1), (4, 4, 1), (4, 1, 4), (4, 2, 2)]
)
def test_a_network_with_batch_norm_is_told_so(
    model: str, batch: int, accumulate: int, processes: int
) -> None:
    config = compose(*words(model), f"{batch_size(batch)}", f"accumulate={accumulate}")
    with pytest.raises(ConfigError, match="network has BatchNorm, which needs two images"):
        check_micro_batch(config, processes)


def batch_size(number: int) -> str:
    return f"batch_size={number}"


def test_it_is_told_before_data_is_loaded_and_leaves_nothing(call: Call, here: Path) -> None:
    done = call("data=image_folder", "data.root=nowhere", "batch_size=1")
    assert done.code == 2
    assert done.err.strip() == (
        "error: batch_size must be 2 or more, since the network has BatchNorm, which needs two "
        "images, got 1"
    )
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_the_rest_of_an_epoch_is_held_to_the_same() -> None:
    """62 images in steps of 4 leave 2, a single one for each of two micro-batches."""
    length = ("data.num_train=62", "data.val=0", "batch_size=4", "accumulate=2")
    with_norm = compose(*words("model=mlp"), *length)
    with pytest.raises(ConfigError, match=r"micro-batches of 1: .*BatchNorm.*data.last=drop"):
        assemble(with_norm, *prepare(with_norm, World()))
    without = compose(*words("model=mlp model.norm=none"), *length)
    run, _ = assemble(without, *prepare(without, World()))
    assert run.data.steps_per_epoch == 16


def test_a_network_is_asked_without_storage_and_in_any_shape_it_takes() -> None:
    def only(shape: tuple[int, int, int]) -> torch.nn.Module:
        if shape != (3, 224, 224):
            raise ConfigError("another shape")
        return torch.nn.Sequential(torch.nn.Linear(1 << 20, 1 << 20), torch.nn.BatchNorm1d(4))

    assert may_have_batch_norm(lambda shape, _: only(shape))

    def never(shape: tuple[int, int, int], num_classes: int) -> torch.nn.Module:
        raise ValueError

    assert not may_have_batch_norm(never)
    assert not has_batch_norm(torch.nn.Sequential(torch.nn.GroupNorm(1, 4)))
