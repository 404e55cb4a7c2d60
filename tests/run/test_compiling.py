"""Steps by `torch.compile`: the same numbers within a tolerance, compiled once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch
import yaml
from torch._dynamo.utils import counters

from tests.command import TINY, Call
from tests.training import assembled, trained
from trainer.loop import fit
from trainer.model.base import MODELS
from trainer.run import compiling
from trainer.run.compiling import compiled_for, why_not_compiled

TOLERANCE = 1e-8  # of float64 weights after five steps, relative to the largest of their tensor

SIZES = {
    "mlp": ("model.hidden=[8]",),
    "cnn": ("model.width=4",),
    "resnet9": ("model.width=2",),
    "airnet": ("model.width=4",),
    "wide_resnet": ("model.depth=10", "model.widen_factor=1"),
    "torchvision": ("model.arch=squeezenet1_1",),
}
LONGER = {"resnet32", "resnet44", "resnet56", "resnet110"}  # resnet20 with more of the same
LARGE = {"resnet50", "vgg16", "preact_resnet18"}  # minutes; their blocks are in the others

FIVE = (
    *("data=synthetic", "data.image_shape=[3,32,32]", "data.num_train=40", "data.num_test=10"),
    *("batch_size=8", "max_steps=5", "threads=1", "precision=fp64", "data.val=0"),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "compiled"))
    compiled_for.cache_clear()
    counters.clear()
    yield
    compiled_for.cache_clear()
    torch.compiler.reset()


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace forward and backward as ever, and run the graphs without C++: seconds for minutes."""
    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, mode, dynamic: compile_(f, backend="aot_eager", dynamic=dynamic)
    )


def weights(*words: str) -> dict[str, torch.Tensor]:
    with assembled(*FIVE, *words) as run:
        for _ in fit(run):
            pass
        return {k: v.clone() for k, v in run.model.state_dict().items()}


needs_compiler = pytest.mark.skipif(
    why_not_compiled(torch.device("cpu")) is not None, reason="no C++ compiler"
)


def check_equal(*words: str) -> None:
    eager, compiled = weights(*words), weights(*words, "engine=compile")
    assert counters["stats"]["unique_graphs"] == 1
    assert eager.keys() == compiled.keys()
    for name, tensor in eager.items():
        reach = TOLERANCE * float(tensor.abs().max().clamp_min(1.0))
        assert float((tensor - compiled[name]).abs().max()) <= reach, name


@needs_compiler
@pytest.mark.slow
def test_compiled_weights_are_the_eager_ones_within_the_tolerance() -> None:
    check_equal("model=cnn", *SIZES["cnn"])


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("model", sorted({*MODELS.names()} - LONGER - LARGE))
def test_every_network_is_one_graph_with_eager_weights(model: str, traced_only: None) -> None:
    check_equal(f"model={model}", *SIZES.get(model, ()))


@pytest.mark.slow
@needs_compiler
def test_no_job_of_a_sweep_over_hyperparameters_compiles_again(traced_only: None) -> None:
    frames = []
    for lr, momentum, decay in product((0.1, 0.2, 0.3), (0.0, 0.9), (0.0, 0.1)):
        words = (f"optim.lr={lr}", f"optim.momentum={momentum}", f"optim.weight_decay={decay}")
        # 64 images: four steps of 13 and one of 12
        trained(*words, "batch_size=13", "engine=compile", "scheduler=cosine")
        frames.append(counters["stats"]["unique_graphs"])
    assert frames == [1] * 12
    assert not counters["recompile_limit"]


@pytest.mark.slow
@needs_compiler
def test_a_compiled_run_is_recorded_so_and_goes_on_in_its_own_bits(
    call: Call, here: Path, traced_only: None
) -> None:
    words = (*TINY, "epochs=1", "engine=compile", "checkpoint.keep=all", "checkpoint.every=1st")
    assert call(*words).code == 0
    whole = (here / "outputs" / "latest").resolve()
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["seconds"]["compile"] > 0
    assert yaml.safe_load((whole / "config.yaml").read_text())["engine"] == "compile"
    assert call(f"fork={whole}@1").code == 0
    forked = json.loads((here / "outputs/latest/summary.json").read_text())
    assert forked["weights_sha256"] == summary["weights_sha256"]
    assert call(*(w for w in words if w != "engine=compile")).code == 0
    assert json.loads((here / "outputs/latest/summary.json").read_text())["key"] != summary["key"]


@pytest.mark.slow
def test_without_a_compiler_a_run_says_so_and_is_eager(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = call(*TINY, "epochs=1", "engine=compile")
    assert done.code == 0, done.err
    assert "engine=compile: torch.compile needs a C++ compiler" in done.out
    run = (here / "outputs" / "latest").resolve()
    assert yaml.safe_load((run / "config.yaml").read_text())["engine"] == "eager"


@pytest.mark.slow
def test_what_torch_cannot_compile_is_computed_eagerly(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such operation\nand more")

    monkeypatch.setattr(compiling.Compiled, "__call__", fails)
    monkeypatch.setattr("trainer.run.choices.why_not_compiled", lambda device: None)
    keys = []
    for engine in ("compile", "eager"):
        done = call(*TINY, "epochs=1", f"engine={engine}")
        assert done.code == 0, done.err
        keys.append(json.loads((here / "outputs/latest/summary.json").read_text())["key"])
        told = "torch cannot compile this run (RuntimeError: no such operation); steps are"
        assert (told in done.out) == (engine == "compile")
    assert keys[0] == keys[1]


@pytest.mark.slow
def test_an_epochs_smaller_batch_is_eager() -> None:
    compiled = compiling.Compiled("default", 16)
    sizes = []
    compiled.compiled = lambda network, criterion, batch: (
        sizes.append(len(batch.images)),
        compiling.forward(network, criterion, batch),
    )[1]
    with assembled(*TINY, "batch_size=16", "data.num_train=40", "epochs=1", "data.val=0") as run:
        run.forward = compiled
        for _ in fit(run):
            pass
    assert sizes == [16, 16]
