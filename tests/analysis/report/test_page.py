import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.analysis.runs import lr, made_run, write_run
from trainer.analysis.report import report
from trainer.analysis.report._page import SCRIPTS, library, policy, text_of
from trainer.core.errors import ConfigError, TrainerError
from trainer.record.runs import RunRow, read_run, read_runs

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


class Parsed(HTMLParser):
    """Elements of a page, with their attributes, and what stands in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script" and "type" not in dict(attrs):
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1] == ("script", {}):
            self.scripts[-1] += data


def evil_runs() -> list[RunRow]:
    return [
        made_run(0, 0.5, path=f"/o/{EVIL}", mix={"name": EVIL}, name=EVIL),
        made_run(0, 0.4, path="/o/b", status=EVIL, mix={"name": "none"}, name=EVIL, **lr(0.2)),
    ]


@pytest.mark.slow
def test_nothing_that_runs_say_becomes_an_element() -> None:
    parsed = Parsed(report(evil_runs(), Path("/o/report.html"), title=EVIL))
    tags = [tag for tag, _ in parsed.elements]
    assert "img" not in tags
    assert tags.count("script") == 2 + len(library()) + len(SCRIPTS)  # and two of data
    for tag, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "a":
            assert (attributes["href"] or "").startswith("./")


@pytest.mark.slow
def test_only_the_scripts_that_were_put_in_may_run() -> None:
    text = report(evil_runs(), Path("/o/report.html"))
    parsed = Parsed(text)
    said = next(a["content"] for t, a in parsed.elements if t == "meta" and "http-equiv" in a)
    assert said is not None
    sums = {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in parsed.scripts
    }
    assert len(sums) >= 4
    assert set(re.findall(r"'sha256-([^']+)'", said)) == sums
    assert "default-src 'none'" in said
    assert "unsafe-eval" not in said


def test_scripts_cannot_end_before_their_end() -> None:
    for script in [*library(), *(text_of(name) for name in SCRIPTS)]:
        assert "</script" not in script.lower()
        assert "<!--" not in script
        assert "\r" not in script  # which a browser would change, and the hash with it


def test_a_policy_names_each_script() -> None:
    assert policy(["a", "b"]).count("sha256-") == 2


@pytest.mark.slow
def test_two_hundred_runs_fit_into_six_megabytes() -> None:
    runs = [
        made_run(seed, 0.5 + 0.001 * i, path=f"/o/{i}", epochs=100, **lr(0.01 * (i + 1)))
        for i in range(40)
        for seed in range(5)
    ]
    assert len(report(runs, Path("/o/report.html")).encode()) <= 6_000_000


@pytest.mark.slow
def test_an_overlapping_place_counts_once() -> None:
    run = made_run(0, 0.5)
    parsed = Parsed(report([run, run], Path("r.html")))
    assert len([a for _, a in parsed.elements if "data-run" in a]) == 1


def test_runs_that_left_nothing_are_reported_too() -> None:
    run = RunRow(Path("/o/r"), {"seed": 0}, (), "unfinished")
    text = report([run], Path("/o/report.html"))
    assert "no completed run has val_top1" in text
    assert "<h2>Curves</h2>" not in text


def test_without_the_library_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    with pytest.raises(ConfigError, match=r"pip install bokeh jinja2"):
        report([made_run(0, 0.5)], Path("r.html"))


def test_no_runs_are_refused() -> None:
    with pytest.raises(TrainerError, match="no runs to report"):
        report([], Path("r.html"))


WRONG = ("a", ["a"], {"top1": "a", "commit": 1}, 3, None)
SAID = ("status", "key", "test", "seconds", "git", "message", "overrides", "best_val_top1", "host")


@pytest.mark.slow
def test_damaged_records_neither_end_the_page_nor_hide_the_others(tmp_path: Path) -> None:
    write_run(made_run(0, 0.5), tmp_path / "good")
    good = json.loads((tmp_path / "good" / "summary.json").read_text())
    row = (tmp_path / "good" / "metrics.jsonl").read_text().splitlines()[0]
    for number, (key, value) in enumerate((k, v) for k in SAID for v in WRONG):
        path = tmp_path / str(number)
        write_run(made_run(number + 1, 0.5), path)
        (path / "summary.json").write_text(json.dumps({**good, key: value}))
        damaged = {**json.loads(row), "val_top1": value, "epoch": float("nan")}
        (path / "metrics.jsonl").write_text(f"{row}\n{json.dumps(damaged)}\n")
    runs = read_runs(tmp_path)
    assert len(runs) == 1 + len(SAID) * len(WRONG)
    assert "0.5" in report(runs, tmp_path / "report.html")
    assert read_run(tmp_path / "good").status == "completed"
