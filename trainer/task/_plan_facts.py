"""What a run will do, as numbers: read off its live parts before the first step."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.data import Steps
from trainer.scheduler import momentum_of
from trainer.state import Run
from trainer.task._plan_cost import NetworkCost, cost_of

MOST_SAMPLES = 2000  # of a curve: more than any picture of it has columns

APART = ("params", "name", "lr", "base_lr", "weight_decay")  # columns of their own


@dataclass(frozen=True)
class GroupFacts:
    """One parameter group of the optimizer: how many tensors have each last name, such as `weight`,
    the peak where the schedule's factor is 1, and what else is set for it."""

    name: str
    kinds: Mapping[str, int]
    num_parameters: int
    peak_lr: float
    weight_decay: float
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Curve:
    """What the schedule sets for the first group at some steps, ascending, the first and the last
    among them; momentum or beta1 is None where the optimizer has neither."""

    steps: tuple[int, ...]
    lr: tuple[float, ...]
    momentum: tuple[float, ...] | None

    @property
    def peak(self) -> float:
        """Greatest learning rate of the curve."""
        return max(self.lr)

    @property
    def peak_step(self) -> int:
        """Step at which the greatest learning rate is first reached."""
        return self.steps[self.lr.index(self.peak)]


@dataclass(frozen=True)
class Facts:
    """What a run will do.

    Attributes:
        steps_per_epoch: optimizer steps of an epoch.
        total: of the run.
        warmup: of the warm-up.
        micro_batch: images of a full micro-batch: of one process, between two optimizer steps.
        last_batch: images of an epoch's last step.
        snapshots: number of weights averaged; `first_snapshot` and `last_snapshot` are the steps
            after which the first and the last are taken.
        num_parameters: of the model; `num_frozen` of them are in no group.
        cost: of one image's forward pass.
        state_tensors: that the optimizer keeps for each weight, about.
        groups: of the optimizer.
        curve: what the schedule sets.
    """

    steps_per_epoch: int
    total: int
    warmup: int
    micro_batch: int
    last_batch: int
    snapshots: int
    first_snapshot: int | None
    last_snapshot: int | None
    num_parameters: int
    num_frozen: int
    cost: NetworkCost
    state_tensors: int
    groups: tuple[GroupFacts, ...]
    curve: Curve


def facts_of(run: Run, config: RunConfig) -> Facts:
    """Return what a run at its first step will do; changes nothing of it."""
    per_epoch = run.data.steps_per_epoch
    parts = run.strategy.world.size * config.accumulate
    steps = Steps(
        run.data.epoch_images,
        config.batch_size,
        config.data.shared.last,
        config.accumulate,
        run.strategy.world.size,
    )
    first, stop = steps.bounds(steps.count - 1)
    taken = snapshots(run, config)
    groups = groups_of(run.model, run.optimizer)
    num_parameters = sum(p.numel() for p in run.model.parameters())
    return Facts(
        steps_per_epoch=per_epoch,
        total=run.total,
        warmup=run.schedule.warmup,
        micro_batch=config.batch_size // parts,
        last_batch=stop - first,
        snapshots=len(taken),
        first_snapshot=taken[0] if taken else None,
        last_snapshot=taken[-1] if taken else None,
        num_parameters=num_parameters,
        num_frozen=num_parameters - sum(g.num_parameters for g in groups),
        cost=cost_of(run.model, run.data.image_shape),
        state_tensors=max(map(state_tensors, run.optimizer.param_groups)),
        groups=groups,
        curve=curve_of(run),
    )


def snapshots(run: Run, config: RunConfig) -> list[int]:
    """Return the steps after which the weights are averaged."""
    if config.average.name == "none":
        return []
    start = Clock(0, run.total, run.data.steps_per_epoch)
    plan = config.average.component.plan(config.average.shared, start)
    return [step for step in range(1, run.total + 1) if plan.is_due(step)]


def groups_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[GroupFacts, ...]:
    """Return the optimizer's groups; each of their tensors is in one of them only."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = []
    for number, group in enumerate(optimizer.param_groups):
        tensors = [names.pop(id(p)) for p in group["params"]]
        found.append(
            GroupFacts(
                str(group.get("name", number)),
                Counter(name.rsplit(".", 1)[-1] for name in tensors),
                sum(p.numel() for p in group["params"]),
                float(group["base_lr"]),
                float(group.get("weight_decay", 0.0)),
                {k: v for k, v in group.items() if k not in APART},
            )
        )
    return tuple(found)


def curve_of(run: Run) -> Curve:
    """Return what the schedule sets over the run, at `MOST_SAMPLES` steps of it or at all."""
    last, count = run.total - 1, min(run.total, MOST_SAMPLES)
    steps = [round(i * last / max(count - 1, 1)) for i in range(count)]
    base_lr, clock = float(run.optimizer.param_groups[0]["base_lr"]), run.clock()
    times = [clock.at(step) for step in steps]
    points = [run.group_schedules.points(time, run.schedule(time))[0] for time in times]
    unscheduled = momentum_of(run.optimizer)
    # a schedule gives no momentum to an optimizer that runs without
    momenta = [unscheduled if p.momentum is None or not unscheduled else p.momentum for p in points]
    return Curve(
        tuple(steps),
        tuple(base_lr * p.lr_scale for p in points),
        tuple(m for m in momenta if m is not None) if unscheduled is not None else None,
    )


def state_tensors(group: Mapping[str, Any]) -> int:
    """Return how many numbers an optimizer keeps for each weight of a group, as its settings tell:
    two where it has betas, one where it has a momentum."""
    return 2 if "betas" in group else int(bool(group.get("momentum") or "eps" in group))
