"""Finished runs are found by their key, in the folders of runs alone."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.record import RunRow, read_runs
from trainer.sweep.finished import finished_runs, has_result, is_result


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
    assert finished_runs(tmp_path) == {"k0": first, "k1": second}


def test_links_count_once(tmp_path: Path) -> None:
    run = write(tmp_path / "old" / "0", "k")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "3").symlink_to("../old/0")
    (tmp_path / "latest").symlink_to("new")
    (tmp_path / "new" / "loop").symlink_to("..")
    assert finished_runs(tmp_path) == {"k": run}
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
    assert finished_runs(tmp_path) == {"k": whole}
