"""Comparisons: arms are tried alike, what is said follows from the numbers, one runs to its end."""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.runs import made_run
from tests.command import ROOT, Call
from trainer.analysis.compare import Arm, compare
from trainer.api import compose
from trainer.cli.main import exit_code
from trainer.core.errors import ConfigError, TrainerError
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import read_runs
from trainer.record.spread import Spread
from trainer.study import comparison as command
from trainer.study._trials import Trial, chosen
from trainer.study.comparisons import stages, verdict
from trainer.study.comparisons.spec import ComparisonPlan, changed, load, names, plan_of
from trainer.study.comparisons.stages import ComparisonResult
from trainer.study.demos.pictures import framed

SMALL = (
    *("data=synthetic", "data.num_train=64", "data.num_test=40", "data.image_shape=[1,8,8]"),
    *("model.hidden=[8]", "batch_size=16"),
)
ASKED: dict[str, Any] = {"title": "Two", "question": "which?", "claim": "b", "n": 3}
SWEEPER: dict[str, Any] = {
    "trials": 12,
    "params": {"seed": "1000,1001"},
    "arms": {
        "a": {"optim": "sgd", "optim.lr": "tag(log, interval(1e-3, 1e-1))"},
        "b": {"optim": "adam", "optim.lr": "tag(log, interval(1e-4, 1e-2))", "optim.eps": 1e-7},
    },
}


def two() -> ComparisonPlan:
    return plan_of("two", ASKED, SWEEPER)


def arm(label: str, *numbers: float | None) -> Arm:
    """Runs whose test accuracy is one point below the number; without a number they diverged."""
    runs = [
        made_run(seed, 0.5 if x is None else x, status="diverged" if x is None else "completed")
        for seed, x in enumerate(numbers)
    ]
    return Arm(label, {"optim": label}, tuple(runs))


def result(
    plan: ComparisonPlan, tuned: dict[str, list[float]], values: dict[str, str]
) -> ComparisonResult:
    """A comparison that trained nothing; untuned arms are five points worse."""
    arms = tuple(arm(label, *numbers) for label, numbers in tuned.items())
    untuned = tuple(arm(label, *(x - 0.05 for x in numbers)) for label, numbers in tuned.items())
    trials = tuple(
        Trial(label, (f"optim.lr={values[label]}",), Spread(0.9, 0.01, 2), is_chosen=True)
        for label in tuned
    )
    found = compare(arms, stages.REPORTED, is_paired=None, against=plan.against)
    picked = {trial.arm: trial.overrides for trial in trials}
    return ComparisonResult(plan, trials, picked, arms, untuned, found)


@pytest.mark.parametrize("name", names())
def test_a_comparison_tries_all_arms_alike_and_reports_on_fresh_seeds(name: str) -> None:
    plan = load(name)
    jobs = plan.trials()
    counts = {label: len({j.values for j in jobs if j.arm == label}) for label in plan.labels}
    assert set(counts.values()) == {12}
    assert len({sum(j.arm == label for j in jobs) for label in plan.labels}) == 1
    assert {job.seed for job in jobs} & set(range(plan.n)) == set()
    assert plan.n >= (20 if name.endswith("_mnist") else 5)
    least = {"schedulers": 5, "optimizers": 6, "swa": 3, "mixup": 4}[name.split("_")[0]]
    assert len(plan.labels) >= least
    for label in plan.labels:
        keys = set(plan.searched(label))
        assert "optim.lr" in keys
        assert "optim.weight_decay" in keys or name.startswith("mixup")
        assert "optim.momentum" in keys or "optim=" in " ".join(plan.fixed(label))
        assert set(plan.ranges(label)) == keys
        assert not any(word.startswith(tuple(keys)) for word in plan.fixed(label))


@pytest.mark.parametrize("name", names())
def test_hypothesis_and_n_stand_in_the_preset(name: str) -> None:
    plan = load(name)
    tree = read_yaml(ROOT / "conf" / "sweep" / f"{name}.yaml")["hydra"]["sweeper"]
    values = [value for arm in tree["arms"].values() for value in arm.values()]
    assert {type(value) for value in values} == {str}, "Hydra takes nothing else there"
    header = (ROOT / "conf" / "sweep" / f"{name}.yaml").read_text().split("defaults:")[0]
    assert f"python -m trainer comparison {name}\n" in header
    assert re.search(r"# Hypothesis: \w.{20,}", header)
    trials, final = len(plan.trials()), 2 * plan.n * len(plan.labels)
    assert f"# n:          {plan.n} fresh seeds" in header
    assert f"#             {trials} + {final} runs" in header


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_arm_composes(name: str) -> None:
    plan = load(name)
    jobs = plan.trials()
    for label in plan.labels:
        config = compose(*plan.overrides(label, (), 0))
        assert config.data.name == {"mnist": "mnist", "cifar10": "cifar10_jpeg"}[name.split("_")[1]]
        compose(*next(job.overrides for job in jobs if job.arm == label))


def test_an_arm_is_its_fixed_words_and_what_is_tried() -> None:
    plan = two()
    assert plan.fixed("b") == ("optim=adam", "optim.eps=1e-07")
    assert list(plan.searched("b")) == ["optim.lr"]
    jobs = plan.trials()
    assert [job.arm for job in jobs] == ["a"] * 24 + ["b"] * 24
    assert {job.seed for job in jobs} == {1000, 1001}
    assert jobs[0].overrides == ("+sweep=two", "optim=sgd", *jobs[0].values, "seed=1000")
    rates = [float(job.values[0].split("=")[1]) for job in jobs if job.arm == "b"]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert sum(rate < 1e-3 for rate in rates) == 12  # half of the draws in each decade
    fixed = changed(plan, line=["optim.lr=0.1"], n=None, trials=None)
    assert fixed.searched("a") == {}
    assert [job.overrides for job in fixed.trials()][:2] == [
        ("+sweep=two", "optim=sgd", "optim.lr=0.1", f"seed={seed}") for seed in (1000, 1001)
    ]


def test_the_best_mean_of_those_that_completed_is_chosen() -> None:
    def trial(word: str, mean: float | None, n: int) -> Trial:
        return Trial("a", (word,), Spread(mean, 0.0, n))

    marked = chosen([trial("x=1", 0.7, 3), trial("x=2", 0.8, 3), trial("x=3", 0.9, 1)])
    assert [t.is_chosen for t in marked] == [False, True, False]


def test_trials_are_gathered_over_their_seeds() -> None:
    plan = changed(two(), line=(), n=None, trials=2)
    jobs = plan.trials()
    scores = [0.5, 0.6, 0.7, 0.7, 0.9, None, 0.8, 0.8]  # two seeds of two trials of two arms
    runs = [arm("", score).runs[0] for score in scores]
    seeded = [made_run(j.seed, r.val_top1 or 0, status=r.status) for j, r in zip(jobs, runs)]  # noqa: B905
    order = sorted(range(8), key=lambda i: (jobs[i].arm, jobs[i].values, jobs[i].seed))
    by_place = [seeded[order.index(i)] for i in range(8)]
    rows = [made_run(j.seed, r.val_top1 or 0, status=r.status) for j, r in zip(jobs, by_place)]  # noqa: B905
    trials = stages.trials_of(plan, jobs, rows)
    assert [t.arm for t in trials] == ["a", "a", "b", "b"]
    by_values = {(t.arm, t.overrides): t for t in trials}
    found = [by_values[key] for key in sorted(by_values)]
    assert [t.spread.n for t in found] == [2, 2, 1, 2]
    assert [t.is_chosen for t in found] == [False, True, False, True]


def test_final_runs_are_both_kinds_of_every_arm_seed_by_seed() -> None:
    plan = two()
    jobs = stages.final_jobs(plan, {"a": ("optim.lr=0.02",), "b": ("optim.lr=0.003",)})
    assert len(jobs) == 3 * 2 * 2
    assert [job.arm for job in jobs[:4]] == ["a", "a", "b", "b"]
    assert jobs[2].overrides == (
        *("+sweep=two", "optim=adam", "optim.eps=1e-07", "optim.lr=0.003", "seed=0"),
        "report_test=true",
    )
    assert not any(word.startswith("optim.lr") for word in jobs[3].overrides)
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4 + [2] * 4


def test_conclusions_follow_the_numbers_in_either_direction() -> None:
    low, high = [0.70, 0.71, 0.72], [0.80, 0.81, 0.825]
    values = {"a": "0.01", "b": "0.001"}
    up = list(verdict.conclusions(result(two(), {"a": low, "b": high}, values)))
    down = list(verdict.conclusions(result(two(), {"a": high, "b": low}, values)))
    assert up[0].startswith("b gains 10.2 points of test accuracy against a (95 % interval")
    assert down[0].startswith("b loses 10.2 points of test accuracy against a (95 % interval")
    assert "(Holm, p < 0.05), these differ from a: b (+10.2)." in up[1]
    assert "these differ from a: b (-10.2)." in down[1]
    assert "b's when tuned, too. Tuned less untuned, in points: a +5.0, b +5.0." in up[2]
    assert up[3].startswith("n=3, as stated beforehand; ")
    assert len(up) == len(down) == 4
    none = list(verdict.conclusions(result(two(), {"a": low, "b": [0.69, 0.71, 0.73]}, values)))
    assert none[0].startswith("No effect at this scale: b against a is +0.00 points")
    assert none[1].startswith("None of the 1 arms differs from a by more than seeds explain")


def test_fewer_seeds_than_were_stated_are_said() -> None:
    fewer = changed(two(), line=(), n=2, trials=None)
    said = verdict.power_text(
        result(fewer, {"a": [0.7, 0.72], "b": [0.7, 0.73]}, {"a": "1", "b": "1"})
    )
    assert said.startswith("Below its stated power: n=2 where 3 were stated beforehand; ")
    lost = {"a": [0.7, 0.72, 0.71], "b": [0.7, 0.73]}
    said = verdict.power_text(result(two(), lost, {"a": "1", "b": "1"}))
    assert said.startswith("Below its stated power: of 3 seeds of an arm as few as 2 completed; ")


def test_a_chosen_value_at_the_end_of_its_range_is_mistrusted() -> None:
    numbers = {"a": [0.7, 0.71, 0.72], "b": [0.7, 0.71, 0.72]}
    # a twentieth of two decades is a factor of 1.26: 0.0012 and 0.083 lie within it, 0.0013 not
    assert list(verdict.edges(result(two(), numbers, {"a": "0.0013", "b": "0.001"}))) == []
    (low,) = verdict.edges(result(two(), numbers, {"a": "0.0012", "b": "0.001"}))
    assert low.startswith("Mistrust a: optim.lr=0.0012 lies at the lower end of what was tried")
    (high,) = verdict.edges(result(two(), numbers, {"a": "0.083", "b": "0.001"}))
    assert "upper end of what was tried (0.001 to 0.1)" in high


def test_mixup_is_compared_at_each_weight_decay() -> None:
    plan = load("mixup_mnist")
    assert plan.baseline_of("mixup 1e-4") == "none 1e-4"
    assert plan.baseline_of("mixup 5e-4") == "none 5e-4"
    numbers = dict(zip(plan.labels, ([0.9, 0.91], [0.8, 0.81], [0.5, 0.51], [0.7, 0.71])))  # noqa: B905
    found = result(plan, numbers, dict.fromkeys(plan.labels, "0.1"))
    first, second = itertools.islice(verdict.conclusions(found), 2)
    assert first.startswith("mixup 5e-4 loses 10.0 points of test accuracy against none 5e-4")
    assert second.startswith("mixup 1e-4 gains 20.0 points of test accuracy against none 1e-4")


@pytest.mark.slow
def test_a_tiny_comparison_leaves_its_four_files_and_goes_on_where_it_was(
    here: Path, capfd: pytest.CaptureFixture[str], call: Call
) -> None:
    overrides = ("swa_mnist", *SMALL, "--n", "2", "--trials", "2", "--out", "there")
    assert answer(*overrides) == 0
    printed = capfd.readouterr().out
    made = sorted(p.name for p in (here / "there").iterdir())
    assert made == [f"swa_mnist{end}" for end in (".csv", ".md", ".png", "_trials.csv")]
    page = (here / "there" / "swa_mnist.md").read_text()
    assert page in printed
    assert "Below its stated power: n=2 where 20 were stated beforehand" in page
    assert "- data: synthetic, fingerprint" in page
    rows = list(csv.DictReader((here / "there" / "swa_mnist.csv").read_text().splitlines()))
    assert [row["arm"] for row in rows] == ["sgd", "ema", "swa"]
    assert all(row["n"] == row["untuned_n"] == "2" for row in rows)
    tried = list(csv.DictReader((here / "there" / "swa_mnist_trials.csv").read_text().splitlines()))
    assert [row["arm"] for row in tried] == ["sgd"] * 2 + ["ema"] * 2 + ["swa"] * 2
    assert [row["chosen"] for row in tried].count("yes") == 3
    runs = {run.path: run for run in read_runs(here / "outputs")}
    assert len(runs) == 3 * 2 * 2 + 3 * 2 * 2
    tested = [run for run in runs.values() if run.test]
    assert {run.config["seed"] for run in tested} == {0, 1}
    assert {run.config["seed"] for run in runs.values() if not run.test} == {1000, 1001}
    assert all(run.test_avg for run in tested if run.config["average"]["name"] != "none")
    assert answer(*overrides) == 0
    assert (here / "there" / "swa_mnist.md").read_text() == page
    done = call("-m", "+sweep=swa_mnist", *SMALL, "hydra.sweeper.trials=2")  # the first stage alone
    assert done.code == 0, done.err
    assert "12 of 12" in done.out
    assert {run.path for run in read_runs(here / "outputs")} == set(runs)


def answer(*arguments: str) -> int:
    return exit_code(["comparison", *arguments])


def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer() == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in names())


def test_mistakes_end_with_two_and_leave_nothing(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    for overrides, said in (
        (("swa_mnits",), "did you mean 'swa_mnist'?"),
        (("swa_mnist", "--n", "1"), "--n must be 2 or more"),
        (("swa_mnist", "seed=3"), "seed is the comparison's own"),
        (("swa_mnist", "optim=adamm"), "did you mean 'adam"),
        (("swa_mnist", "--n", "1001"), "seeds 1000 would be used for choosing and for reporting"),
    ):
        assert answer(*overrides) == 2
        assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_an_arm_of_which_nothing_completed_has_nothing_to_choose() -> None:
    plan = two()
    jobs = plan.trials()
    rows = [made_run(job.seed, 0.5, status="diverged") for job in jobs]
    with pytest.raises(TrainerError, match="no run of a completed"):
        stages.trials_of(plan, jobs, rows)


def test_a_claim_must_be_one_of_the_arms() -> None:
    with pytest.raises(ConfigError, match="unknown arm 'c'"):
        plan_of("two", {**ASKED, "claim": "c"}, SWEEPER)
    with pytest.raises(ConfigError, match=r"unknown key 'two\.titel'"):
        plan_of("two", {**ASKED, "titel": "x"}, SWEEPER)


def test_a_page_names_no_place_of_this_machine() -> None:
    line = ["data.root=/a/place", "epochs=3"]
    plan = changed(load("swa_mnist"), line=line, n=None, trials=None)
    told = command.command_of(plan, None, None)
    assert told == "python -m trainer comparison swa_mnist data.root=DIR epochs=3"


def test_no_title_is_cut_by_the_edge_of_its_picture() -> None:
    for name in names():
        figure = framed(load(name).title, "It gains.", "n=5")
        figure.draw_without_rendering()
        assert all(text.get_window_extent().x1 < figure.bbox.width for text in figure.texts), name
