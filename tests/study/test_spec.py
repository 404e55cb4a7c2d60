"""Studies as data: each is one file that is whole, at every scale, and arms are tried alike."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import ROOT
from tests.study.studies import TREE, made, tuned
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import read_yaml
from trainer.study.runs import final_jobs
from trainer.study.spec import load, names, study_of
from trainer.study.study import KINDS, SCALES, changed, merged, ranges

MINUTE, CPU = names("minute"), names("cpu")
COMPARED = [name for name in CPU if load(name, "cpu").draw == "arms"]
EACH = sorted((name, scale) for scale in SCALES for name in names(scale))


@pytest.mark.slow
def test_the_eight_demonstrations_are_studies_of_a_minute() -> None:
    eight = {"ddp", "lr", "mixup", "optim", "precision", "scheduler", "slices", "swa"}
    assert eight <= set(MINUTE)
    assert len(COMPARED) == 8
    assert {load(name, scale).draw for name, scale in EACH} == set(KINDS)


@pytest.mark.parametrize(("name", "scale"), EACH)
def test_a_study_says_what_is_asked_claimed_and_drawn(name: str, scale: str) -> None:
    study = load(name, scale)
    assert study.title
    assert study.question.endswith("?")
    assert study.is_toy == (scale == "smoke") or study.draw == "schedules"
    assert 0.001 <= study.margin <= 0.02
    header = Sources().file(f"study/{name}").read_text().partition("title:")[0]  # type: ignore[union-attr]
    assert header.startswith("# ")
    if scale == "minute":
        assert study.seeds >= 5
        assert study.where
        assert study.cost
        assert study.is_tuned or study.draw == "rates"
        assert {"data=digits_hard", "data=digits"} & set(study.base)
        assert "# Claim, before the run: " in header_of(name, "minute")
    elif scale != "smoke":
        assert study.text["claim"]
    if study.arms:
        assert study.claim in study.labels


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_a_comparison_tries_all_arms_alike_and_reports_on_fresh_seeds(name: str) -> None:
    study = load(name, "cpu")
    jobs = study.trial_jobs()
    counts = {label: len({j.values for j in jobs if j.arm == label}) for label in study.labels}
    assert set(counts.values()) == {12}
    assert len({sum(j.arm == label for j in jobs) for label in study.labels}) == 1
    assert {job.seed for job in jobs} & set(range(study.seeds)) == set()
    assert study.seeds >= (5 if name.endswith("_cifar10") else 20)
    least = {"scheduler": 5, "optim": 6, "swa": 3, "mixup": 4}[name.split("_")[0]]
    assert len(study.labels) >= least
    for label in study.labels:
        keys, fixed = set(study.tried(label)), " ".join(study.arm(label).overrides)
        assert "optim.lr" in keys
        assert "optim.weight_decay" in keys or name.startswith("mixup")
        assert "optim.momentum" in keys or "optim=" in fixed
        assert set(ranges(study, label)) == keys
        assert not any(word.startswith(tuple(keys)) for word in study.arm(label).overrides)


@pytest.mark.parametrize("name", COMPARED)
def test_hypothesis_and_n_stand_in_the_file(name: str) -> None:
    study = load(name, "cpu")
    header = (ROOT / "conf" / "study" / f"{name}.yaml").read_text().split("title:")[0]
    assert f"python -m trainer study {name} --scale cpu\n" in header
    assert re.search(r"# Hypothesis: \w.{20,}", header)
    trials, final = len(study.trial_jobs()), 2 * study.seeds * len(study.labels)
    assert f"# n:          {study.seeds} fresh seeds" in header
    assert f"#             {trials} + {final} runs" in header


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_every_arm_of_a_comparison_composes(name: str) -> None:
    study = load(name, "cpu")
    jobs = study.trial_jobs()
    for label in study.labels:
        config = study.compose(*study.job(label, (), 0).overrides)
        assert config.data.name == ("cifar10_jpeg" if name.endswith("_cifar10") else "mnist")
        assert config.threads == 1
        study.compose(*next(job.overrides for job in jobs if job.arm == label))


@pytest.mark.slow
@pytest.mark.parametrize("name", MINUTE)
def test_every_arm_of_a_demonstration_composes(name: str) -> None:
    study = load(name, "minute")
    lines = [study.job(label, study.chosen(label), 0).overrides for label in study.labels]
    for line in lines or study.grid_jobs()[:1]:
        config = study.compose(*(w for w in line if w != "strategy=ddp"))  # torchrun's alone
        assert config.threads == 1
        assert config.data.name.startswith("digits")


def header_of(name: str, scale: str) -> str:
    """Return the comments at the beginning of a scale."""
    text = (ROOT / "conf" / "study" / f"{name}.yaml").read_text()
    lines = text.partition(f"  {scale}:\n")[2].splitlines()
    return "\n".join(itertools.takewhile(lambda line: line.strip().startswith("#"), lines))


@pytest.mark.parametrize("name", [n for n in MINUTE if load(n, "minute").elsewhere])
def test_what_does_not_show_is_said_in_numbers_that_are_committed(name: str) -> None:
    elsewhere = load(name, "minute").elsewhere
    rows = (ROOT / "docs" / "results" / elsewhere["rows"]).read_text()
    known = {float(n) for n in re.findall(r"(?<![\d.])\d+(?:\.\d+)?(?![\d.]*\d)", rows)}
    known |= {100.0 * n for n in known}
    said = elsewhere["said"].split(", a CIFAR-10")[0].split(", on an AMD")[0]
    decimals = re.findall(r"\d+\.\d+", said)
    assert decimals or "995" in said
    for number in decimals:
        half = 0.5 * 10.0 ** -len(number.split(".")[1])
        assert any(abs(float(number) - n) <= half + 1e-9 for n in known), number
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", elsewhere["date"])
    assert elsewhere["command"].startswith("python -m trainer ")


def test_the_last_word_of_a_key_wins_and_a_choice_takes_its_keys_with_it() -> None:
    assert merged(["mix=none", "optim.lr=1", "mix=mixup"]) == ("mix=mixup", "optim.lr=1")
    assert merged(["data=mnist", "data.subset=9", "seed=1", "data=digits"]) == (
        "data=digits",
        "seed=1",
    )
    assert merged(["data=mnist", "data.subset=9", "data=mnist"]) == ("data=mnist", "data.subset=9")
    assert merged(["a.b=1", "a.b=2", "a.c=3"]) == ("a.b=2", "a.c=3")


@pytest.mark.slow
def test_an_arm_is_what_is_shared_what_is_its_own_and_what_is_tried() -> None:
    study = tuned(base=["epochs=2"])
    assert list(study.tried("b")) == ["optim.lr"]
    jobs = study.trial_jobs()
    assert [job.arm for job in jobs] == ["a"] * 24 + ["b"] * 24
    assert {job.seed for job in jobs} == {1000, 1001}
    always = ("name=two_cpu", "threads=1", "epochs=2")
    assert jobs[0].overrides == (*always, "optim=sgd", *jobs[0].values, "seed=1000")
    rates = [float(job.values[0].split("=")[1]) for job in jobs if job.arm == "b"]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert sum(rate < 1e-3 for rate in rates) == 12  # half of the draws in each decade
    fixed = changed(study, ["optim.lr=0.1"])
    assert fixed.tried("a") == {}
    assert [job.overrides for job in fixed.trial_jobs()][:2] == [
        (*always, "optim=sgd", "optim.lr=0.1", f"seed={seed}") for seed in (1000, 1001)
    ]


def test_words_of_the_line_win_over_those_of_the_scale_and_these_over_an_arm_s() -> None:
    scales = {"gpu": {"base": ["epochs=1"], "overrides": ["optim.eps=1e-6"]}}
    study = changed(tuned(scales=scales), ["epochs=3"])
    words = study.job("b", ("optim.lr=0.1",), 5).overrides
    assert words[2:] == ("epochs=3", "optim=adam", "optim.eps=1e-6", "optim.lr=0.1", "seed=5")


def test_final_runs_are_both_kinds_of_every_arm_seed_by_seed() -> None:
    jobs = final_jobs(tuned(), {"a": ("optim.lr=0.02",), "b": ("optim.lr=0.003",)})
    assert len(jobs) == 3 * 2 * 2
    assert [job.arm for job in jobs[:4]] == ["a", "a", "b", "b"]
    assert jobs[2].overrides[2:] == (
        *("optim=adam", "optim.eps=1e-07", "optim.lr=0.003"),
        *("report_test=true", "seed=0"),
    )
    assert not any(word.startswith("optim.lr") for word in jobs[3].overrides)
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4 + [2] * 4


def test_arms_with_nothing_to_tune_run_once_with_each_seed() -> None:
    jobs = final_jobs(changed(made(), seeds=2), {"plain": (), "trick": ()})
    assert [(job.arm, job.seed) for job in jobs] == [
        *(("plain", 0), ("trick", 0), ("plain", 1), ("trick", 1))
    ]


@pytest.mark.slow
def test_a_grid_is_every_combination_with_every_seed() -> None:
    grid = {"optim.lr": [0.1, 0.2], "batch_size": [8, 16]}
    study = study_of(
        "g", {**TREE, "arms": {}, "draw": "slice", "grid": grid, "seeds": 2, "base": ["epochs=1"]}
    )
    jobs = study.grid_jobs()
    assert len(jobs) == 8
    words = ("name=g_minute", "threads=1", "seed=0", "optim.lr=0.1", "batch_size=8", "epochs=1")
    assert jobs[0] == words
    preset = load("slices", "cpu")
    assert len(preset.grid_jobs()) == 120
    some = changed(preset, ["batch_size=8,16", "seed=5"]).grid_jobs()
    assert len(some) == 2 * 10
    assert some[0][0] == "+sweep=lr_batch_cpu"
    assert {"batch_size=8", "seed=5"} <= set(some[0])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"claim": "trik"}, "unknown arm of two 'trik'; did you mean 'trick'"),
    ({"against": {"trick": "plane"}}, "unknown arm of two 'plane'; did you mean 'plain'"),
    ({"titel": "x"}, "unknown key of two 'titel'; did you mean 'title'"),
    ({"seeds": "ten"}, "two.seeds must be of type int, got 'ten'"),
    ({"seeds": True}, "two.seeds must be of type int, got True"),
    ({"seeds": 1}, "two.seeds must be 2 or more"),
    ({"arms": ["a"]}, "two.arms must be of type dict, got ['a']"),
    ({"arms": {"a": 3, "b": {}}}, "two.arms.a must hold keys and values, got 3"),
    ({"arms": {"a": {"tun": {}}, "b": {}}}, "unknown key of two.arms.a 'tun'; did you mean 'tune'"),
    ({"arms": {"a": {}}}, "two: a study that draws arms needs two arms or more"),
    ({"draw": "stairs", "settings": {"steps": []}}, "needs settings: whole, without"),
    ({"draw": "pie"}, "unknown draw of two 'pie'"),
    ({"draw": "tradeoff"}, "two: a study that draws tradeoff needs a grid of optim.lr, or sweep"),
    ({"draw": "slice", "grid": {"optim.lr": [1]}}, "needs a grid of optim.lr and another key"),
    ({"scales": {"hour": {}}}, "unknown scale of two 'hour'; known: cpu, gpu, minute, smoke"),
    ({"scales": {}}, "two: a study needs scales, of minute, smoke, cpu, gpu"),
    ({"scales": {"cpu": {"scales": {}}}}, "unknown key of two.scales.cpu 'scales'"),
    ({"scales": {"cpu": 3}}, "two.scales.cpu must hold keys and values, got 3"),
]


@pytest.mark.parametrize(("parts", "message"), WRONG)
def test_a_file_that_is_no_study_is_answered_in_one_line(
    parts: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        made(**parts)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["title", "question"])
def test_a_study_has_a_title_and_a_question(key: str) -> None:
    with pytest.raises(ConfigError, match=f"two: a study needs a {key}"):
        study_of("two", {k: v for k, v in TREE.items() if k != key})


def test_a_number_that_can_have_no_effect_is_refused() -> None:
    for study, seeds, trials, message in (
        (made(), 1, None, "--seeds must be 2 or more"),
        (tuned(), None, 0, "--trials must be 1 or more"),
        (load("schedules", "cpu"), 3, None, "schedules is not run over seeds"),
        (load("lr", "cpu"), 3, None, r"\+sweep=lr_tradeoff has the seeds of lr"),
        (load("mixup", "minute"), None, 3, "mixup draws nothing at the scale minute"),
    ):
        with pytest.raises(ConfigError, match=message):
            changed(study, (), seeds, trials)
    for word in ("seed=3", "+sweep=lr_batch", "report_test=false", "name=x"):
        with pytest.raises(ConfigError, match="is the study's own"):
            changed(made(), [word])


def test_a_user_s_folder_has_studies_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text(yaml.safe_dump(TREE))
    assert set(names("minute", tmp_path)) == {*MINUTE, "mine"}
    study = load("mine", config_dir=tmp_path)
    assert (study.title, study.scale) == ("Two", "minute")
    assert study.command().startswith("python -m trainer demo mine --config-dir ")
    with pytest.raises(ConfigError, match="unknown study 'mine'"):
        load("mine")
    (tmp_path / "study" / "swa.yaml").write_text(yaml.safe_dump(TREE))
    with pytest.raises(ConfigError, match="give yours another name"):
        load("swa", config_dir=tmp_path)


def test_a_page_names_no_place_of_this_machine_and_what_is_not_usual() -> None:
    study = changed(load("swa", "cpu"), ["data.root=/a/place", "epochs=3"], 4, 2)
    assert study.command() == (
        "python -m trainer study swa --scale cpu data.root=DIR epochs=3 --seeds 4 --trials 2"
    )
    assert load("swa", "minute").command() == "python -m trainer demo swa"


def test_files_of_studies_hold_nothing_that_yaml_reads_as_another_type() -> None:
    for name in names():
        tree = read_yaml(ROOT / "conf" / "study" / f"{name}.yaml")
        for part in (tree, *(scale or {} for scale in tree["scales"].values())):
            words = [*part.get("base", ()), *part.get("overrides", ())]
            for one in part.get("arms", {}).values():
                words += [*one.get("overrides", ()), *one.get("chosen", ())]
            assert all(isinstance(word, str) and "=" in word for word in words), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "line", "place"),
    [
        ((), (), "outputs"),
        ((), ("outputs=there/x",), "there/x"),
        (("outputs=base",), (), "base"),
        (("outputs=base",), ("outputs=there",), "there"),
        (("+experiment=elsewhere",), (), "preset/deep"),
        ((), ("+experiment=elsewhere",), "preset/deep"),
        (("+experiment=elsewhere",), ("outputs=there",), "there"),
        ((), ("outputs='a b,c=d'", "optim.lr=0.1,0.2"), "a b,c=d"),
    ],
)
def test_a_study_s_folder_is_where_its_runs_go_whoever_says_so(
    tmp_path: Path, base: tuple[str, ...], line: tuple[str, ...], place: str
) -> None:
    preset = tmp_path / "experiment" / "elsewhere.yaml"
    preset.parent.mkdir()
    preset.write_text("# @package _global_\noutputs: preset/deep\n")
    study = replace(made(base=[*TREE["base"], *base]), config_dir=tmp_path, line=line)
    assert study.folder == Path(place) / "two_minute"
    if "," not in " ".join(line):
        assert study.compose(*study.job("plain", (), 0).overrides).outputs == place
