"""The key of a result: what moves a number moves it, what does not leaves it alone."""

from __future__ import annotations

import copy
import functools
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY
from trainer import compose
from trainer.config.compare import decisive_values, leaves
from trainer.config.run_config import RunConfig
from trainer.core.yaml_files import is_within
from trainer.run import identity, import_closure
from trainer.run.identity import UNRELATED, result_key, sources_of

FACTS = {"fingerprint": "f", "weights": {}, "device": "cpu", "precision": "fp32", "sources": "s"}


@functools.cache
def config_of(*overrides: str) -> RunConfig:
    return compose(*TINY, *overrides)


def key(*overrides: str, **facts: Any) -> str:
    values = decisive_values(config_of(*overrides), UNRELATED)
    return result_key(values, **{**FACTS, **facts})


@pytest.mark.parametrize(
    "override",
    [
        *("name=other", "data.root=other", "data.workers=1", "data.resident_share=0.3"),
        *("checkpoint.every=5st", "device=cpu", "strategy.timeout=5s"),
    ],
)
def test_paths_names_and_workers_are_not_in_it(override: str) -> None:
    assert key(override) == key()


@pytest.mark.parametrize(
    "override",
    [
        *("seed=1", "threads=2", "optim.lr=0.3", "data.val=0", "model.hidden=[9]", "epochs=3"),
        *("scheduler=cosine", "augment=shift", "mix=mixup", "precision=fp64", "average=ema"),
        *("strategy=ddp", "loss.label_smoothing=0.1", "tta=flip", "init=dirac"),
    ],
)
def test_what_determines_a_result_is_in_it(override: str) -> None:
    assert key(override) != key()


@pytest.mark.slow
def test_the_order_of_augmentations_is_in_it() -> None:
    assert key("augment=[shift,standard]") != key("augment=[standard,shift]")


@pytest.mark.parametrize("fact", [name for name in FACTS if name != "weights"])
def test_images_device_precision_and_sources_are_in_it(fact: str) -> None:
    assert key(**{fact: "other"}) != key()


@pytest.mark.parametrize("package", ["torchvision", "numpy"])
def test_versions_of_what_computes_are_in_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version = key(), importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0" if name == package else version(name)
    )
    monkeypatch.setattr(identity, "version_of", identity.version_of.__wrapped__)  # kept otherwise
    assert key() != before


@pytest.mark.slow
def test_weights_count_by_their_hash_wherever_they_lie() -> None:
    one, other = "init_from=/a/run@best", "init_from=/b/w.safetensors"
    read = {"init_from": "1" * 64}
    assert key(one, weights=read) == key(other, weights=read) != key()
    assert key(one, weights={"init_from": "2" * 64}) != key(one, weights=read)
    paths = [("loss=distill", f"loss.teacher={path}") for path in ("/a", "/b")]
    read = {"loss.teacher": "1" * 64}
    assert key(*paths[0], weights=read) == key(*paths[1], weights=read)
    assert key(*paths[0], weights={"loss.teacher": "2" * 64}) != key(*paths[0], weights=read)


def test_every_configured_value_but_a_few_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, before, moved = config_of().plain(), key(), 0
    for name in [name for name, _ in leaves(tree) if not is_within(name, UNRELATED)]:
        changed = copy.deepcopy(tree)
        *groups, last = name.split(".")
        node = changed
        for group in groups:
            node = node[group]
        node[last] = "another value"
        monkeypatch.setattr(RunConfig, "plain", lambda _, changed=changed: changed)
        assert key() != before, name
        moved += 1
    assert moved >= 50


@pytest.mark.slow
def test_a_plugin_s_sources_are_in_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "lonely_plugin.py"
    module.write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plain, named = config_of(), compose(*TINY, plugins=("lonely_plugin",))
    alone, first = sources_of(plain), sources_of(named)
    del sys.modules["lonely_plugin"]  # as in a worker of a sweep, which has imported none
    import_closure.code_digest.cache_clear()
    assert sources_of(named) == first
    module.write_text("x = 2\n")
    assert sources_of(named) == first  # what this process runs has not changed
    import_closure.code_digest.cache_clear()
    import_closure.parse.cache_clear()
    assert len({alone, first, sources_of(named)}) == 3
