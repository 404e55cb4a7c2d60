"""The reproduction: every figure of the text is listed, sources are named, a report is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.runs import made_run
from trainer.analysis.compare import Arm, compare
from trainer.cli.main import exit_code
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError
from trainer.record.runs import EpochRow, RunRow
from trainer.study import make as making
from trainer.study import reproduce as command
from trainer.study import schedules
from trainer.study.arms import numbers
from trainer.study.flatness import finding as flatness
from trainer.study.outcome import Outcome, save, saved
from trainer.study.reproduce import chosen, items
from trainer.study.reproduction_report import report
from trainer.study.runs import REPORTED
from trainer.study.spec import load, names
from trainer.study.study import Study, changed

NAMES = [item.name for item in items("cpu")]
# What the text shows, section by section.
SHOWN = {
    1: ["lr"],
    2: ["schedules", "scheduler", "scheduler_cifar10"],
    3: ["optim", "optim_cifar10"],
    4: ["flatness", "swa", "swa_cifar10"],
    5: ["slices", "slices_momentum", "slices_weight_decay"],
    6: ["mixup", "mixup_cifar10"],
    7: ["precision", "bag_of_tricks"],
    8: ["ddp"],
}


@pytest.mark.slow
def test_every_figure_and_table_of_the_text_is_listed_in_its_order() -> None:
    assert [name for shown in SHOWN.values() for name in shown] == NAMES
    assert {item.name: item.text["section"] for item in items("cpu")} == {
        name: section for section, shown in SHOWN.items() for name in shown
    }
    assert set(NAMES) == set(names("smoke")) == set(names("cpu")) == set(names("gpu"))


@pytest.mark.parametrize("item", items("cpu"), ids=NAMES)
def test_an_item_says_what_is_claimed_how_it_differs_and_who_published_what(item: Study) -> None:
    assert item.text["claim"]
    assert item.text["title"]
    assert item.text["kind"] in ("figure", "table")
    differences = item.text["differences"]
    assert differences.get("all") or differences.get("cpu"), "nothing is done just as in the text"
    assert set(differences) <= {"all", "smoke", "cpu", "gpu"}
    for one in item.text.get("references", ()):
        assert one["what"]
        assert one["value"]
        assert one["source"]


@pytest.mark.slow
def test_a_word_means_an_item_a_family_a_kind_or_all() -> None:
    assert [item.name for item in chosen("swa", "cpu")] == ["swa", "swa_cifar10"]
    assert [item.name for item in chosen("slices", "cpu")] == SHOWN[5]
    assert [item.name for item in chosen("lr", "smoke")] == ["lr"]
    assert {item.text["kind"] for item in chosen("tables", "cpu")} == {"table"}
    both = len(chosen("figures", "cpu")) + len(chosen("tables", "cpu"))
    assert both == len(chosen("all", "cpu")) == len(NAMES)
    with pytest.raises(ConfigError, match="did you mean 'flatness'"):
        chosen("flatnes", "cpu")


@pytest.mark.slow
def test_the_schedules_are_those_of_the_text_s_formulas() -> None:
    for overrides in load("schedules", "cpu").settings["panels"]:
        assert schedules.farthest(overrides) < 1e-12
    # the triangle of a quarter of 400 steps up: half way up at 50, at the top at 100
    assert [schedules.cyclic(step) for step in (0, 50, 100, 200, 250)] == [0.0, 0.5, 1.0, 0.0, 0.5]
    assert schedules.step_decay(119) == 1.0
    assert schedules.step_decay(120) == pytest.approx(0.1)
    assert schedules.exponential(200) == pytest.approx(0.1)
    assert schedules.cosine(200) == pytest.approx(0.5)
    assert schedules.farthest("scheduler=cosine scheduler.min_lr=10%") == pytest.approx(
        0.1, abs=1e-3
    )
    assert schedules.TOTAL == 400


def test_flatness_begins_at_its_start_whatever_other_checkpoints_there_are() -> None:
    rows = [EpochRow(n, 21 * n, lr=0.1, train_loss=1.0, train_top1=0.5) for n in range(1, 41)]
    run = RunRow(Path("swa"), {}, tuple(rows), "completed")  # its best may be at step 21
    assert flatness.step_of("15ep", run) == 315


def outcome(**parts: Any) -> Outcome:
    given = {"command": "python -m x", "sentences": ("It gains.",), "power": "n=5, as stated."}
    return Outcome(**{**given, **parts})


def test_an_outcome_is_known_again_by_its_key_and_its_files(tmp_path: Path) -> None:
    made = outcome(files=("a.png",), ours={"slope": "+0.9"}, runs=3, seconds=1.5)
    assert saved(tmp_path, "k") is None
    save(made, tmp_path, "k")
    assert saved(tmp_path, "k") is None  # the picture is gone
    (tmp_path / "a.png").write_bytes(b"")
    assert saved(tmp_path, "k") == made
    assert saved(tmp_path, "other") is None


def test_an_outcome_is_forgotten_before_its_files_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load("schedules", "smoke")
    key = command.key_of(study)
    save(outcome(), tmp_path, key)

    def stopped(study: Study, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "make", stopped)
    assert command.make(study, tmp_path) == outcome()
    with pytest.raises(KeyboardInterrupt):
        command.make(changed(study, ["optim.lr=0.1"]), tmp_path)
    assert saved(tmp_path, key) is None


def test_the_report_has_both_numbers_the_power_and_what_was_not_made() -> None:
    two = [load("slices", "cpu"), load("precision", "cpu")]
    files = ("slices.png", "slices.md")
    made: dict[str, Outcome | str] = {
        "slices": outcome(files=files, ours={"slope": "+0.87"}, runs=120),
        "precision": "no such network",
    }
    text = report("cpu", two, made, "python -m trainer reproduce all --scale cpu")
    assert "the size that two cores can do. 1 of 2 were made, of 120 runs" in text
    assert "| slope of the ridge, log-log | +1 | +0.87 | the text, section 5;" in text
    assert "![Learning rate against batch size N](slices/slices.png)" in text
    assert "Numbers: [slices.md](slices/slices.md)" in text
    assert "Power: n=5, as stated." in text
    assert "**Not made**: no such network" in text
    assert "- Found and fitted on val, where the text's pictures show test." in text
    assert "| ResNet-50, time per epoch | 13.3 -> 4.4 min (3.0 times) |  |" in text


def test_the_staircase_has_every_preset_of_its_bag() -> None:
    study = load("bag_of_tricks", "cpu")
    presets = {n.split("/")[1] for n in Sources().options("experiment") if n.startswith(study.name)}
    told = study.settings
    assert {*told["steps"], *told["without"], "teacher"} == presets
    assert told["whole"] in told["steps"]


def arm(label: str, *errors: float) -> Arm:
    """Runs whose test error is given, in percent; without any, its one run diverged."""
    runs = [made_run(s, 1.01 - error / 100) for s, error in enumerate(errors)]
    return Arm(label, {}, tuple(runs or [made_run(0, 0.5, status="diverged")]))


def test_errors_and_differences_are_told_in_the_units_of_publications() -> None:
    # both have a sd of 0.1, and no correlation over seeds (the products of deviations sum to 0)
    arms = [
        arm("sgd", 4.9, 4.9, 4.8, 4.7, 4.7),
        arm("swa", 4.1, 3.9, 4.0, 4.1, 3.9),
        arm("ema", 6.0),
        arm("lion"),
    ]
    # a p each below its share of 0.05 with ema and lion, which have no interval: factor 1
    assert dict(numbers(compare(arms, REPORTED, is_paired=None))) == {
        "error sgd": "4.80 % (sd 0.10, n=5)",
        "error swa": "4.00 % (sd 0.10, n=5)",
        "difference swa": "+0.8 (+0.7 to +0.9) points of accuracy",
        "error ema": "6.00 % (n=1)",
    }


def answer(*arguments: str) -> int:
    return exit_code(["reproduce", *arguments])


@pytest.mark.slow
def test_what_was_made_is_not_made_again_and_stays_in_the_report(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer("lr", "--scale", "smoke", "--out", "there") == 0
    first = (here / "there" / "report.md").read_text()
    assert " is best (chosen on val): " in first
    assert "Below its stated power: 6 runs where 33 were stated beforehand, of a toy size." in first
    capsys.readouterr()
    assert answer("lr", "--scale", "smoke", "--out", "there") == 0
    assert "made already, by the same sources" in capsys.readouterr().out
    assert answer("schedules", "--scale", "smoke", "--out", "there") == 0
    both = (here / "there" / "report.md").read_text()
    assert "(lr/lr.png)" in both
    assert "(schedules/schedules.png)" in both
    for item in ("lr", "schedules"):
        assert (here / "there" / item / f"{item}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_mistakes_end_with_two_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    import torch

    assert answer("flatnes") == 2
    assert "did you mean 'flatness'" in capsys.readouterr().err
    assert answer("swa", "--scale", "big") == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert answer("slices", "--scale", "gpu") == 2
    assert "--scale gpu needs a CUDA GPU" in capsys.readouterr().err
    assert answer("lr", "optim=adamm") == 2
    assert "did you mean 'adam" in capsys.readouterr().err
    assert not list(here.rglob("*.md"))


@pytest.mark.slow
def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer() == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in NAMES)
