"""Runs are shown as one line, as a table of HTML that nothing breaks out of, and as a DataFrame."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.runs import lr, made_run, write_run
from trainer import read_runs
from trainer.core.errors import ConfigError
from trainer.record.run_list import LINE, ROWS, Runs
from trainer.record.runs import RunRow

EVIL = "</td><script>alert(1)</script><img src=x onerror='a'>\"&\n"
TEXTS = st.one_of(st.text(max_size=300), st.just(EVIL), st.just(EVIL * 9))
SHARES = st.one_of(st.none(), st.floats())


class Tags(HTMLParser):
    """The tags of a text, and what stands in its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[Any] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def sweep() -> Runs[RunRow]:
    """Return six runs: three learning rates, two seeds."""
    rates = (0.01, 0.1, 1.0)
    return Runs(made_run(s, r / 2, path=f"out/{r}", **lr(r)) for r in rates for s in (0, 1))


@pytest.mark.slow
@settings(max_examples=50)
@given(TEXTS, TEXTS, SHARES, st.integers(0, 3))
def test_a_run_prints_as_one_short_line(
    path: str, status: str, top1: float | None, epochs: int
) -> None:
    made = made_run(0, top1 or 0.5, path=path, status=status, epochs=epochs, note="x" * 5000)
    for text in (repr(made), str(made), f"{made}"):
        assert len(text) <= LINE
        assert text.isprintable()
        assert text.startswith("RunRow(")
        assert text.endswith(")")


def test_the_line_says_where_how_it_ended_and_its_scores() -> None:
    made = made_run(3, 0.75, path="outputs/rates")
    assert repr(made) == (
        "RunRow(outputs/rates/3, completed, 2 epochs, val top1 75.00 %, test top1 74.00 %)"
    )
    assert repr(made_run(3, 0.75, status="failed", epochs=0)) == "RunRow(run/3, failed, 0 epochs)"


@given(TEXTS, TEXTS, TEXTS)
def test_nothing_that_a_run_says_becomes_an_element(path: str, status: str, name: str) -> None:
    runs = Runs([made_run(0, 0.5, path=path, status=status, name=name), made_run(1, 0.5)])
    for shown, rows in ((runs, 2), (runs[0], 1)):
        found = Tags(shown._repr_html_())
        assert set(found.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
        assert (found.tags.count("tr"), found.attributes) == (rows + 1, [])
        assert len(found.cells) == found.tags.count("th") * (rows + 1)


def test_the_table_has_the_settings_in_which_runs_differ() -> None:
    found = Tags(sweep()._repr_html_()).cells
    heads = ["run", "seed", "optim.lr", "status", "epochs", "val top1", "test top1", "train s"]
    assert found[:8] == heads
    assert found[8:16] == ["0.01/0", "0", "0.01", "completed", "2", "0.50 %", "-0.50 %", "3.0"]
    assert found[-7:-5] == ["1", "1.0"]


def test_a_long_list_is_cut_short_and_says_so() -> None:
    runs = Runs(made_run(seed, 0.5) for seed in range(ROWS + 7))
    assert repr(runs).count("\n") == ROWS + 1
    assert repr(runs).endswith("\nand 7 more")
    assert Tags(runs._repr_html_()).tags.count("tr") == ROWS + 1
    assert "and 7 more runs" in runs._repr_html_()
    assert Tags(Runs()._repr_html_()).tags.count("tr") == 1


def test_runs_are_a_list_also_where_they_are_cut(tmp_path: Path) -> None:
    for run in sweep():
        write_run(run, tmp_path / run.path)
    runs = read_runs(tmp_path)
    assert isinstance(runs, list)
    assert runs == list(runs)
    assert [type(runs), type(runs[1:4]), type(runs[::-1])] == [Runs] * 3
    assert (len(runs), runs[1:4], runs[-1]) == (6, list(runs)[1:4], list(runs)[-1])


def test_a_frame_has_a_row_for_each_run_and_a_column_for_each_setting_and_score() -> None:
    pytest.importorskip("pandas")
    runs = sweep()
    runs.append(made_run(5, 0.5, status="failed", epochs=0, augment=[["flip", {"p": 1}], "crop"]))
    frame = runs.to_frame()
    assert len(frame) == 7
    assert list(frame.columns[:7]) == [
        *("path", "status", "key", "seed", "name", "optim.name", "optim.lr")
    ]
    for run, (_, row) in zip(runs, frame.iterrows(), strict=True):
        assert (row["path"], row["status"]) == (str(run.path), run.status)
        assert {k: row[k] for k in run.settings if k != "augment"} == {
            k: v for k, v in run.settings.items() if k != "augment"
        }
    assert frame["val_top1"].tolist()[:6] == [run.val_top1 for run in runs[:6]]
    assert frame["test.top1"].tolist()[0] == pytest.approx(-0.005)
    assert frame["seconds.train"].tolist() == [3.0] * 7
    assert frame[["val_top1", "test.top1"]].isna().to_numpy().tolist() == [
        *([[False, False]] * 6),
        [True, True],
    ]
    assert frame.nunique()["augment"] == 1  # a list would not be hashable
    assert len(frame.groupby("optim.lr")["val_top1"].mean()) == 3


def test_no_runs_are_an_empty_frame() -> None:
    pytest.importorskip("pandas")
    assert Runs().to_frame().shape == (0, 3)


def test_without_pandas_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"^to_frame\(\) needs a package: pip install pandas$"):
        sweep().to_frame()
