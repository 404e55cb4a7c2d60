"""The reproduction: every figure of the text is listed, sources are named, a report is whole."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.analysis.runs import made_run
from trainer.analysis.attribution import leave_one_out, staircase
from trainer.analysis.compare import Arm, compare
from trainer.cli.main import exit_code
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import EpochRow, RunRow
from trainer.study import _schedules
from trainer.study import reproduce as command
from trainer.study.comparisons.spec import names as comparisons
from trainer.study.comparisons.stages import REPORTED
from trainer.study.demos.spec import names as demos
from trainer.study.reproduction import studies, sweeps
from trainer.study.reproduction.outcome import Outcome, save, saved
from trainer.study.reproduction.registry import FILE, SCALES, chosen, item_of, items
from trainer.study.reproduction.report import report

NAMES = [item.name for item in items()]
# What the text shows, section by section.
SHOWN = {
    1: ["lr_tradeoff"],
    2: ["schedules", "schedulers_mnist", "schedulers_cifar10"],
    3: ["optimizers_mnist", "optimizers_cifar10"],
    4: ["flatness", "swa_mnist", "swa_cifar10"],
    5: ["lr_batch", "lr_momentum", "lr_weight_decay"],
    6: ["mixup_mnist", "mixup_cifar10"],
    7: ["precision", "bag_of_tricks"],
    8: ["processes"],
}


def test_every_figure_and_table_of_the_text_is_listed_in_its_order() -> None:
    assert [name for names in SHOWN.values() for name in names] == NAMES
    assert {item.name: item.section for item in items()} == {
        name: section for section, names in SHOWN.items() for name in names
    }
    assert set(comparisons()) <= set(NAMES)


@pytest.mark.parametrize("item", items(), ids=NAMES)
def test_an_item_says_what_is_claimed_how_it_differs_and_who_published_what(item: Any) -> None:
    assert item.claim
    assert item.differs("cpu"), "nothing is done here just as in the text"
    assert all(one.what and one.value and one.source for one in item.references)
    assert item.how in command.methods()
    smoke, cpu = item.at("smoke"), item.at("cpu")
    if item.how not in ("schedules",):
        assert smoke["is_toy"]
    assert "is_toy" not in cpu
    if item.how == "comparison":
        assert cpu["name"] == item.name
        assert "n" not in cpu  # its own
    if item.how in ("slice", "tradeoff"):
        for scale in SCALES:
            assert item.at(scale)["preset"] in Sources().options("sweep")
    if item.how == "demo":
        assert cpu["name"] in demos()


def test_a_word_means_an_item_a_family_a_kind_or_all() -> None:
    assert [item.name for item in chosen("swa")] == ["swa_mnist", "swa_cifar10"]
    assert [item.name for item in chosen("lr_batch")] == ["lr_batch"]
    assert {item.kind for item in chosen("tables")} == {"table"}
    assert len(chosen("figures")) + len(chosen("tables")) == len(chosen("all")) == len(NAMES)
    with pytest.raises(ConfigError, match="did you mean 'flatness'"):
        chosen("flatnes")


def test_an_item_has_all_scales() -> None:
    tree = read_yaml(FILE)["lr_batch"]
    with pytest.raises(ConfigError, match=r"lr_batch\.scales must have smoke, cpu, gpu"):
        item_of("lr_batch", {**tree, "scales": {"smoke": {}}})
    with pytest.raises(ConfigError, match="unknown kind 'pie'"):
        item_of("lr_batch", {**tree, "kind": "pie"})


def test_words_of_all_scales_are_put_together() -> None:
    (item,) = chosen("optimizers_mnist")
    assert "model.hidden=[8]" in item.at("smoke")["overrides"]
    assert item.at("cpu")["overrides"] == ()


def test_the_schedules_are_those_of_the_text_s_formulas() -> None:
    (item,) = chosen("schedules")
    for overrides in item.at("cpu")["panels"]:
        assert studies.farthest(overrides) < 1e-12
    # the triangle of a quarter of 400 steps up: half way up at 50, at the top at 100
    assert [studies.cyclic(step) for step in (0, 50, 100, 200, 250)] == [0.0, 0.5, 1.0, 0.0, 0.5]
    assert studies.step_decay(119) == 1.0
    assert studies.step_decay(120) == pytest.approx(0.1)
    assert studies.exponential(200) == pytest.approx(0.1)
    assert studies.cosine(200) == pytest.approx(0.5)
    assert studies.farthest("scheduler=cosine scheduler.min_lr=10%") == pytest.approx(0.1, abs=1e-3)
    assert _schedules.TOTAL == 400


def test_a_preset_s_jobs_are_those_of_the_command_line() -> None:
    assert len(sweeps.preset_jobs("lr_batch_cpu", ())) == 120
    jobs = sweeps.preset_jobs("lr_batch_cpu", ("batch_size=8,16", "seed=5"))
    assert len(jobs) == 2 * 10
    assert jobs[0][0] == "+sweep=lr_batch_cpu"
    assert {"batch_size=8", "seed=5"} <= set(jobs[0])


def test_flatness_begins_at_its_start_whatever_other_checkpoints_there_are() -> None:
    rows = [EpochRow(n, 21 * n, lr=0.1, train_loss=1.0, train_top1=0.5) for n in range(1, 41)]
    run = RunRow(Path("swa"), {}, tuple(rows), "completed")  # its best may be at step 21
    assert studies.step_of("15ep", run) == 315


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
    (item,) = chosen("schedules")
    _, key = command.settings_of(item, "smoke", ())
    save(outcome(), tmp_path, key)

    def stopped(told: Any, folder: Path) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "methods", lambda: {"schedules": stopped})
    with pytest.raises(KeyboardInterrupt):
        command.make(item, "smoke", ["optim.lr=0.1"], tmp_path)
    assert saved(tmp_path, key) is None


def test_the_report_has_both_numbers_the_power_and_what_was_not_made() -> None:
    two = [*chosen("lr_batch"), *chosen("precision")]
    made: dict[str, Outcome | str] = {
        "lr_batch": outcome(files=("slice.png", "slice.md"), ours={"slope": "+0.87"}, runs=120),
        "precision": "no such network",
    }
    text = report("cpu", two, made, "python -m trainer reproduce all --scale cpu")
    assert "the size that two cores can do. 1 of 2 were made, of 120 runs" in text
    assert "| slope of the ridge, log-log | +1 | +0.87 | the text, section 5;" in text
    assert "![Learning rate against batch size N](lr_batch/slice.png)" in text
    assert "Numbers: [slice.md](lr_batch/slice.md)" in text
    assert "Power: n=5, as stated." in text
    assert "**Not made**: no such network" in text
    assert "- Found and fitted on val, where the text's pictures show test." in text
    assert "| ResNet-50, time per epoch | 13.3 -> 4.4 min (3.0 times) |  |" in text


def test_rows_are_told_whose_difference_is_more_than_seeds_explain() -> None:
    arms = [
        Arm(name, {}, tuple(made_run(s, x) for s, x in enumerate(numbers)))
        for name, numbers in {"a": [0.5, 0.51], "b": [0.8, 0.81], "c": [0.8, 0.82]}.items()
    ]
    said = sweeps.differing("Steps", staircase(arms, "test_top1"))
    # t(0.975, 2) = 4.303 times the standard error 0.5 * sqrt(2) = 0.707: 30.0 +- 3.0
    assert said == (
        "Steps: these differ, in points, adjusted for 2 comparisons (Holm, p < 0.05): "
        "b +30.0 (+27.0 to +33.0)."
    )
    said = sweeps.differing("Left out", leave_one_out(arms[1:], "test_top1"))
    assert said == (
        "Left out: none shows a difference, adjusted for 1 comparison (Holm, p < 0.05)."
    )


def test_the_staircase_has_every_preset_of_its_bag() -> None:
    (item,) = chosen("bag_of_tricks")
    presets = {n.split("/")[1] for n in Sources().options("experiment") if n.startswith(item.name)}
    told = item.at("cpu")
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
    found = compare(arms, REPORTED, is_paired=None)
    result: Any = SimpleNamespace(comparison=found)  # all that is looked at of it
    # t(0.975, 8) = 2.306 times the standard error 0.1 * sqrt(2/5) = 0.0632: 0.8 +- 0.146
    assert dict(studies.numbers(result)) == {
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
    assert answer("lr_tradeoff", "--scale", "smoke", "--out", "there") == 0
    first = (here / "there" / "report.md").read_text()
    assert "The best mean is at " in first
    assert "Below its stated power: 6 runs where 33 were stated beforehand, of a toy size." in first
    capsys.readouterr()
    assert answer("lr_tradeoff", "--scale", "smoke", "--out", "there") == 0
    assert "made already, by the same sources" in capsys.readouterr().out
    assert answer("schedules", "--scale", "smoke", "--out", "there") == 0
    both = (here / "there" / "report.md").read_text()
    assert "(lr_tradeoff/lr_tradeoff.png)" in both
    assert "(schedules/schedules.png)" in both
    for item in ("lr_tradeoff", "schedules"):
        assert (here / "there" / item / f"{item}.png").stat().st_size > 10_000


def test_mistakes_end_with_two_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    import torch

    assert answer("flatnes") == 2
    assert "did you mean 'flatness'" in capsys.readouterr().err
    assert answer("swa", "--scale", "big") == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert answer("lr_batch", "--scale", "gpu") == 2
    assert "--scale gpu needs a CUDA GPU" in capsys.readouterr().err
    assert answer("lr_tradeoff", "optim=adamm") == 2
    assert "did you mean 'adam" in capsys.readouterr().err
    assert not list(here.rglob("*.md"))


def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer() == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in NAMES)
