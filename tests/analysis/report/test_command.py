"""The command that writes the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.runs import lr, made_run, write_run
from tests.command import environment
from trainer.analysis.report import __main__ as command


def answer(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["report", *words])
    try:
        command.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def sweep(here: Path) -> Path:
    for number, (value, seed) in enumerate((v, s) for v in (0.1, 0.2) for s in range(3)):
        run = made_run(seed, 0.5 + value + 0.01 * seed, **lr(value))
        write_run(run, here / "outputs" / "sweep" / str(number))
    (here / "folder.html").mkdir()
    write_run(made_run(0, 0.0, task={"name": "lr_range"}), here / "outputs" / "range")
    return here / "outputs"


def test_a_page_beside_the_runs(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(monkeypatch, str(sweep)) == 0
    assert "6 runs reported: " in capsys.readouterr().out
    text = (sweep / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<title>outputs</title>" in text
    assert answer(monkeypatch, str(sweep), "--out", "there") == 0
    assert Path("there.html").is_file()
    assert 'href="./sweep/5"' in text
    assert "71.00" in text


def test_title_metric_and_place_can_be_chosen(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--metric", "train_loss", "--title", "Ours", "--out", "deep/er/page.html")
    assert answer(monkeypatch, str(sweep), *words) == 0
    text = (sweep.parent / "deep/er/page.html").read_text(encoding="utf-8")
    assert "<h1>Ours</h1>" in text
    assert "mean train_loss" in text
    assert 'href="./../../outputs/sweep/0"' in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("no/such/folder",), 4, "no folder no/such/folder"),
        (("outputs/range",), 1, "no runs under outputs/range"),
        (("outputs", "--metric", "accuracy"), 2, "invalid choice"),
        (("outputs", "--out", "folder.html"), 2, "cannot write --out=folder.html: is a directory"),
        (("outputs", "--out", "outputs/sweep/0/run.log/x.html"), 2, "cannot write --out="),
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
    assert not (sweep / "report.html").exists()


def test_a_full_disk_is_told_as_such(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert answer(monkeypatch, str(sweep)) == 74
    assert "no space left" in capsys.readouterr().err


def test_without_the_library_the_exit_code_is_two(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    assert answer(monkeypatch, str(sweep)) == 2
    said = capsys.readouterr().err
    assert said == "error: the report needs Bokeh: pip install 'tricks-trainer[report]'\n"
    assert not (sweep / "report.html").exists()


def test_the_script_is_the_same_command(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.report", "no-such-folder"],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert "no folder no-such-folder" in done.stderr
