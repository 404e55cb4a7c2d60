"""The command that writes the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.analysis.conftest import Answer


@pytest.mark.slow
def test_a_page_beside_the_runs(outputs: Path, answer: Answer) -> None:
    done = answer("report", str(outputs))
    assert done.code == 0
    assert "6 runs reported: " in done.out
    text = (outputs / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<title>outputs</title>" in text
    assert answer("report", "outputs", "--out", "there").code == 0
    assert Path("there.html").is_file()
    assert 'href="./sweep/5"' in text
    assert "71.00" in text
    assert "left out" not in text


@pytest.mark.slow
def test_title_metric_and_place_can_be_chosen(outputs: Path, answer: Answer) -> None:
    words = ("--metric", "train_loss", "--title", "Ours", "--out", "deep/er/page.html")
    assert answer("report", str(outputs), *words).code == 0
    text = (outputs.parent / "deep/er/page.html").read_text(encoding="utf-8")
    assert "<h1>Ours</h1>" in text
    assert "mean train_loss" in text
    assert 'href="./../../outputs/sweep/0"' in text


@pytest.mark.slow
def test_damaged_runs_are_told_and_counted_in_the_page(outputs: Path, answer: Answer) -> None:
    for number, text in ((2, "- no mapping"), (4, "seed: 1.5")):
        (outputs / "sweep" / str(number) / "config.yaml").write_text(text)
    done = answer("report", "outputs")
    assert done.code == 0
    assert [line.partition(": ")[0] for line in done.err.splitlines()] == ["left out"] * 2
    assert "4 runs reported: " in done.out
    page = (outputs / "report.html").read_text(encoding="utf-8")
    assert "2 folders are left out, since their records are damaged: 2, 4." in page


@pytest.mark.slow
@pytest.mark.parametrize("out", ["folder.html", "outputs/sweep/0/run.log/x.html"])
def test_a_place_that_cannot_be_written_is_named(outputs: Path, answer: Answer, out: str) -> None:
    (outputs.parent / "folder.html").mkdir()
    done = answer("report", "outputs", "--out", out)
    assert done.code == 2
    assert f"cannot write --out={out}: " in done.err


@pytest.mark.slow
def test_a_full_disk_is_told_as_such(
    outputs: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    done = answer("report", str(outputs))
    assert done.code == 74
    assert "no space left" in done.err


def test_without_the_library_the_exit_code_is_two(
    outputs: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    done = answer("report", str(outputs))
    assert done.code == 2
    assert done.err == "error: the report needs Bokeh: pip install bokeh jinja2\n"
    assert not (outputs / "report.html").exists()
