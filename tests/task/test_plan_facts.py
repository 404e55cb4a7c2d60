"""What a plan says is what training then does."""

import pytest
import torch
from torch import nn

from tests.command import TINY
from trainer.api import compose
from trainer.config.run_config import RunConfig
from trainer.core.environment import World
from trainer.loop import EpochRecord, fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.scheduler import base as schedules
from trainer.state import Run
from trainer.task._plan_facts import MOST_SAMPLES, facts_of, groups_of, state_tensors


def live(*overrides: str) -> tuple[Run, RunConfig]:
    config = compose(*TINY, *overrides)
    run, _ = assemble(config, *prepare(config, World()))
    return run, config


@pytest.mark.slow
def test_steps_snapshots_and_learning_rates_are_those_of_the_run(monkeypatch) -> None:
    overrides = ("scheduler=cyclic", "scheduler.base_momentum=0.8", "scheduler.max_momentum=0.95")
    run, config = live(
        *overrides, "epochs=3.5", "average=swa", "average.start=3st", "average.every=2st"
    )
    facts = facts_of(run, config)
    seen: list[tuple[float, float]] = []

    def watched(optimizer: torch.optim.Optimizer, points: list[schedules.Point]) -> None:
        schedules.set_hyperparameters(optimizer, points)
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["momentum"]))

    monkeypatch.setattr("trainer.loop.set_hyperparameters", watched)
    epochs = [event for event in fit(run) if isinstance(event, EpochRecord)]
    assert facts.total == len(seen) == epochs[-1].step == 14
    assert facts.steps_per_epoch == epochs[0].step == 4
    assert facts.curve.momentum is not None
    assert list(zip(facts.curve.lr, facts.curve.momentum, strict=True)) == seen
    assert facts.snapshots == run.average.state_dict()["count"] == 5
    assert (facts.first_snapshot, facts.last_snapshot) == (5, 13)


def test_batches_are_those_that_the_data_gives() -> None:
    run, config = live("accumulate=2", "batch_size=24")  # 58 images: 24, 24, 10
    facts = facts_of(run, config)
    steps = list(run.data.train_steps(0, 0))
    assert facts.steps_per_epoch == len(steps)
    assert facts.micro_batch == len(steps[0][0].labels) == 12
    assert facts.last_batch == steps[-1][0].step_images


@pytest.mark.slow
def test_warm_up_and_peak_are_found() -> None:
    run, config = live("scheduler=cosine", "scheduler.warmup=1ep", "optim.lr=0.5")
    facts = facts_of(run, config)
    assert facts.warmup == 4
    assert (facts.curve.peak, facts.curve.peak_step) == (0.5, 3)
    assert facts.curve.lr[0] == 0.125


@pytest.mark.slow
def test_a_long_run_is_looked_at_from_its_first_to_its_last_step() -> None:
    run, config = live("epochs=5000", "scheduler=cosine")
    facts = facts_of(run, config)
    assert facts.curve.steps[0] == 0
    assert facts.curve.steps[-1] == 19_999
    assert len(facts.curve.steps) == MOST_SAMPLES


@pytest.mark.slow
def test_nothing_of_the_run_changes() -> None:
    run, config = live("average=ema")  # with BatchNorm
    weights = {k: v.clone() for k, v in run.model.state_dict().items()}
    generator = torch.get_rng_state()
    facts_of(run, config)
    assert all(m.training for m in run.model.modules())
    assert torch.equal(torch.get_rng_state(), generator)
    assert run.state.step == 0
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_every_parameter_is_in_one_group() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.SGD(
        [{"params": [model[0].weight]}, {"params": list(model[1].parameters()), "lr": 0.2}], lr=0.1
    )
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    first, second = groups_of(model, optimizer)
    assert (first.kinds, first.num_parameters, first.peak_lr) == ({"weight": 1}, 12, 0.1)
    assert (second.kinds, second.num_parameters) == ({"weight": 1, "bias": 1}, 10)
    assert second.peak_lr == 0.2
    assert "momentum" in first.settings


@pytest.mark.slow
def test_an_optimizer_s_numbers_for_each_weight_are_counted_as_it_keeps_them() -> None:
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam"):
        run, _ = live(f"optim={name}")
        (group,) = run.optimizer.param_groups
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
        run.optimizer.step()
        state = run.optimizer.state[group["params"][0]]
        kept = sum(t.numel() == group["params"][0].numel() for t in state.values() if t.ndim)
        assert state_tensors(group) == kept, name
