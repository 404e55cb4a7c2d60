"""A trained network from Python: what it knows of itself, and of runs of older versions."""

import json
from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call
from trainer import load
from trainer.checkpoint import format as checkpoint
from trainer.core.errors import ConfigError, NotFound


def without_images(run: Path) -> None:
    """Take out of a run's checkpoints what an older version did not record."""
    for folder in checkpoint.folders(run / "checkpoints"):
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest[checkpoint.IMAGES]
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.slow
def test_a_network_is_loaded_with_what_it_needs(call: Call, here: Path) -> None:
    assert call(*TINY, "average=ema", "hydra.run.dir=run").code == 0
    network, averaged = load("run"), load(here / "run@average")
    assert network.image_shape == (1, 8, 8)
    assert len(network.classes) == 10
    assert 0 < network.mean[0] < 1
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    probabilities = network(images)
    assert torch.allclose(probabilities.sum(1), torch.ones(5))
    assert not torch.equal(probabilities, averaged(images))
    ready = (images / 255 - network.mean[0]) / network.std[0]
    assert torch.allclose(network.model(ready).softmax(1), probabilities, atol=1e-6)
    assert "10 classes" in repr(network)
    with pytest.raises(ConfigError, match=r"images are \(3, 8, 8\), not \(1, 8, 8\)"):
        network(torch.zeros(1, 3, 8, 8))


@pytest.mark.slow
def test_loading_draws_no_number_and_moves_no_thread(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    load("run")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_double_weights_stay_double(call: Call, here: Path) -> None:
    assert call(*TINY, "precision=fp64", "hydra.run.dir=run").code == 0
    assert next(load("run").model.parameters()).dtype == torch.float64


@pytest.mark.slow
def test_a_run_of_an_older_version_takes_them_from_its_images(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    new = load("run")
    without_images(here / "run")
    old = load("run")
    assert (old.mean, old.std, old.image_shape) == (new.mean, new.std, new.image_shape)
    config = here / "run" / "config.yaml"
    config.write_text(config.read_text().replace("num_train: 64", "num_train: 65"))
    with pytest.raises(ConfigError, match="an older version recorded neither mean nor deviation"):
        load("run")


def test_what_is_no_run_is_not_found(here: Path) -> None:
    with pytest.raises(NotFound, match="no run at"):
        load("nothing")
