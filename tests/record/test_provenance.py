"""The key of a result: what moves a number moves it, what does not leaves it alone."""

from __future__ import annotations

import copy
import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY
from trainer import compose
from trainer.record import provenance
from trainer.run import identity

FACTS = {"fingerprint": "f", "weights": {}, "device": "cpu", "precision": "fp32", "sources": "s"}
CONFIG = compose(*TINY).plain()


def key(config: dict[str, Any] = CONFIG, **facts: Any) -> str:
    return identity.result_key(config, **{**FACTS, **facts})


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the configuration with one value changed."""
    config = copy.deepcopy(CONFIG)
    *groups, last = path.split(".")
    node = config
    for group in groups:
        node = node[group]
    assert last in node
    node[last] = value
    return config


@pytest.mark.parametrize("path", ["name", "data.root", "data.workers", "data.resident_share"])
def test_paths_names_and_workers_are_not_in_it(path: str) -> None:
    assert key(changed(path, "other")) == key()


@pytest.mark.parametrize(
    "path", ["seed", "threads", "optim.lr", "data.val", "model.hidden", "scheduler.name", "epochs"]
)
def test_what_determines_a_result_is_in_it(path: str) -> None:
    assert key(changed(path, "other")) != key()


@pytest.mark.parametrize("fact", [name for name in FACTS if name != "weights"])
def test_images_device_precision_and_sources_are_in_it(fact: str) -> None:
    assert key(**{fact: "other"}) != key()


@pytest.mark.parametrize("package", ["torchvision", "numpy"])
def test_versions_of_what_computes_are_in_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version = key(), importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0" if name == package else version(name)
    )
    assert key() != before


def test_weights_count_by_their_hash_wherever_they_lie() -> None:
    one, other = changed("init_from", "/a/run@best"), changed("init_from", "/b/w.safetensors")
    read = {"init_from": "1" * 64}
    assert key(one, weights=read) == key(other, weights=read) != key()
    assert key(one, weights={"init_from": "2" * 64}) != key(one, weights=read)
    paths = [changed("loss", {"name": "distill", "teacher": p}) for p in ("/a", "/b")]
    read = {"loss.teacher": "1" * 64}
    assert key(paths[0], weights=read) == key(paths[1], weights=read)
    assert key(paths[0], weights={"loss.teacher": "2" * 64}) != key(paths[0], weights=read)
    assert paths[0]["loss"]["teacher"] == "/a"


def test_every_configured_value_but_a_few_is_in_it() -> None:
    unrelated = {
        *identity.UNRELATED,
        *(f"data.{k}" for k in identity.UNRELATED_DATA),
        *(f"strategy.{k}" for k in identity.UNRELATED_STRATEGY),
    }
    moved = 0
    for name, value in CONFIG.items():
        for inner in value if isinstance(value, dict) else [None]:
            path = name if inner is None else f"{name}.{inner}"
            if name in unrelated or path in unrelated:
                continue
            assert key(changed(path, "another value")) != key(), path
            moved += 1
    assert moved >= 30


def test_versions_name_what_it_stands_on() -> None:
    versions = provenance.versions()
    assert {"python", "trainer", "torch", "numpy", "hydra-core", "safetensors"} <= set(versions)


def test_a_plugin_s_sources_are_in_the_digest(tmp_path, monkeypatch) -> None:
    (tmp_path / "apart").mkdir()
    module = tmp_path / "apart" / "lonely_plugin.py"
    module.write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "apart"))
    digest = identity.sources_digest
    alone, first = digest(()), digest(("lonely_plugin",))
    module.write_text("x = 2\n")
    assert digest(("lonely_plugin",)) == first  # what this process runs has not changed
    digest.cache_clear()
    assert len({alone, first, digest(("lonely_plugin",))}) == 3


def test_new_files_are_part_of_what_differed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*overrides: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        subprocess.run(["git", *who, *overrides], cwd=tmp_path, check=True, capture_output=True)

    package = tmp_path / "trainer"
    (package / "new").mkdir(parents=True)
    (package / "old.py").write_text("x = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    provenance.git_state.cache_clear()
    (package / "old.py").write_text("x = 2\n")
    (package / "new" / "trick.py").write_text("y = 3\n")
    (package / "new" / "trick.yaml").write_text("name: trick\n")
    (package / "new" / "note.txt").write_text("not of the program\n")
    try:
        facts, difference = provenance.git_state()
    finally:
        provenance.git_state.cache_clear()
    assert facts is not None
    assert not facts["clean"]
    for line in ("+x = 2", "+++ b/trainer/new/trick.py", "+y = 3", "+name: trick"):
        assert line in difference.splitlines()
    assert "note" not in difference
