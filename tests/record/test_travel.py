"""Records that travel: times in every zone, links that lead nowhere, what git cannot say."""

from __future__ import annotations

import datetime
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from tests.command import TINY, Call, snapshot
from trainer import compose, train
from trainer.composition.tree import is_from_1_4
from trainer.record import provenance
from trainer.record.run_folder import make_folder
from trainer.run.summary import RunProgress

ZONES = ("Asia/Tokyo", "America/New_York", "UTC", "Pacific/Kiritimati", "America/Los_Angeles")


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a test choose the time zone."""
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def test_folders_are_in_the_order_of_time_whatever_the_zone(
    zone: pytest.MonkeyPatch, here: Path
) -> None:
    made = []
    for name in ZONES:
        zone.setenv("TZ", name)
        time.tzset()
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        made.append(make_folder(None, "zones").name)
        stamp = datetime.datetime.strptime(made[-1][:20], "%Y-%m-%d_%H-%M-%S%z")
        assert before <= stamp <= datetime.datetime.now(datetime.UTC)
    stamps = [name[:20] for name in made]
    assert stamps == sorted(stamps)


@pytest.mark.slow
def test_a_summary_says_when_in_absolute_time(
    zone: pytest.MonkeyPatch, call: Call, here: Path
) -> None:
    zone.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    before = time.time()
    assert call(*TINY, "max_steps=1", "hydra.run.dir=run").code == 0
    summary = json.loads((here / "run/summary.json").read_text())
    started, ended = (datetime.datetime.fromisoformat(summary[key]) for key in ("started", "ended"))
    assert before - 1 <= started.timestamp() <= ended.timestamp() <= time.time()
    assert started.utcoffset() == datetime.timedelta(hours=9)


@pytest.mark.parametrize(
    "line", [("resume=link",), ("repeat=link/0",), ("hydra.run.dir=link/run",)]
)
def test_a_link_that_leads_nowhere_is_named(line: tuple[str, ...], call: Call, here: Path) -> None:
    (here / "link").symlink_to("gone/away")
    done = call(*line, *(TINY if "run.dir" in line[0] else ()))
    assert done.code in (2, 4)
    assert "link is a link to gone/away, which is not there" in done.err
    assert done.err.count("\n") == 1


def test_outputs_that_lead_nowhere_are_refused(call: Call, here: Path) -> None:
    (here / "outputs").symlink_to("/nowhere/at all")
    done = call(*TINY)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "outputs is a link to /nowhere/at all, which is not there" in done.err
    assert list(snapshot(here)) in ([], ["outputs"])


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout that stands for the program's."""
    place = tmp_path / "checkout"
    (place / "trainer").mkdir(parents=True)
    (place / "trainer/old.py").write_text("x = 1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "one")):
        subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True)
    monkeypatch.setattr(provenance, "PACKAGE", place / "trainer")
    provenance.git_state.cache_clear()
    yield place
    provenance.git_state.cache_clear()


@pytest.mark.slow
def test_what_git_does_not_say_is_said_in_one_line(
    checkout: Path, call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".git/HEAD").write_text("nonsense\n")
    done = call(*TINY, "max_steps=1", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert done.out.count("commit unknown: git refuses (") == 1
    git = json.loads((here / "run/summary.json").read_text())["git"]
    assert git["commit"] == "unknown"
    assert git["unknown"].startswith("git refuses (")
    monkeypatch.setenv("PATH", str(here))
    provenance.git_state.cache_clear()
    assert provenance.git_state()[0]["unknown"] == "there is no git here"  # type: ignore[index]


def test_large_new_files_are_named_and_not_read(checkout: Path) -> None:
    (checkout / "small.py").write_text("y = 2\n")
    with open(checkout / "huge.yaml", "wb") as file:
        file.truncate(3_000_000_000)  # a hole: takes no room, but reading it would
    state, difference = provenance.git_state()
    assert state is not None
    assert state["clean"] is False
    assert "+y = 2" in difference
    assert "not read: b/huge.yaml, 3000000000 bytes" in difference
    assert len(difference) < 1000


@pytest.mark.slow
def test_a_record_is_shown_in_a_line(here: Path) -> None:
    row = train(compose(*TINY, "max_steps=1"), quiet=True)
    assert len(repr(row)) <= 120
    assert row.path.name in repr(row)
    assert "completed" in repr(row)


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "\u2501"), ("latin-1", "-"), (None, "-")])
def test_the_bar_has_signs_that_the_terminal_knows(
    encoding: str | None, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream:
        def __init__(self) -> None:
            self.encoding = encoding

    class Run:
        class state:
            step = 3

        total = 6

    monkeypatch.setattr("sys.stdout", Stream())
    monkeypatch.setattr(RunProgress, "parts", lambda self: ["step 3/6"])
    line = RunProgress(Run()).line(80)  # type: ignore[arg-type]
    assert isinstance(line, Text)
    assert line.plain.startswith(sign * 24)


@pytest.mark.parametrize(
    ("number", "is_it"),
    [("1.3.2", False), ("1.3.8", False), ("1.4.0", True), ("1.4.0rc3", True), ("2.0", True)],
)
def test_hydra_s_versions(number: str, is_it: bool) -> None:
    assert is_from_1_4(number) == is_it
