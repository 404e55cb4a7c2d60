"""The folder of a run: one writer, never shared, whole at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import environment
from trainer.core.errors import ConfigError
from trainer.record.run_folder import Folder, check_folder, make_folder, removed_if_unused
from trainer.record.runs import EpochRow, read_lines

HOLD = """
import sys, time
from pathlib import Path
from trainer.record.run_folder import Folder
folder = Folder(Path(sys.argv[1]))
folder.lock()
print("held", flush=True)
time.sleep(60)
"""


def row(step: int) -> EpochRow:
    return EpochRow(epoch=step / 2, step=step, lr=0.1, train_loss=1.0, train_top1=0.5)


@pytest.mark.slow
def test_a_second_writer_is_refused_and_a_killed_one_leaves_the_lock_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match=f"is being written by process {holder.pid}"):
        Folder(tmp_path).lock()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    mine = Folder(tmp_path)
    mine.lock()
    mine.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_made_in_one_second_differ_and_latest_is_the_newest(tmp_path: Path) -> None:
    made = [make_folder(None, "mine", tmp_path) for _ in range(5)]
    assert len(set(made)) == 5
    assert {p.parent for p in made} == {tmp_path / "mine"}
    assert (tmp_path / "latest").resolve() == made[-1]


def test_a_folder_with_something_in_it_is_never_shared(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for check in (check_folder, lambda wanted: make_folder(wanted, "x")):
        with pytest.raises(ConfigError, match="is not empty: two runs never share a folder"):
            check(str(tmp_path))
    with pytest.raises(ConfigError, match="is not a folder"):
        check_folder(str(tmp_path / "file" / "inner"))


def test_checking_creates_nothing(tmp_path: Path) -> None:
    check_folder(str(tmp_path / "a" / "b"))
    assert list(tmp_path.iterdir()) == []


def test_an_unused_folder_is_removed_and_a_used_one_is_not(tmp_path: Path) -> None:
    for name, is_used in (("empty", False), ("used", True)):
        path = tmp_path / name
        path.mkdir()
        if is_used:
            (path / "run.log").write_text("x")
        with pytest.raises(RuntimeError), removed_if_unused(path):
            raise RuntimeError
        assert path.exists() == is_used


def test_rows_after_a_step_and_half_written_ones_are_cut(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for step in (2, 4, 6):
        folder.add_row(row(step))
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 4, "st')
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [2, 4, 6]
    folder.cut_rows(4)
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [2, 4]
    folder.add_row(row(6))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_lock_file_removed_while_it_was_opened_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opens the first's file, the first removes it and goes, a third makes its own."""
    import fcntl

    first, second, third = Folder(tmp_path), Folder(tmp_path), Folder(tmp_path)
    first.lock()
    lock, events = fcntl.flock, iter([first.close, third.lock])

    def late(file: object, flags: int) -> None:
        event = next(events, None)
        if event == first.close:
            first.close()
            third.lock()  # calls this again, and passes
        lock(file, flags)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(ConfigError, match="is being written by"):
        second.lock()
    third.close()
    second.lock()
    second.close()
    assert list(tmp_path.iterdir()) == []
