import copy
import math

import pytest
import torch

from tests.task.test_plan_facts import live
from trainer.scheduler import base as schedules
from trainer.state import Run
from trainer.task._lr_range_fit import LrSweep, ramp
from trainer.task._lr_range_train import climb


def climbed(run: Run, lrs: tuple[float, ...], peak: float = 0.01, factor: float = 4.0) -> LrSweep:
    return climb(run, lrs, peak=peak, width=2, factor=factor, after_step=lambda steps, loss: None)


def test_losses_are_those_of_a_plain_loop() -> None:
    run, _ = live(
        "optim.momentum=0", "optim.nesterov=false", "optim.weight_decay=0", "optim.lr=0.01"
    )
    model = copy.deepcopy(run.model)
    batches = [run.ready(batch) for epoch in (0, 1) for (batch,) in run.data.train_steps(epoch, 0)]
    lrs = ramp(0.01, 0.5, 7)
    expected = []
    for lr, batch in zip(lrs, batches, strict=False):
        loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
        expected.append(loss.item())
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= lr * gradient
    sweep = climbed(run, lrs)
    assert sweep.losses == pytest.approx(expected, rel=1e-5)
    assert sweep.lrs == lrs
    assert not sweep.diverged


def test_each_group_keeps_its_ratio_to_the_learning_rate(monkeypatch) -> None:
    run, _ = live()
    run.optimizer.param_groups[0]["base_lr"] = 0.04  # four times optim.lr
    seen = []

    def watched(optimizer: torch.optim.Optimizer, points: list[schedules.Point]) -> None:
        schedules.set_hyperparameters(optimizer, points)
        seen.append(optimizer.param_groups[0]["lr"])

    monkeypatch.setattr("trainer.loop.set_hyperparameters", watched)
    climbed(run, (0.1, 0.2, 0.4))
    assert seen == pytest.approx([0.4, 0.8, 1.6])


@pytest.mark.slow
def test_it_goes_on_after_the_run_would_have_ended() -> None:
    run, _ = live()
    assert run.total == 8
    assert len(climbed(run, ramp(1e-4, 1e-2, 19)).losses) == 19


def test_it_ends_where_the_loss_leaves() -> None:
    run, _ = live("model.norm=none")
    sweep = climbed(run, ramp(1e-3, 1e6, 40), factor=3.0)
    assert sweep.diverged
    assert len(sweep.lrs) == len(sweep.losses) < 40
    assert not math.isfinite(sweep.losses[-1]) or sweep.losses[-1] > 3 * min(sweep.losses)


def test_a_weight_that_is_not_finite_at_an_epoch_s_end_ends_it() -> None:
    run, _ = live("model.norm=none", "optim.lr=1")
    sweep = climbed(run, (1e-6, 1e-6, 1e-6, 1e38, 1e38, 1e38, 1e38), peak=1.0)
    assert sweep.diverged
    assert len(sweep.losses) <= 5
    assert not math.isfinite(sweep.losses[-1])


def test_every_step_is_told() -> None:
    run, _ = live()
    told = []
    climb(
        run,
        ramp(1e-4, 1e-2, 6),
        peak=0.01,
        width=2,
        factor=4.0,
        after_step=lambda steps, loss: told.append((steps, loss)),
    )
    assert [steps for steps, _ in told] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("steps", "total"), [(4, 8), (12, 12)])
def test_other_parts_see_the_time_of_the_run(steps: int, total: int) -> None:
    run, _ = live()
    seen, augment = [], run.augment

    def watched(batch, clock):
        seen.append((clock.step, clock.total))
        return augment(batch, clock)

    run.augment = watched
    climbed(run, ramp(1e-4, 1e-2, steps))
    assert seen == [(step, total) for step in range(steps)]
    assert run.total == 8  # the run itself is left as it was
