"""Finished runs are found by their key, in the folders of runs alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.command import TINY
from trainer import compose
from trainer.record.runs import RunRow, read_runs
from trainer.sweep.reuse import (
    finished_runs,
    has_result,
    is_result,
    is_same_but_sources,
    places_beside,
)
from trainer.sweep.supervisor import root_of


def write(folder: Path, key: str, status: str = "completed") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "run.log").write_text("")
    (folder / "summary.json").write_text(json.dumps({"status": status, "key": key}))
    return folder


def test_results_are_found_and_nothing_else(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "sweep" / "0", "k0")
    second = write(tmp_path / "b" / "run", "k1", "diverged")  # a result too
    write(tmp_path / "b" / "failed", "k2", "failed")
    write(tmp_path / "b" / "stopped", "k3", "interrupted")
    damaged = write(tmp_path / "b" / "damaged", "k4")
    (damaged / "summary.json").write_text('{"status": "completed", "key": "k4"')
    (tmp_path / "b" / "nothing").mkdir()
    assert finished_runs(tmp_path).by_key == {"k0": first, "k1": second}


def test_links_count_once(tmp_path: Path) -> None:
    run = write(tmp_path / "old" / "0", "k")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "3").symlink_to("../old/0")
    (tmp_path / "latest").symlink_to("new")
    (tmp_path / "new" / "loop").symlink_to("..")
    assert finished_runs(tmp_path).by_key == {"k": run}
    assert [row.path for row in read_runs(tmp_path)] == [run.resolve()]
    assert [row.path for row in read_runs(tmp_path / "new")] == [run.resolve()]


def test_what_went_wrong_is_no_result(tmp_path: Path) -> None:
    assert has_result(RunRow(tmp_path, {}, (), "diverged"))
    assert not has_result(RunRow(tmp_path, {}, (), "failed"))
    assert not has_result("its worker died")


def test_a_folder_that_is_half_made_or_half_cleared_is_no_result(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", "k")
    assert is_result(whole)
    for name in ("config.yaml", "summary.json"):
        part = write(tmp_path / name, "k")
        (part / name).unlink()
        assert not is_result(part)
    assert not is_result(tmp_path / "nothing")
    assert finished_runs(tmp_path).by_key == {"k": whole}


def test_a_sweep_elsewhere_looks_at_sweeps_beside_it_and_at_nothing_else(here: Path) -> None:
    outside, outputs = here / "elsewhere", Path("outputs")
    for name in ("a", "b"):
        write(outside / name / "0", name)
        (outside / name / "sweep.yaml").write_text("[]")
    write(outside / "not_a_sweep" / "0", "c")
    write(outside / ".hidden" / "0", "d")
    (outside / ".hidden" / "sweep.yaml").write_text("[]")
    new = outside / "new"
    new.mkdir()
    assert places_beside(new, outputs) == [outside / "a", outside / "b", new]
    write(here / "outputs" / "default" / "run", "e")
    assert finished_runs(*places_beside(new, outputs)).by_key.keys() == {"a", "b", "e"}
    assert places_beside(here / "outputs" / "default" / "sweep", outputs) == [here / "outputs"]
    assert places_beside(outside / "a", outputs) == [here / "outputs", outside / "a", outside / "b"]


def test_jobs_are_locked_among_the_results_or_in_a_sweep_s_own_folder(here: Path) -> None:
    outputs = Path("outputs")
    assert root_of(here / "outputs" / "default" / "sweep", outputs) == here / "outputs"
    assert root_of(here / "mine", outputs) == here / "mine"


@pytest.mark.slow
def test_a_configuration_is_known_again_by_the_keys_that_both_versions_have(tmp_path: Path) -> None:
    run, config = write(tmp_path / "run", "k"), compose(*TINY)
    now = config.plain()
    then = {**now, "name": "other", "of_later": 3, "data": {**now["data"], "root": "/elsewhere"}}
    then.pop("tta")
    (run / "config.yaml").write_text(yaml.safe_dump(then))
    assert is_same_but_sources(run, config)
    assert not is_same_but_sources(run, compose(*TINY, "seed=1"))
    (run / "summary.json").write_text(json.dumps({"world_size": 2}))
    assert not is_same_but_sources(run, config)
    (run / "summary.json").write_text("{}")
    for damaged in ("", "[1]", "seed: [", "seed: 0"):
        (run / "config.yaml").write_text(damaged)
        assert not is_same_but_sources(run, config)


def test_of_runs_with_the_same_overrides_the_last_is_known(tmp_path: Path) -> None:
    for name in ("2026-01", "2026-02"):
        path = write(tmp_path / name, name)
        told = {"status": "completed", "key": name, "overrides": ["seed=1", "epochs=2"]}
        (path / "summary.json").write_text(json.dumps(told))
    found = finished_runs(tmp_path)
    assert found.by_overrides == {frozenset({"epochs=2", "seed=1"}): tmp_path / "2026-02"}
    assert len(found.by_key) == 2
