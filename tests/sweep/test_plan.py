"""A sweep's line is planned before anything starts: each job has the parts that it names, and keys
are checked against those."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from tests.command import TINY, Call, snapshot
from trainer.composition.check_overrides import value_at
from trainer.composition.compose import Composer
from trainer.composition.overrides import Override
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.convert import typed
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import read_yaml
from trainer.sweep.plan import SweepPlan, in_braces, plan_sweep

SOURCES = Sources()
COMPOSER = Composer(SOURCES)  # what jobs share is composed once
DEFAULTS = COMPOSER.base(()).choices
GROUPS = [group for group in SEAMS if group != "augment"]


def plan(*overrides: str) -> SweepPlan:
    return plan_sweep(overrides, COMPOSER)


def parts_of(group: str) -> dict[str, dict[str, object]]:
    """Return the values of every choice of a group but the default, by name."""
    names = [name for name in SOURCES.options(group) if name != DEFAULTS[group]]
    return {name: COMPOSER.files.part(group, name) for name in names}


def pairs(group: str, *, shared: bool) -> list[tuple[str, str, str, str]]:
    """Return pairs of choices, a key and a value of the first's: one that both have, or that the
    second lacks."""
    found = []
    for (a, first), (b, second) in itertools.combinations(parts_of(group).items(), 2):
        keys = [k for k in first if k != "name" and (k in second) == shared]
        # text with blanks or signs would need quotes, which is not what is tested
        plain = [k for k in keys if isinstance(first[k], int | float | bool)]
        found += [(a, b, k, typed(first[k])) for k in plain[:1]]
    return found


@pytest.mark.slow
def test_two_parts_that_are_no_defaults_share_a_key() -> None:
    count = 0
    for group in GROUPS:
        for a, b, key, value in pairs(group, shared=True):
            jobs = plan(f"{group}={a},{b}", f"{group}.{key}={value}").jobs
            assert [job.overrides[0] for job in jobs] == [f"{group}={a}", f"{group}={b}"]
            alone = COMPOSER.compose(jobs[1].overrides).tree[group]
            assert typed(alone[key]) == value, (group, b, key)
            count += 1
    assert count >= 190


@pytest.mark.slow
def test_a_key_that_one_part_lacks_refuses_the_sweep_and_the_hint_can_be_followed() -> None:
    count = 0
    for group in GROUPS:
        for a, b, key, value in pairs(group, shared=False)[:6]:
            with pytest.raises(ConfigError) as refused:
                plan("seed=0,1", f"{group}={b},{a}", f"{group}.{key}={value}")
            message = str(refused.value)
            assert message.startswith(f"{group}={b} has no {group}.{key}; {group}="), message
            assert a in message.split(". Where")[0]
            *_, line = message.splitlines()
            words = shlex.split(line)
            assert words[:4] == ["python", "-m", "trainer", "-m"]
            jobs = plan(*words[4:]).jobs
            assert [job.arm for job in jobs] == [b, b, a, a]
            having = [any(w.startswith(f"{group}.{key}=") for w in job.overrides) for job in jobs]
            assert having == [False, False, True, True]
            count += 1
    assert count >= 25


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            ("mix=none,mixup", "mix.alpha=8"),
            "mix=none has no mix.alpha; mix=cutmix, mixup, mixup_or",
        ),
        (("optim=sgd,adam", "optim.momentum=0.5"), "optim=adam has no optim.momentum; optim=lars"),
        (("+experiment=mnist,swa", "average.start=3ep"), "{+experiment: swa, average.start: 3ep}"),
        (("mix=none,mixup", "mix.alpha=1,8"), 'mixup: {mix: mixup, mix.alpha: "1,8"}'),
        (
            ("augment=[shift],[cutout]", "augment.cutout.size=2"),
            "augment=[shift] has no augment.cut",
        ),
        (
            ("hydra.sweeper.arms={plain: {mix: none}, mixed: {mix: mixup}}", "mix.alpha=8"),
            "mix=none (of the arm 'plain') has no mix.alpha",
        ),
        (
            ("seed=0,1", "optim=adam", "optim.momentum=0"),
            "unknown key 'optim.momentum' for the chosen",
        ),
        (("optimm.lr=0.1,0.2",), "unknown key 'optimm.lr'; did you mean 'optim.lr'?"),
        (("optim=adamm", "seed=0,1"), "unknown optim 'adamm'; did you mean 'adam'?"),
        (("hydra.sweeper.trails=3",), "did you mean 'hydra.sweeper.trials'?"),
        (("hydra.sweeper.trials=many",), "hydra.sweeper.trials must be a whole number"),
        (("hydra.sweeper.arms={a: 3}",), "hydra.sweeper.arms.a must hold keys and values"),
        (("hydra.sweep.subdir=x",), "unknown key 'hydra.sweep.subdir'"),
        (("hydra.run.dir=x",), "name a sweep's folder by hydra.sweep.dir"),
        (("hydra.searchpath=[x]",), "--config-dir"),
        (
            ("name=n_${hydra:job.num}", "seed=0,1"),
            "name=n_${hydra:job.num}: ${hydra:...} cannot be used here",
        ),
        (("optim.lr=[1",), "cannot read the value of optim.lr: '[1'"),
        (("model=timm", "seed=0,1"), "model=timm is not built yet"),
    ],
)
def test_what_is_wrong_is_told_in_our_words(line: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plan(*line)
    assert told in str(refused.value)


def test_a_wrong_name_or_value_costs_its_own_jobs_alone() -> None:
    assert len(plan("optim=adamm,adam", "seed=0,1").jobs) == 4
    assert len(plan("optim.lr=-1,1").jobs) == 2


@pytest.mark.slow
def test_settings_of_a_sweep_are_read_from_line_and_preset() -> None:
    made = plan(
        *("hydra.sweep.dir=there/${name}", "hydra.launcher.workers=3", "hydra.launcher.timeout=7s"),
        *('hydra.sweeper.params={seed: "0,1"}', "name=mine", "optim=glob(ada*)"),
    )
    assert (made.folder, made.launcher.workers, made.launcher.timeout.value) == ("there/mine", 3, 7)
    assert [job.overrides[0] for job in made.jobs[:4]] == ["seed=0"] * 4
    assert {job.overrides[2] for job in made.jobs} == {
        *("optim=adadelta", "optim=adagrad", "optim=adam", "optim=adamax", "optim=adamw")
    }
    assert plan("seed=0", "hydra.sweep.dir=<outputs>/<name>/<date>_<time>_<id>").folder is None


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES.options("sweep"))
def test_every_preset_of_a_sweep_is_planned(name: str) -> None:
    file = SOURCES.file(f"sweep/{name}")
    assert file is not None
    sweeper = read_yaml(file)["hydra"]["sweeper"]
    jobs = plan(f"+sweep={name}").jobs
    assert {job.arm for job in jobs} == set(sweeper.get("arms") or {"": 0})
    assert len(jobs) % sweeper.get("trials", 1) == 0
    assert all(f"+sweep={name}" in job.overrides for job in jobs)


@pytest.mark.slow
def test_a_part_within_braces_is_read_back() -> None:
    for value in ("8", "0.001", "50%", "[1ep,2ep]", "1,8", "range(3)", "'a b'", "choice(a,b)"):
        jobs = plan(f"hydra.sweeper.arms={{a: {{device: {in_braces(value)}}}}}").jobs
        assert jobs == plan(f"hydra.sweeper.arms.a={{device: {in_braces(value)}}}").jobs
        assert [job.overrides for job in jobs] == [
            job.overrides for job in plan(f"device={value}").jobs
        ]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sweeper", "launcher"])
def test_hydra_s_parts_that_do_not_exist_are_refused(part: str, call: Call, here: Path) -> None:
    done = call("-m", *TINY, "seed=0,1", f"hydra/{part}=baisc")
    assert done.code == 2, done.out
    assert f"unknown hydra/{part} 'baisc'; did you mean 'basic'?" in done.err
    assert snapshot(here) == {}


def test_torchrun_does_not_start_a_sweep(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**world, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    done = call("-m", *TINY, "optim.lr=0.1,0.2")
    assert done.code == 2
    assert "optim.lr=0.1,0.2 strategy.processes=2" in done.err
    assert snapshot(here) == {}


def test_choices_are_kept_apart() -> None:
    base = COMPOSER.base((Override("", "optim", "adam"),))
    assert value_at(base.tree, ["optim", "name"]) == "adam"
    assert base.choices["augment"] == "[none]"
