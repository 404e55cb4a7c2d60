"""The recipes among the presets: each composes, and those of small images take a step."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from scripts.bench import gpu
from tests.training import assembled
from trainer import compose
from trainer.loop import Pause, fit

SMALL = ("data=synthetic", "data.num_train=64", "data.num_test=10", "batch_size=32", "threads=1")
NETWORKS = {
    "mnist_fast": ("data.image_shape=[1,28,28]", "model.width=2"),
    "cifar10_94": ("data.image_shape=[3,32,32]", "model.width=4"),
    "cifar10_96": ("data.image_shape=[3,32,32]", "model.width=4"),
    "cifar10_resnet9": ("data.image_shape=[3,32,32]", "model.width=2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", NETWORKS)
def test_a_recipe_takes_steps(preset: str) -> None:
    words = (f"+experiment={preset}", *SMALL, *NETWORKS[preset], "precision=fp32")
    with assembled(*words) as run:
        events = fit(run, pause=lambda clock: True)
        assert isinstance(next(events), Pause)
        assert run.state.step == 1
        assert math.isfinite(float(run.state.meter.losses[0]))


@pytest.mark.slow
def test_airbench_groups_are_the_papers() -> None:
    with assembled(
        "+experiment=cifar10_94", *SMALL, *NETWORKS["cifar10_94"], "precision=fp32"
    ) as r:
        groups = {g["name"]: g for g in r.optimizer.param_groups}
        (norm,) = (g for name, g in groups.items() if "norm" in name)
        assert norm["base_lr"] == pytest.approx(64 * 1.5)
        assert norm["weight_decay"] * norm["base_lr"] == pytest.approx(1.5 * 1.33e-3, rel=1e-6)
        assert all(p.ndim == 1 for p in norm["params"])


@pytest.mark.slow
def test_imagenet_composes() -> None:
    config = compose("+experiment=imagenet_resnet50")
    assert (config.model.name, config.mix.name) == ("resnet50", "mixup")
    assert config.optim.shared.peak(config.batch_size) == pytest.approx(0.4)


@pytest.mark.slow
def test_the_script_for_a_gpu_names_what_it_could_not_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "ENGINES", {"eager": ()})
    threads = torch.get_num_threads()
    gpu.main(["--tiny", "--out", str(tmp_path / "found.json")])
    torch.set_num_threads(threads)
    rows = json.loads((tmp_path / "found.json").read_text())["cases"]
    by_name = {row["precision"]: row for row in rows}
    assert set(by_name) == {"fp32", "tf32", "bf16", "fp16"}
    assert "tf32 needs an NVIDIA GPU" in by_name["tf32"]["why"]
    assert by_name["fp32"]["images_per_s"] > 0
