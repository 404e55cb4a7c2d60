"""Groups with schedules of their own, and groups that are held still after a while."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import TINY, Call
from trainer import compose
from trainer.core.environment import World
from trainer.loop import EpochRecord, fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run

NO_DECAY = "optim.weight_decay=0"


def live(*overrides: str) -> Run:
    """A run of eight steps, four an epoch, ready at the first."""
    config = compose(*TINY, "report_test=false", *overrides)
    return assemble(config, *prepare(config, World()))[0]


def trained(run: Run) -> list[dict[str, Any]]:
    """Train to the end and return, by step, each group's lr, momentum and weights."""
    path: list[dict[str, Any]] = []
    for _ in fit(run, pause=lambda clock: True):
        groups = {
            group["name"]: (
                group["lr"],
                group.get("momentum"),
                [p.detach().clone() for p in group["params"]],
            )
            for group in run.optimizer.param_groups
        }
        path.append(groups)
    return [path[i] for i in (0, 1, 2, 3, 4, 5, 6, 7) if i < len(path)]


def has_moved(before: dict[str, Any], after: dict[str, Any], name: str) -> bool:
    pairs = zip(before[name][2], after[name][2], strict=True)
    return any(not torch.equal(a, b) for a, b in pairs)


def groups(*rules: str) -> str:
    return f"optim.groups=[{','.join(rules)}]"


@pytest.mark.slow
def test_a_group_follows_its_own_schedule_and_the_others_the_run_s() -> None:
    rule = "{match:bias,lr:2,scheduler:{name:step,step_size:50%,gamma:0.1}}"
    run = live("scheduler=cosine", "optim.lr=0.1", groups(rule))
    path = trained(run)
    assert [step["bias"][0] for step in path] == pytest.approx([0.2] * 4 + [0.02] * 4)
    cosine = [0.05 * (1 + torch.cos(torch.tensor(i / 8 * torch.pi)).item()) for i in range(8)]
    assert [step["main"][0] for step in path] == pytest.approx(cosine)


@pytest.mark.slow
def test_momentum_too_is_the_group_s_own() -> None:
    cycled = ("scheduler=onecycle", "scheduler.base_momentum=0.5", "scheduler.max_momentum=0.8")
    path = trained(live(*cycled, groups("{match:bias,scheduler:constant}")))
    assert len({step["main"][1] for step in path}) > 3
    assert {step["bias"][1] for step in path} == {0.9}


def test_a_least_lr_is_that_of_the_group() -> None:
    rule = "{match:bias,lr:10,scheduler:{name:cosine,min_lr:0.5}}"
    run = live("optim.lr=0.1", groups(rule))
    (own,) = (s for s in run.group_schedules.schedules if s)
    assert own.floor == 0.5  # of 10 * 0.1


@pytest.mark.slow
@pytest.mark.parametrize("optim", ["sgd", "adamw", "lion", "lars", "lamb", "muon", "adagrad"])
def test_a_frozen_group_neither_steps_nor_decays_nor_costs_a_gradient(optim: str) -> None:
    overrides = (f"optim={optim}", "optim.weight_decay=0.1", "optim.lr=0.01")
    run = live(*overrides, groups("{match:first,freeze_after:3st}"))
    names = [g["name"] for g in run.optimizer.param_groups if g["name"].startswith("first")]
    path = trained(run)
    for name in names:
        assert [has_moved(a, b, name) for a, b in itertools.pairwise(path)] == [
            *[True] * 2,
            *[False] * 5,
        ]
    others = [g["name"] for g in run.optimizer.param_groups if g["name"] not in names]
    assert all(has_moved(path[-2], path[-1], name) for name in others)
    frozen = [p for p in run.model.parameters() if not p.requires_grad]
    assert len(frozen) == 2
    assert all(p.grad is None for p in frozen)


def test_frozen_from_the_start_nothing_of_it_ever_moves() -> None:
    run = live("optim=adam", groups("{match:first,freeze_after:0st}"))
    before = copy.deepcopy(run.model.state_dict())
    trained(run)
    after = run.model.state_dict()
    (first, *_) = run.model.state_dict()
    assert torch.equal(before[first], after[first])
    assert len(run.optimizer.state) == len(list(run.model.parameters())) - 2


@pytest.mark.slow
def test_until_it_is_frozen_a_run_is_the_same_as_without() -> None:
    plain = trained(live(groups("{match:first,lr:1}")))
    frozen = trained(live(groups("{match:first,lr:1,freeze_after:5st}")))
    for step in range(5):
        for name in ("main", "first"):
            assert all(map(torch.equal, plain[step][name][2], frozen[step][name][2]))
    assert has_moved(plain[5], frozen[5], "first")


def test_the_gradient_s_norm_is_that_of_what_moves() -> None:
    run = live("max_steps=4", groups("{match:[first,norm,bias],freeze_after:0st}"))
    (epoch,) = (event for event in fit(run) if isinstance(event, EpochRecord))
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    assert len(gradients) == 1
    assert epoch.train.grad_norm == pytest.approx(float(gradients[0].norm()))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "O2", "bf16"])
def test_other_number_formats_freeze_as_well(precision: str) -> None:
    run = live(f"precision={precision}", groups("{match:first,freeze_after:2st}"))
    path = trained(run)
    assert [has_moved(a, b, "first") for a, b in itertools.pairwise(path)] == [
        *[True],
        *[False] * 6,
    ]
    assert has_moved(path[-2], path[-1], "main")
    assert sum(p.requires_grad for p in run.parallel.parameters()) == len(path[0]["main"][2])


@pytest.mark.slow
def test_lookahead_does_not_pull_what_is_frozen() -> None:
    overrides = ("average=lookahead", "average.every=2st", "optim.lr=0.1")
    path = trained(live(*overrides, groups("{match:first,freeze_after:3st}")))
    assert not has_moved(path[2], path[-1], "first")
    assert has_moved(path[-3], path[-1], "main")


@pytest.mark.slow
def test_a_plateau_of_a_group_s_own_is_told_scores_and_saved() -> None:
    own = "{name:plateau,patience:0ep,factor:0.5,threshold:0.99}"
    overrides = ("epochs=4", "optim.lr=0.01", groups(f"{{match:bias,scheduler:{own}}}"))
    run = live(*overrides)
    rates = [
        [group["lr"] for group in run.optimizer.param_groups]
        for event in fit(run)
        if isinstance(event, EpochRecord)
    ]
    assert rates == [[0.01, pytest.approx(lr)] for lr in (0.01, 0.01, 0.005, 0.0025)]
    states = run.group_schedules.state_dict()
    assert states[0] == {}
    assert states[1]["lr_scale"] == 0.125
    fresh = live(*overrides)
    fresh.group_schedules.load_state_dict(states)
    assert fresh.group_schedules.state_dict() == states


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("{match:bias,freeze_after:2ep}",), "optim.groups[0].freeze_after=2ep is as long as"),
        (("{match:bias,freeze_after:8st}",), "freeze_after=8st is step 8, but the run has 8"),
        (
            ("{match:bias,freeze_after:3st}", "{match:'*.weight',freeze_after:1ep}"),
            "optim.groups holds every parameter still from step 4 on",
        ),
        (
            ("no_bias_decay", "{match:bias,scheduler:{name:cosine,warmup:8st}}"),
            "optim.groups[1]: scheduler.warmup=8st is 8 steps",
        ),
        (("{match:bias,scheduler:{name:cosine,min_lr:1}}",), "optim.groups[0]: scheduler.min_lr=1"),
        (("{match:head.*,lr:2}",), "optim.groups[0]: no parameter matches head.*; kinds are bias"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    overrides, message: str, call: Call, here: Path
) -> None:
    got = call(*TINY, groups(*overrides))
    assert (got.code, message in got.err) == (2, True), got.err
    assert not (here / "outputs").exists()


def test_a_momentum_that_the_group_lacks_is_refused(call: Call) -> None:
    own = "{name:cyclic,base_momentum:0.8,max_momentum:0.9}"
    bare = ("optim.momentum=0", "optim.nesterov=false")
    got = call(*TINY, *bare, groups(f"{{match:bias,scheduler:{own}}}"))
    assert got.code == 2
    assert "optim.groups[0]: scheduler.base_momentum: the optimizer has no momentum" in got.err


def test_an_own_plateau_needs_validation_images(call: Call) -> None:
    got = call(*TINY, "data.val=0", groups("{match:bias,scheduler:plateau}"))
    assert got.code == 2
    assert "data.val=0 leaves scheduler=plateau nothing to watch" in got.err


@pytest.mark.slow
def test_a_run_with_rules_is_repeated_exactly(call: Call, here: Path) -> None:
    rules = groups(
        "no_bias_decay",
        "{match:bias,lr:2,scheduler:plateau}",
        "{match:'2.*',freeze_after:1ep}",
        "{match:first,freeze_after:5st}",
    )
    overrides = (*TINY, "optim=adam", "optim.weight_decay=0.01", rules, "checkpoint.every=3st")
    assert call(*overrides, "hydra.run.dir=whole").code == 0
    assert call("repeat=whole", "hydra.run.dir=again").code == 0
    weights = [summary(here / run)["weights_sha256"] for run in ("whole", "again")]
    assert weights[0] == weights[1]
    assert (here / "whole/config.yaml").read_text() == (here / "again/config.yaml").read_text()


@pytest.mark.slow
def test_the_linear_rule_scales_every_rate_once_and_says_so(call: Call, here: Path) -> None:
    overrides = (*TINY, "optim=muon", "optim.layers=all", "optim.lr=0.5", "optim.other_lr=0.25")
    overrides += ("scheduler=step", "scheduler.step_size=1ep", "scheduler.min_lr=0.01")
    rule = ("optim.lr_rule=linear", "optim.groups=[{match:bias,lr:4}]")
    run = live(*overrides, *rule)  # 16 images a step
    rates = {group["name"]: group["base_lr"] for group in run.optimizer.param_groups}
    assert rates == {"main": 0.03125, "main, adamw": 0.015625, "bias, adamw": 0.0625}
    assert run.schedule.floor == 0.01 / 0.03125

    told = call(*overrides, *rule, "hydra.run.dir=one")
    assert "optim.lr_rule=linear: the peak is 0.5 * 16 / 256 = 0.03125" in told.out
    assert "the peak is 0.5 * 16 / 256 = 0.03125" in (here / "one/run.log").read_text()
    assert call("repeat=one", "hydra.run.dir=two").code == 0
    for name in ("one", "two"):
        row = json.loads((here / name / "metrics.jsonl").read_text().splitlines()[0])
        assert row["lr"] == 0.03125
        assert "  lr: 0.5\n" in (here / name / "config.yaml").read_text()
    assert summary(here / "one")["weights_sha256"] == summary(here / "two")["weights_sha256"]
    assert "lr_rule=linear" not in call(*overrides, "max_steps=1").out


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


@pytest.mark.slow
@pytest.mark.parametrize(("match", "count"), [("norm", 1), ("first", 0)])
def test_running_statistics_that_go_on_are_mentioned(
    match: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "trainer"):
        live(groups(f"{{match:{match},freeze_after:0st}}"))
    said = [text for text in caplog.messages if "running statistics" in text]
    assert len(said) == count
    assert all("the weights of 1 of 1 BatchNorm layers still" in text for text in said)
