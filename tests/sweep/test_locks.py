"""Two sweeps in one place are never at the same job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import environment
from tests.sweep.test_reuse import write
from trainer.core.errors import ConfigError
from trainer.record.run_folder import Folder
from trainer.sweep.locks import FOLDER, LockedJob, job_lock, link, registered, remove_previous

HOLDER = """
import sys, pathlib
from trainer.sweep.locks import job_lock
with job_lock(pathlib.Path(sys.argv[1]), "k") as job:
    print("held" if job else "busy", flush=True)
    sys.stdin.readline()
"""


def hold(root: Path) -> subprocess.Popen[str]:
    """Start a process that locks the job `k`, and wait until it has."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


@pytest.mark.slow
def test_a_job_is_locked_by_one_and_free_when_that_one_dies(tmp_path: Path) -> None:
    with registered(tmp_path):
        other = hold(tmp_path)
        with job_lock(tmp_path, "k") as job:
            assert job is None
        with job_lock(tmp_path, "another") as job:
            assert job is not None
        end(other)
        with job_lock(tmp_path, "k") as job:
            assert job is not None
            assert job.found is None


def test_the_next_one_learns_where_the_result_is_and_verifies_it(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "k")
    with registered(tmp_path):
        with job_lock(tmp_path, "k") as job:
            assert job is not None
            job.finished(run)
        with job_lock(tmp_path, "k") as job:
            assert job is not None
            assert job.found == run
        (run / "summary.json").write_text('{"status": "failed", "key": "k"}')
        with job_lock(tmp_path, "k") as job:
            assert job is not None
            assert job.found is None


def test_the_last_sweep_to_end_clears_the_notes(tmp_path: Path) -> None:
    def names() -> list[str]:
        return sorted(path.name for path in (tmp_path / FOLDER).iterdir())

    with registered(tmp_path):
        with registered(tmp_path), job_lock(tmp_path, "k") as job:
            assert job is not None
            job.finished(tmp_path / "run")
        assert "job-k" in names()  # the other sweep may still ask for it
    assert names() == []


@pytest.mark.slow
def test_what_a_killed_sweep_left_is_cleared_but_what_its_worker_holds(tmp_path: Path) -> None:
    place = tmp_path / FOLDER
    with registered(tmp_path):
        other = hold(tmp_path)
    for name in ("job-old", "job-dead.lock", "sweep-dead", "sweep-dead.lock"):
        (place / name).write_text("as if a sweep and its worker had been killed")
    with registered(tmp_path):
        assert not any("old" in path.name or "dead" in path.name for path in place.iterdir())
        with job_lock(tmp_path, "k") as job:
            assert job is None
    end(other)


def test_a_result_that_stands_in_its_own_place_is_left_alone(tmp_path: Path) -> None:
    run = write(tmp_path / "sweep" / "0", "k")
    (tmp_path / "latest").symlink_to("sweep")
    for place in (run, tmp_path / "latest" / "0"):
        link(place, run)  # as told by another program that goes on with the same sweep
        assert not run.is_symlink()
        assert (run / "summary.json").is_file()


def test_a_link_leads_to_its_run_from_behind_other_links(tmp_path: Path) -> None:
    run = write(tmp_path / "a" / "b" / "old" / "0", "k")
    (tmp_path / "a" / "new").mkdir()
    (tmp_path / "latest").symlink_to("a/new")
    link(tmp_path / "latest" / "5", run)
    assert (tmp_path / "a" / "new" / "5").resolve() == run


def test_what_another_program_is_writing_is_not_cleared(tmp_path: Path) -> None:
    run, old = write(tmp_path / "new" / "0", "k", "failed"), write(tmp_path / "old" / "0", "k")
    writer = Folder(run)
    writer.lock()
    with pytest.raises(ConfigError, match="is being written by process"):
        remove_previous(run)
    link(run, old)
    assert not run.is_symlink()
    writer.close()
    link(run, old)
    assert run.resolve() == old


def test_a_full_disk_costs_a_note_and_nothing_else() -> None:
    LockedJob(Path("/dev/full"), None).finished(Path("outputs"))


def test_a_folder_that_was_cleared_away_is_made_anew(tmp_path: Path) -> None:
    with job_lock(tmp_path, "k") as job:
        assert job is not None
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"), job_lock(tmp_path / "file", "k"):
        pass
