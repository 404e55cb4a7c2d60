"""The command that compares: three files and a table."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.runs import lr, made_run, write_run
from tests.command import ROOT, environment
from trainer.analysis import compare


def answer(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    try:
        compare.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def sweep(here: Path) -> Path:
    for number, (value, seed) in enumerate((v, s) for v in (0.1, 0.2) for s in range(3)):
        run = made_run(seed, 0.5 + value + 0.01 * seed, **lr(value))
        write_run(run, here / "outputs" / "sweep" / str(number))
    write_run(made_run(0, 0.0, task={"name": "lr_range"}), here / "outputs" / "range")
    return here / "outputs"


def test_three_files_and_a_table(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(monkeypatch, str(sweep), "--out", "there/mine", "--paired") == 0
    out = capsys.readouterr().out
    folder = sweep.parent / "there"
    assert sorted(p.name for p in folder.iterdir()) == ["mine.csv", "mine.md", "mine.png"]
    assert (folder / "mine.md").read_text() in out
    assert "| optim.lr=0.2 | 3 | 71.00 |" in out
    assert "6 runs compared" in out
    assert (folder / "mine.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("no/such/folder",), 4, "no folder no/such/folder"),
        (("outputs/range",), 1, "no runs under outputs/range"),
        (("outputs", "--baseline", "optim.lr=7"), 2, "means 0 of the arms"),
        (("outputs", "--metric", "avg_val_top1"), 1, "none of the runs completed"),
        (("outputs", "--metric", "accuracy"), 2, "invalid choice"),
    ],
)
def test_mistakes_end_in_one_line(
    sweep: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    assert answer(monkeypatch, *words) == code
    assert message in capsys.readouterr().err
    assert not (sweep.parent / "compare.md").exists()


def test_the_script_is_the_same_command(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.compare", "no-such-folder"],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (
        4,
        "error: no folder no-such-folder to read runs from\n",
    )
    assert (ROOT / "scripts" / "compare.py").is_file()
