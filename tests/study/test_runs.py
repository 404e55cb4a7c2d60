"""Studies run: values are chosen, arms run on fresh seeds, files written."""

from __future__ import annotations

import csv
import re
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.analysis.runs import made_run
from tests.command import ROOT, Call
from tests.study.studies import TREE, arm, made, scored, tuned
from trainer.analysis.compare import Arm
from trainer.cli.main import exit_code
from trainer.core.errors import TrainerError
from trainer.record.runs import read_runs
from trainer.record.spread import Spread
from trainer.study import grids, timed
from trainer.study.arms import finding_of
from trainer.study.make import make
from trainer.study.page import page
from trainer.study.runs import StudyRuns, Trial, chosen, perform, trials_of, tune
from trainer.study.spec import names, study_of
from trainer.study.study import changed, merged

SMALL = (
    *("data=synthetic", "data.num_train=64", "data.num_test=40", "data.image_shape=[1,8,8]"),
    *("model.hidden=[8]", "batch_size=16"),
)


def test_the_best_mean_of_those_that_completed_is_chosen() -> None:
    def trial(word: str, mean: float | None, n: int) -> Trial:
        return Trial("a", (word,), Spread(mean, 0.0, n))

    marked = chosen([trial("x=1", 0.7, 3), trial("x=2", 0.8, 3), trial("x=3", 0.9, 1)])
    assert [t.is_chosen for t in marked] == [False, True, False]


@pytest.mark.slow
def test_trials_are_gathered_over_their_seeds() -> None:
    study = changed(tuned(), trials=2)
    jobs = study.trial_jobs()
    scores = [0.5, 0.6, 0.7, 0.7, 0.9, None, 0.8, 0.8]  # two seeds of two trials of two arms
    order = sorted(range(8), key=lambda i: (jobs[i].arm, jobs[i].values, jobs[i].seed))
    rows = [scored("", scores[order.index(i)]).runs[0] for i in range(8)]
    rows = [
        made_run(job.seed, row.val_top1 or 0.0, status=row.status)
        for job, row in zip(jobs, rows, strict=True)
    ]
    trials = trials_of(study, jobs, rows)
    assert [t.arm for t in trials] == ["a", "a", "b", "b"]
    by_values = {(t.arm, t.overrides): t for t in trials}
    found = [by_values[key] for key in sorted(by_values)]
    assert [t.spread.n for t in found] == [2, 2, 1, 2]
    assert [t.is_chosen for t in found] == [False, True, False, True]


@pytest.mark.slow
def test_an_arm_of_which_nothing_completed_has_nothing_to_choose() -> None:
    jobs = tuned().trial_jobs()
    rows = [made_run(job.seed, 0.5, status="diverged") for job in jobs]
    with pytest.raises(TrainerError, match="no run of a completed"):
        trials_of(tuned(), jobs, rows)


def test_arms_that_diverged_give_no_verdict() -> None:
    arms = (arm("plain", 0.5, 0.6), arm("trick", None, None))
    found = finding_of(StudyRuns(made(), (), {"plain": (), "trick": ()}, arms))
    assert found.sentences[0].startswith("No verdict")
    assert not found.is_shown
    text = page(made(), found, [])
    assert "Where to look next: `python -m trainer optim.lr=0.2`" in text
    assert re.search(r"\| trick \| 0 \|.*\| 2 \| 0 \|", text)


@pytest.mark.slow
def test_the_trade_off_names_the_best_value_and_its_price_on_both_sides() -> None:
    def rates(test: bool) -> list[str]:
        scores = {0.01: (0.6, 0.61, 0.62), 0.1: (0.8, 0.81, 0.82), 1.0: (None, None, None)}
        rows = [
            replace(r, config={"optim": {"lr": lr}, "seed": s}, test=r.test if test else None)
            for lr, numbers in scores.items()
            for s, r in enumerate(arm("", *numbers).runs)
        ]
        study = study_of(
            "lr", {**TREE, "arms": {}, "draw": "tradeoff", "grid": {"optim.lr": [0.1]}}
        )
        return list(grids.tradeoff_of(study, rows, "n=3.").sentences)

    cost = (
        "images are right; ten times less loses 20.0 points (95 % interval 17.7 to 22.3); ten "
        "times more diverges; 3 seeds each, 3 of all 9 runs diverged."
    )
    assert rates(test=True) == [f"optim.lr=0.1 is best (chosen on val): 81.0 % of the test {cost}"]
    assert rates(test=False) == [
        f"optim.lr=0.1 is best (chosen on val): 81.0 % of the validation {cost}"
    ]


def test_speed_is_the_median_ratio_without_the_first_epoch() -> None:
    def timed_arm(*speeds: float) -> Arm:
        runs = [
            replace(r, epochs=tuple(replace(r.epochs[0], images_per_s=s) for s in speeds))
            for r in arm("", 0.5, 0.5).runs
        ]
        return Arm("a", {}, tuple(runs))

    slow, fast = timed_arm(1.0, 10.0, 10.0, 11.0), timed_arm(99.0, 20.0, 20.0, 22.0)
    assert timed.ratios_of([slow, fast]) == [2.0, 2.0]
    assert timed.ratio_text([2.0, 2.1, 1.9], "a").startswith("Speed: 2.00 times a's images")
    assert timed.ratio_text([0.9, 1.1, 1.05], "a").endswith("not told apart.")
    assert "load average" in timed.ratio_text([2.0, 2.1, 1.9], "a")


def test_rounds_in_two_heaps_give_no_verdict_on_speed() -> None:
    slow, fast = [0.84, 0.85, 0.86, 0.85], [1.3, 1.31, 1.29, 1.3]
    text = timed.ratio_text([*slow, *fast], "fp32")
    assert text.startswith("No verdict on speed: of 8 pairs of runs, 4 near 0.85 and 4 near 1.30 ")
    assert timed.two_heaps([*slow, *fast[:3]]) is None  # too few to tell
    assert timed.two_heaps([1.0, 1.01, 1.0, 1.01] * 3) is None  # two values that hardly differ
    assert timed.two_heaps([0.1 * i for i in range(12)]) is None  # spread evenly
    assert timed.two_heaps([1.0] * 11 + [3.0]) is None  # one round alone


def test_weights_that_differ_by_more_than_rounding_are_not_called_the_same() -> None:
    same = timed.equality_text([1e-16, 3e-15])
    assert same.startswith("Two processes end with the weights of one, but for rounding")
    assert timed.equality_text([1e-16, 1e-3]).startswith("Two processes do not end with")


@pytest.mark.slow
def test_a_tiny_study_leaves_records_a_picture_and_a_page(here: Path, call: Call) -> None:
    study = changed(made(), seeds=2)
    found, files = make(study, Path("there"), quiet=True)
    assert files == ("two.png", "two.csv", "two.md")
    runs = read_runs(here / "outputs")
    assert [run.status for run in runs] == ["completed"] * 4
    assert {run.config["optim"]["lr"] for run in runs} == {0.1, 0.2}
    assert all(run.test for run in runs)
    assert [run.config["seed"] for run in found.runs] == [0, 1, 0, 1]
    assert (here / "there" / "two.png").stat().st_size > 20_000
    text = (here / "there" / "two.md").read_text()
    assert found.sentences[0] in text
    assert "- plain: `optim.lr=0.1`" in text
    assert "- data: synthetic, fingerprint" in text
    hint = "Where to look next: `python -m trainer optim.lr=0.2`" in text
    assert hint == (" gains " not in text and " loses " not in text)
    line = (*study.job("plain", (), 0).overrides, "hydra.run.dir=alone")
    assert call(*line).code == 0
    first, alone = found.runs[0], read_runs(here / "alone")[0]
    assert first.key == alone.key
    assert first.summary["weights_sha256"] == alone.summary["weights_sha256"]
    again = perform(changed(made(), seeds=3), quiet=True)
    assert [run.path for run in again.tuned[0].runs][:2] == [run.path for run in found.runs[:2]]
    assert len(read_runs(here / "outputs")) == 6


@pytest.mark.slow
def test_speed_is_timed_in_turn_and_anew(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = changed(made(draw="speed"), seeds=2)
    for _ in range(2):
        make(study, Path("there"))
    assert len(read_runs(here / "outputs")) == 2 * 4
    printed = capsys.readouterr().out.splitlines()[:4]
    order = [line.split("completed  ")[1].split("  ")[0] for line in printed]
    assert order == ["plain seed=0", "trick seed=0", "trick seed=1", "plain seed=1"]
    assert "images/s by seed, as a ratio: " in (here / "there" / "two.md").read_text()


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(here: Path) -> None:
    base = merged([*TREE["base"], "precision=fp64", "model.norm=none", "max_steps=3"])
    arms = {"one": {"overrides": ["strategy=single"]}, "two": {"overrides": ["strategy=ddp"]}}
    study = changed(made(draw="processes", base=list(base), arms=arms), seeds=2)
    found, _ = make(study, Path("there"), quiet=True)
    assert [run.summary["world_size"] for run in found.runs] == [1, 1, 2, 2]
    one, two = found.runs[:2], found.runs[2:]
    distances = timed.distances_of([Arm("one", {}, tuple(one)), Arm("two", {}, tuple(two))])
    assert all(0.0 <= distance < 1e-12 for distance in distances)
    assert found.sentences[0].startswith("Two processes end with the weights of one")


@pytest.mark.slow
def test_tuning_tries_all_on_val_and_marks_the_best(here: Path) -> None:
    arms = {
        "plain": {"overrides": ["optim.lr=1"], "tune": {"optim.lr": [0.1, 1]}},
        "trick": {"tune": {"optim.momentum": [0.5, 0.9]}},
    }
    trials = tune(made(arms=arms, tune_seeds=[1000, 1001]), quiet=True)
    assert [(t.arm, *t.overrides) for t in trials] == [
        *(("plain", "optim.lr=0.1"), ("plain", "optim.lr=1")),
        *(("trick", "optim.momentum=0.5"), ("trick", "optim.momentum=0.9")),
    ]
    tried = read_runs(here / "outputs")
    assert len(tried) == 8
    assert not any(run.test for run in tried)
    for one in trials:
        mine = [run for run in tried if set(one.overrides) <= set(run.summary["overrides"])]
        assert {run.config["seed"] for run in mine} == {1000, 1001}
        assert one.spread.mean == statistics.fmean(run.val_top1 or 0.0 for run in mine)
    for both in (trials[:2], trials[2:]):
        (best,) = (one for one in both if one.is_chosen)
        assert best.spread.mean == max(one.spread.mean or 0.0 for one in both)


def answer(*arguments: str) -> int:
    return exit_code([*arguments])


@pytest.mark.slow
def test_a_tiny_comparison_leaves_its_four_files_and_goes_on_where_it_was(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = ("study", "swa", "--scale", "cpu", *SMALL, "--seeds", "2", "--trials", "2")
    line = (*line, "--out", "there")
    assert answer(*line) == 0
    printed = capfd.readouterr().out
    files = sorted(p.name for p in (here / "there").iterdir())
    assert files == [f"swa{end}" for end in (".csv", ".md", ".png", "_trials.csv")]
    text = (here / "there" / "swa.md").read_text()
    assert text in printed
    assert "Below its stated power: n=2 where 20 were stated beforehand" in text
    assert "- data: synthetic, fingerprint" in text
    rows = list(csv.DictReader((here / "there" / "swa.csv").read_text().splitlines()))
    assert [row["arm"] for row in rows] == ["sgd", "ema", "swa"]
    assert all(row["n"] == row["untuned_n"] == "2" for row in rows)
    tried = list(csv.DictReader((here / "there" / "swa_trials.csv").read_text().splitlines()))
    assert [row["arm"] for row in tried] == ["sgd"] * 2 + ["ema"] * 2 + ["swa"] * 2
    assert [row["chosen"] for row in tried].count("yes") == 3
    runs = {run.path: run for run in read_runs(here / "outputs")}
    assert len(runs) == 3 * 2 * 2 + 3 * 2 * 2
    tested = [run for run in runs.values() if run.test]
    assert {run.config["seed"] for run in tested} == {0, 1}
    assert {run.config["seed"] for run in runs.values() if not run.test} == {1000, 1001}
    assert all(run.test_avg for run in tested if run.config["average"]["name"] != "none")
    assert answer(*line) == 0
    assert (here / "there" / "swa.md").read_text() == text
    assert {run.path for run in read_runs(here / "outputs")} == set(runs)


@pytest.mark.slow
def test_a_study_of_one_s_own_is_one_file(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docs = (ROOT / "docs" / "howto" / "studies.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", docs, re.DOTALL)
    (here / "my" / "study").mkdir(parents=True)
    (here / "my" / "study" / "smoothing.yaml").write_text(example)
    line = ("--config-dir", "my", "--seeds", "2", "epochs=1", "data=synthetic", "data.num_train=64")
    assert answer("demo", "smoothing", *line) == 0, capfd.readouterr().err
    printed = capfd.readouterr().out
    assert "page     outputs/smoothing_minute/smoothing.md" in printed
    assert "command: `python -m trainer demo smoothing" in printed
    runs = read_runs(here / "outputs")
    assert {run.config["loss"]["label_smoothing"] for run in runs} == {0.0, 0.1}
    assert len(runs) == 4


@pytest.mark.slow
def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer("demo") == 0
    listed = capsys.readouterr().out
    assert re.findall(r"^  (\w+) ", listed, re.MULTILINE) == names("minute")
    assert answer("study") == 0
    listed = capsys.readouterr().out
    assert re.findall(r"^  (\w+) ", listed, re.MULTILINE) == names()
    assert answer("study", "--scale", "cpu") == 0
    assert "swa_cifar10" in capsys.readouterr().out


@pytest.mark.slow
def test_mistakes_end_with_two_and_leave_nothing(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cpu = ("--scale", "cpu")
    for line, said in (
        (("demo", "mixupp"), "did you mean 'mixup'?"),
        (("demo", "mixup", "--seeds", "1"), "--seeds must be 2 or more"),
        (("demo", "mixup", "optim=adamm"), "did you mean 'adam"),
        (("demo", "lr", "--tune"), "nothing to tune"),
        (("demo", "mixup", "--tune", "--seeds", "3"), "--seeds has no effect"),
        (("demo", "mixup", "--out", f"{ROOT}/setup.cfg/x"), "setup.cfg is not a folder"),
        (("demo", "lr", "--config-dir", "nowhere"), "no such folder"),
        (("study", "swa_cifar10", "--scale", "minute"), "unknown scale of swa_cifar10 'minute'"),
        (("study", "swa", "--scale", "gpu"), "--scale gpu needs a CUDA GPU"),
        (("study", "swaa", *cpu), "did you mean 'swa'?"),
        (("study", "swa", *cpu, "seed=3"), "seed is the study's own"),
        (("study", "swa", *cpu, "optim=adamm"), "did you mean 'adam"),
        (("study", "swa", *cpu, "--seeds", "1001"), "seeds 1000 would be used for choosing"),
    ):
        assert answer(*line) == 2, line
        assert said in capsys.readouterr().err, line
    assert list(here.iterdir()) == []
