"""`rm`: it deletes what is named and nothing else, and asks first."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.records import put_run, put_sweep
from tests.command import TINY, Call, Outcome, snapshot
from trainer.record.run_folder import Folder


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def outputs(here: Path) -> Path:
    """A run, one more, and a sweep with a job of its own and a link to the first run."""
    put_run(here / "outputs" / "default" / "one", when=1)
    put_run(here / "outputs" / "default" / "two", when=2)
    jobs = ("completed", "link:outputs/default/one")
    put_sweep(here / "outputs" / "lr" / "sweep", jobs, when=3)
    (here / "outputs" / "latest").symlink_to("lr/sweep")
    return here / "outputs"


def without(before: dict[str, str], *gone: str) -> dict[str, str]:
    return {
        name: content
        for name, content in before.items()
        if not any(name == g or name.startswith(f"{g}/") for g in gone)
    }


def test_a_run_that_is_named_goes_and_nothing_else(call: Call, outputs: Path) -> None:
    before = snapshot(outputs)
    done = call("rm", "outputs/default/two", "--yes")
    assert (done.code, done.err) == (0, "")
    assert "outputs/default/two" in done.out
    assert snapshot(outputs) == without(before, "default/two")
    assert (outputs / "latest").is_symlink()
    assert call("rm", "outputs/default/two", "--yes").code == 4


def test_a_sweep_goes_with_its_jobs_and_not_with_what_they_link_to(
    call: Call, outputs: Path
) -> None:
    before = snapshot(outputs)
    done = call("rm", "outputs/lr/sweep", "outputs/lr/sweep/0", "--yes")
    assert done.code == 0
    assert "a sweep of 1 runs" in done.out
    assert snapshot(outputs) == without(before, "lr/sweep", "latest")
    assert not (outputs / "latest").is_symlink()


def test_sweeps_that_link_to_it_are_named(call: Call, outputs: Path) -> None:
    before = snapshot(outputs)
    done = call("rm", "outputs/default/one")
    assert (done.code, "add --yes" in done.err) == (2, True)
    assert f"{outputs}/lr/sweep links to {outputs}/default/one as its job 1" in done.out
    assert snapshot(outputs) == before
    assert "links to" not in call("rm", "outputs/default/two").out
    assert "links to" not in call("rm", "outputs/default/one", "outputs/lr/sweep").out


@pytest.mark.parametrize(("said", "is_gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_it_asks(
    call: Call, outputs: Path, monkeypatch: pytest.MonkeyPatch, said: str, is_gone: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    done = call("rm", "outputs/default/two")
    assert done.code == 0
    assert "delete? [y/N]" in done.out
    assert (outputs / "default" / "two").exists() is not is_gone
    assert ("nothing is deleted" in done.out) is not is_gone


def refused(call: Call, path: str) -> Outcome:
    done = call("rm", "outputs/default/two", path, "--yes")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    return done


def test_what_is_no_run_is_refused_and_nothing_is_deleted(call: Call, outputs: Path) -> None:
    put_run(outputs.parent / "outer", when=1)
    put_run(outputs.parent / "outer" / "inner", when=1)
    (outputs / "default" / "notes").mkdir()
    (outputs / "default" / "notes" / "config.yaml").write_text("mine: 1")
    put_sweep(outputs.parent / "wide", ("completed",), when=1)
    put_run(outputs.parent / "wide" / "default" / "run", when=1)
    before = snapshot(outputs.parent)
    for path, why in (
        ("outputs", "is no run and no sweep"),
        ("outputs/default", "is no run and no sweep"),
        ("outputs/default/notes", "is no run and no sweep"),
        ("outputs/default/one/config.yaml", "is no run and no sweep"),
        ("outputs/latest", f"is a link: name the folder, {outputs}/lr/sweep"),
        ("outputs/latest/", "is a link"),
        ("outputs/lr/sweep/1", f"is a link: name the folder, {outputs}/default/one"),
        ("outer", "holds other runs, such as"),
        ("wide", "holds other runs, such as"),
    ):
        assert why in refused(call, path).err, path
    assert snapshot(outputs.parent) == before


def test_the_working_folder_is_not_deleted(
    call: Call, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outputs / "lr" / "sweep" / "0")
    done = call("rm", str(outputs / "lr" / "sweep"), "--yes")
    assert (done.code, "holds the working folder" in done.err) == (2, True)


def test_what_is_running_is_refused(call: Call, outputs: Path) -> None:
    for path, named in (("default/one", "default/one"), ("lr/sweep/0", "lr/sweep")):
        folder = Folder(outputs / path)
        folder.lock()
        before = snapshot(outputs)
        assert "is being written by process" in refused(call, f"outputs/{named}").err
        assert snapshot(outputs) == before
        folder.close()


def test_a_damaged_run_can_be_deleted(call: Call, outputs: Path) -> None:
    (outputs / "default" / "two" / "config.yaml").write_text("seed: [")
    assert call("rm", "outputs/default/two", "--yes").code == 0
    assert not (outputs / "default" / "two").exists()


@pytest.mark.slow
def test_a_sweep_does_again_what_was_deleted(call: Call, here: Path) -> None:
    assert call(*TINY, "max_steps=1").code == 0
    (run,) = (path.parent for path in here.glob("outputs/default/*/run.log"))
    done = call("-m", *TINY, "max_steps=1", "report_test=true", "seed=0,1")
    sweep = (here / "outputs" / "latest").resolve()
    assert done.code == 0, done.err
    links = [path for path in sweep.iterdir() if path.is_symlink()]
    done = call("rm", str(run), "--yes")
    assert done.code == 0
    assert not run.exists()
    assert len(links) == 1
    assert f"{sweep} links to {run} as its job {links[0].name}" in done.out
    again = call(f"resume={sweep}")
    assert again.code == 0, again.err
    assert all((sweep / str(job) / "summary.json").is_file() for job in (0, 1))
