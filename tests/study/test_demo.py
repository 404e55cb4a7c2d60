"""Demonstrations: all eight families are there, sentences are honest, one runs from end to end."""

from __future__ import annotations

import csv
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import ROOT, TINY, Call
from trainer.analysis.compare import Arm, welch
from trainer.api import compose
from trainer.cli.main import exit_code
from trainer.core.errors import ConfigError
from trainer.record.runs import EpochRow, RunRow, read_runs
from trainer.study import demo as command
from trainer.study.demos import processes, speed, tradeoff, verdict
from trainer.study.demos import tune as tuning
from trainer.study.demos.kinds import KINDS
from trainer.study.demos.spec import demo_of, load, merged, names

FAMILIES = ("ddp", "lr", "mixup", "optim", "precision", "scheduler", "slices", "swa")
TUNING = ROOT / "docs" / "results" / "demos" / "tuning"
TREE: dict[str, Any] = {
    "title": "Two",
    "question": "which?",
    "kind": "arms",
    "seeds": 10,
    "base": [w for w in TINY if not w.startswith("epochs")] + ["max_steps=2"],
    "arms": {"plain": {"overrides": ["optim.lr=0.1"]}, "trick": {"overrides": ["optim.lr=0.2"]}},
    "where": "python -m trainer optim.lr=0.2",
}


def run(seed: int, top1: float | None, speeds: tuple[float, ...] = ()) -> RunRow:
    """A run as its folder would tell it; without a number it diverged."""
    status = "diverged" if top1 is None else "completed"
    rows = tuple(
        EpochRow(i + 1.0, i, 0.1, 1.0, 0.5, images_per_s=s, val_top1=top1)
        for i, s in enumerate(speeds or (1.0,))
    )
    test = None if top1 is None else {"top1": top1}
    return RunRow(Path("x"), {"seed": seed}, rows, status, test=test)


def arm(label: str, *numbers: float | None) -> Arm:
    return Arm(label, {}, tuple(run(seed, number) for seed, number in enumerate(numbers)))


def test_the_eight_families_are_there_and_every_kind_is_known() -> None:
    assert set(FAMILIES) <= set(names())
    assert {load(name).kind for name in names()} == set(KINDS)


@pytest.mark.parametrize("name", names())
@pytest.mark.slow
def test_every_demo_has_seeds_enough_and_words_that_compose(name: str) -> None:
    made = load(name)
    assert made.seeds >= 10
    for one in (made.arms[0], made.arms[-1]) if made.axes else made.arms:
        overrides = [w for w in made.overrides(one) if w != "strategy=ddp"]  # torchrun's alone
        config = compose(*overrides)
        assert config.threads == 1
        assert config.data.name == "digits_hard"


@pytest.mark.parametrize("name", [name for name in names() if load(name).arms[0].tune])
def test_tuned_values_are_the_best_of_those_that_were_tried(name: str) -> None:
    made = load(name)
    rows = list(csv.DictReader((TUNING / f"{name}.csv").read_text().splitlines()))
    for one in made.arms:
        mine = [row for row in rows if row["arm"] == one.label]
        tried = {" ".join(overrides) for overrides in one.trials()}
        assert {row["words"] for row in mine} == tried
        assert all(int(row["n"]) >= 2 for row in mine if row["chosen"])
        (best,) = [row for row in mine if row["chosen"]]
        assert set(best["words"].split()) <= set(one.overrides), one.label
    assert len({len(one.trials()) for one in made.arms}) == 1, "arms are tuned alike"


def test_the_last_word_of_a_key_wins() -> None:
    assert merged(["mix=none", "optim.lr=1", "mix=mixup"]) == ("mix=mixup", "optim.lr=1")


def two(first: list[float], second: list[float]) -> str:
    found = welch(first, second)
    return verdict.judged("trick", "plain", found, seeds=(len(second), len(first)))


def test_an_interval_with_zero_in_it_is_no_effect() -> None:
    said = two([0.80, 0.82, 0.84], [0.81, 0.83, 0.85])
    # t(0.975, 4) = 2.776, standard error 0.02 * sqrt(2/3) = 0.01633: 1.0 +- 4.5 points;
    # (2.776 + t(0.8, 4) = 0.941) * 0.01633 = 6.1 points
    assert said == (
        "No effect at this scale: trick against plain is +1.0 points of test accuracy (95 % "
        "interval -3.5 to +5.5; 3 seeds each, which could have shown 6.1)."
    )


def test_an_interval_without_zero_is_an_effect_of_either_sign() -> None:
    low, high = [0.70, 0.71, 0.72], [0.80, 0.81, 0.82]
    # standard error 0.01 * sqrt(2/3) = 0.00816: 10.0 +- 2.3 points
    effect = "10.0 points of test accuracy against plain (95 % interval 7.7 to 12.3; 3 seeds each)."
    assert two(low, high) == f"trick gains {effect}"
    assert two(high, low) == f"trick loses {effect}"


def test_arms_that_diverged_give_no_verdict() -> None:
    made = demo_of("two", TREE)
    said = verdict.sentence(made, [arm("plain", 0.5, 0.6), arm("trick", None, None)])
    assert said.startswith("No verdict")
    assert "| 2 |" in verdict.table(made, [arm("plain", 0.5, 0.6), arm("trick", None, None)])


def test_the_trade_off_names_the_best_value_and_its_price_on_both_sides() -> None:
    arms = [
        arm("0.01", 0.6, 0.61, 0.62),
        arm("0.1", 0.8, 0.81, 0.82),
        arm("1", None, None, None),
    ]
    said = tradeoff.judged("optim.lr", [0.01, 0.1, 1.0], arms)
    assert said == (
        "optim.lr=0.1 is best (chosen on val): 81.0 % of the test images are right; ten times "
        "less loses 20.0 points (95 % interval 17.7 to 22.3); ten times more diverges; 3 seeds "
        "each, 3 of all 9 runs diverged."
    )


def test_speed_is_the_median_ratio_without_the_first_epoch() -> None:
    slow = Arm("a", {}, tuple(run(s, 0.5, (1.0, 10.0, 10.0, 11.0)) for s in range(3)))
    fast = Arm("b", {}, tuple(run(s, 0.5, (99.0, 20.0, 20.0, 22.0)) for s in range(3)))
    assert speed.ratios_of([slow, fast]) == [2.0, 2.0, 2.0]
    assert speed.ratio_text([2.0, 2.1, 1.9], "a").startswith("Speed: 2.00 times a's images")
    assert speed.ratio_text([0.9, 1.1, 1.05], "a").startswith("No effect on speed")


def test_weights_that_differ_by_more_than_rounding_are_not_called_the_same() -> None:
    assert processes.equality_text([1e-16, 3e-15]).startswith(
        "Two processes end with the weights of"
    )
    assert processes.equality_text([1e-16, 1e-3]).startswith("Two processes do not end with")


@pytest.mark.slow
def test_a_tiny_demo_leaves_records_a_picture_and_a_sentence(here: Path, call: Call) -> None:
    made = demo_of("two", TREE)
    result = command.perform(made, seeds=2, command="python -m trainer demo two", quiet=True)
    shown, folder = result.shown, result.folder
    runs = read_runs(folder)
    assert [run.status for run in runs] == ["completed"] * 4
    assert {run.config["optim"]["lr"] for run in runs} == {0.1, 0.2}
    assert all(run.test for run in runs)
    assert [[run.config["seed"] for run in one.runs] for one in result.arms] == [[0, 1], [0, 1]]
    assert [one.runs[0].config["optim"]["lr"] for one in result.arms] == [0.1, 0.2]
    shown.figure.savefig("picture.png")
    assert Path("picture.png").stat().st_size > 20_000
    assert shown.sentence.startswith(("No effect", "trick gains", "trick loses"))
    assert "| plain | `optim.lr=0.1` | 2 |" in shown.table
    assert shown.sentence in result.page
    assert "- data: synthetic, fingerprint" in result.page
    is_hinted = "Where to look: `python -m trainer optim.lr=0.2`" in result.sentence
    assert is_hinted == (verdict.NO_EFFECT in shown.sentence)
    assert call(*made.overrides(made.arms[0]), "seed=0", "hydra.run.dir=alone").code == 0
    first, alone = result.arms[0].runs[0], read_runs(here / "alone")[0]
    assert first.key == alone.key
    assert first.summary["weights_sha256"] == alone.summary["weights_sha256"]
    again = command.perform(made, seeds=3, command="python -m trainer demo two", quiet=True)
    assert again.folder != folder
    for before, after in zip(result.arms, again.arms, strict=True):
        assert [run.path for run in after.runs][:2] == [run.path for run in before.runs]
        assert after.runs[2].path.parent == again.folder
    assert len(read_runs(here / "outputs")) == 6


@pytest.mark.slow
def test_a_demo_of_speed_times_its_arms_in_turn_and_anew(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = demo_of("two", {**TREE, "kind": "speed"})
    results = [command.perform(made, seeds=2) for _ in range(2)]
    assert [one.label for one in results[0].arms] == ["plain", "trick"]
    assert len(read_runs(here / "outputs")) == 2 * 4
    printed = capsys.readouterr().out.splitlines()[:4]
    order = [line.split("completed  ")[1].split("  ")[0] for line in printed]
    assert order == ["plain seed=0", "trick seed=0", "trick seed=1", "plain seed=1"]


@pytest.mark.slow
def test_tuning_tries_all_on_val_and_marks_the_best(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "SEEDS", range(1000, 1002))
    arms = {
        "plain": {"overrides": ["optim.lr=1"], "tune": {"optim.lr": [0.1, 1]}},
        "trick": {"overrides": [], "tune": {"optim.momentum": [0.5, 0.9]}},
    }
    trials = tuning.tune(demo_of("two", {**TREE, "arms": arms}), here / "tried", quiet=True)
    assert [(t.arm, *t.overrides) for t in trials] == [
        *(("plain", "optim.lr=0.1"), ("plain", "optim.lr=1")),
        *(("trick", "optim.momentum=0.5"), ("trick", "optim.momentum=0.9")),
    ]
    tried = read_runs(here / "tried")
    assert len(tried) == 8
    assert not any(run.test for run in tried)
    for one in trials:
        mine = [run for run in tried if set(one.overrides) <= set(run.summary["overrides"])]
        assert {run.config["seed"] for run in mine} == {1000, 1001}
        assert one.spread.mean == statistics.fmean(run.val_top1 or 0.0 for run in mine)
    for two in (trials[:2], trials[2:]):
        (best,) = (one for one in two if one.is_chosen)
        assert best.spread.mean == max(one.spread.mean or 0.0 for one in two)


def cells(name: str) -> list[Arm]:
    """Runs of a demo that trained nothing: each arm a little better than the one before."""
    made = load(name)
    arms = []
    for i, one in enumerate(made.arms):
        values = {word.split("=")[0]: yaml.safe_load(word.split("=")[1]) for word in one.overrides}
        optim = {"name": "sgd", "lr": values.get("optim.lr", 0.1)}
        config = {"optim": optim, "batch_size": values.get("batch_size", 64)}
        runs = arm(one.label, *(0.5 + 0.01 * i + 0.001 * s for s in range(3))).runs
        arms.append(
            Arm(one.label, {}, tuple(replace(r, config={**r.config, **config}) for r in runs))
        )
    return arms


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lr", "slices", "precision"])
def test_every_kind_draws_its_picture(name: str, here: Path) -> None:
    shown = KINDS[load(name).kind].show(load(name), cells(name), "facts")
    shown.figure.savefig("picture.png")
    assert Path("picture.png").stat().st_size > 20_000
    assert shown.sentence.endswith(".")


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(here: Path) -> None:
    arms = {"one": {"overrides": ["strategy=single"]}, "two": {"overrides": ["strategy=ddp"]}}
    base = [*TREE["base"], "precision=fp64", "model.norm=none", "max_steps=3"]
    made = demo_of("ddp", {**TREE, "kind": "processes", "base": merged(base), "arms": arms})
    folder = here / "runs"
    folder.mkdir()
    read = processes.run(made, folder, [0], quiet=True)
    assert [one.runs[0].status for one in read] == ["completed"] * 2
    assert [one.runs[0].summary["world_size"] for one in read] == [1, 2]
    (distance,) = processes.distances_of(read)
    assert 0.0 <= distance < 1e-12
    assert len(speed.ratios_of(read)) == 1


def answer(*arguments: str) -> int:
    return exit_code(["demo", *arguments])


def test_without_a_trick_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer() == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in names())


def test_mistakes_end_with_two_and_leave_nothing(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert answer("mixupp") == 2
    assert "did you mean 'mixup'?" in capsys.readouterr().err
    assert answer("mixup", "--seeds", "1") == 2
    assert "--seeds must be 2 or more" in capsys.readouterr().err
    assert answer("mixup", "optim=adamm") == 2
    assert "did you mean 'adam" in capsys.readouterr().err
    assert answer("lr", "--tune") == 2
    assert "nothing to tune" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_claim_must_be_one_of_the_arms() -> None:
    with pytest.raises(ConfigError, match="unknown claim 'trik'; did you mean 'trick'"):
        demo_of("two", {**TREE, "claim": "trik"})
    with pytest.raises(ConfigError, match=r"unknown key 'two\.kin'"):
        demo_of("two", {**TREE, "kin": "arms"})
