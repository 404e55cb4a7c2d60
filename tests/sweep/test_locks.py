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
from trainer.sweep.locks import FOLDER, Claim, claimed, cleared, link, present

HOLDER = """
import sys, pathlib
from trainer.sweep.claims import claimed
with claimed(pathlib.Path(sys.argv[1]), "k") as claim:
    print("held" if claim else "busy", flush=True)
    sys.stdin.readline()
"""


def hold(root: Path) -> subprocess.Popen[str]:
    """Start a process that claims the job `k`, and wait until it has."""
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
def test_a_job_is_claimed_by_one_and_free_when_that_one_dies(tmp_path: Path) -> None:
    with present(tmp_path):
        other = hold(tmp_path)
        with claimed(tmp_path, "k") as claim:
            assert claim is None
        with claimed(tmp_path, "another") as claim:
            assert claim is not None
        end(other)
        with claimed(tmp_path, "k") as claim:
            assert claim is not None
            assert claim.found is None


def test_the_next_one_learns_where_the_result_is_and_verifies_it(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "k")
    with present(tmp_path):
        with claimed(tmp_path, "k") as claim:
            assert claim is not None
            claim.finished(run)
        with claimed(tmp_path, "k") as claim:
            assert claim is not None
            assert claim.found == run
        (run / "summary.json").write_text('{"status": "failed", "key": "k"}')
        with claimed(tmp_path, "k") as claim:
            assert claim is not None
            assert claim.found is None


def test_the_last_sweep_to_leave_clears_the_claims(tmp_path: Path) -> None:
    def claims() -> list[str]:
        return sorted(p.name for p in (tmp_path / FOLDER).glob("job-*"))

    with present(tmp_path):
        with present(tmp_path), claimed(tmp_path, "k"):
            pass
        assert claims() == ["job-k"]  # the other sweep may still ask for it
    assert claims() == []


@pytest.mark.slow
def test_what_a_killed_sweep_left_is_cleared_but_what_its_worker_holds(tmp_path: Path) -> None:
    with present(tmp_path):
        other = hold(tmp_path)
        with claimed(tmp_path, "old"):
            pass
        left = (tmp_path / FOLDER / "job-old").read_bytes()
    (tmp_path / FOLDER / "job-old").write_bytes(left)  # as if the sweep had been killed
    with present(tmp_path):
        assert not (tmp_path / FOLDER / "job-old").exists()
        with claimed(tmp_path, "k") as claim:
            assert claim is None
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
        cleared(run)
    link(run, old)
    assert not run.is_symlink()
    writer.close()
    link(run, old)
    assert run.resolve() == old


def test_a_full_disk_costs_a_note_and_nothing_else() -> None:
    with open("/dev/full", "a+", encoding="utf-8") as file:
        Claim(file, "k", None).finished(Path("outputs"))


def test_claims_that_were_cleared_away_are_made_anew(tmp_path: Path) -> None:
    with claimed(tmp_path, "k") as claim:
        assert claim is not None
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"), claimed(tmp_path / "file", "k"):
        pass
