"""A run in memory: its live parts, and the part of them that a checkpoint saves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from trainer.augment import Chain, Views
from trainer.average import Average
from trainer.core.clock import Clock
from trainer.core.environment import World
from trainer.core.rng import derive
from trainer.data import Batch, Batches
from trainer.evaluation.chosen import Measures
from trainer.loss import Criterion
from trainer.metrics import Meter
from trainer.mix import Mixing
from trainer.model import put_weights
from trainer.optim import Clip, GroupSchedules
from trainer.precision.step import Precision
from trainer.scheduler import Schedule
from trainer.strategy.base import Strategy

if TYPE_CHECKING:
    from trainer.data import Normalize


@dataclass
class State:
    """Everything that moves while a run trains, besides weights and optimizer.

    Attributes:
        step: steps done.
        meter: sums over the epoch under way.
        train_s: seconds in training steps, of the epoch under way.
        skipped_steps: steps that a loss scaler skipped, over the run.
        best_val_top1: best validation accuracy so far, or None.
        best: best values of the score that checkpoints are chosen by and the steps they were
            reached at, the best first; of equal ones the first reached.
        patience: what early stopping has seen: `best` value and its `step`; `stopped` where it
            ended the run.
        seconds: by phase, over the run and its resumptions.
    """

    meter: Meter
    step: int = 0
    train_s: float = 0.0
    skipped_steps: int = 0
    best_val_top1: float | None = None
    best: list[tuple[float, int]] = field(default_factory=list)
    patience: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def note_best(self, value: float, step: int, count: int, *, is_larger: bool) -> bool:
        """Keep a score if it is among the `count` best, and return whether it is; NaN never is.

        Args:
            is_larger: whether larger scores are better.
        """
        if math.isnan(value):
            return False
        sign = -1 if is_larger else 1
        ranked = sorted([*self.best, (value, step)], key=lambda one: (sign * one[0], one[1]))
        self.best = ranked[:count]
        return (value, step) in self.best


class Planner(Protocol):
    """Decides how many steps a run has; called before the first step, after each step and after
    each evaluation, in all processes."""

    def __call__(self, run: Run) -> None:
        """Set the run's total, which is not below the steps done."""

    def facts(self) -> dict[str, Any] | None:
        """Return what a summary says of it, or None."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: plain data."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class Fixed:
    """The number of steps was known before the first."""

    def __call__(self, run: Run) -> None:
        """Leave the total as it is."""

    def facts(self) -> None:
        """Return None."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


Forward = Callable[[nn.Module, Criterion, Batch], tuple[torch.Tensor, torch.Tensor]]


def forward(
    network: nn.Module, criterion: Criterion, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (B, K) and the mean loss () of a micro-batch: operation by operation, or, where
    steps are compiled, what is compiled."""
    logits: torch.Tensor = network(batch.images)
    return logits, criterion(logits, batch)


@dataclass
class Run:
    """All live parts of one run in this process.

    Attributes:
        model: the bare module; `parallel` is the wrapped one, used only for the training forward
            pass.
        forward: `forward`, or what was compiled of it.
        weights_read: SHA-256 of trained weights that were read from elsewhere, by key.
        group_schedules: what sets some of the optimizer's groups apart from `schedule`.
        views: asks a model about a batch that is evaluated.
        measures: chosen metrics, empty; each evaluation takes fresh ones.
        total: steps of the run; `planner` may move it while the run trains.
        average_every: steps between evaluations of the averaged weights.
        bn_images: clean training images for their BatchNorm statistics.
    """

    seed: int
    device: torch.device
    strategy: Strategy
    data: Batches
    model: nn.Module
    parallel: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    group_schedules: GroupSchedules
    augment: Chain
    normalize: Normalize
    mix: Mixing
    loss: Criterion
    average: Average
    precision: Precision
    views: Views
    measures: Measures
    clip: Clip
    total: int
    average_every: int
    bn_images: int
    state: State
    weights_read: dict[str, str]
    forward: Forward = forward
    planner: Planner = field(default_factory=Fixed)

    def clock(self) -> Clock:
        """Return the time: steps done, of all that will be."""
        return Clock(
            self.state.step,
            self.total,
            self.data.steps_per_epoch,
            self.schedule.warmup,
            self.seed,
        )

    def freeze(self, clock: Clock) -> None:
        """Hold still the parameters whose time has come; training passes leave them out."""
        if self.group_schedules.freeze(self.optimizer, clock):
            # what wraps the model has to learn that some gradients no longer come
            self.parallel = self.strategy.wrap(self.precision.prepare_for_training(self.model))

    def epoch_number(self) -> int:
        """Return the epoch under way, counted from 1."""
        return min(self.state.step, self.total - 1) // self.data.steps_per_epoch + 1

    def epoch_end(self) -> int:
        """Return the step at which the epoch under way ends, which may be the run's end."""
        per_epoch = self.data.steps_per_epoch
        return min((self.state.step // per_epoch + 1) * per_epoch, self.total)

    def is_trained(self) -> bool:
        """Return whether an epoch's steps are done and its evaluation is not."""
        step = self.state.step
        is_end = step % self.data.steps_per_epoch == 0 or step == self.total
        return is_end and bool(self.state.meter.sizes)

    def new_meter(self) -> Meter:
        """Return an empty meter for the epoch that begins at the present step."""
        # the rest of the epoch, though the run may end before: its total may be planned anew
        capacity = self.data.steps_per_epoch - self.state.step % self.data.steps_per_epoch
        dtype = self.precision.wide_dtype
        return Meter(self.state.step, capacity, device=self.device, dtype=dtype)

    def seconds_now(self) -> float:
        """Return the clock on the wall, after the device has finished what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def ready(self, batch: Batch) -> Batch:
        """Return a batch as the model takes it: on the device, normalised."""
        return self.normalize(batch)


def save_state(run: Run) -> dict[str, Any]:
    """Return what `load_state` needs to go on exactly here: plain data; a collective operation."""
    state, averaged = run.state, run.average.eval_model()
    mine = {
        "generator": torch.get_rng_state(),
        "buffers": buffers_of(run.model),
        "average_buffers": {} if averaged is None else buffers_of(averaged),
        "meter": state.meter.state_dict(),
    }
    if run.device.type == "cuda":
        devices = run.strategy.devices
        mine["cuda_generators"] = [torch.cuda.get_rng_state(device) for device in devices]
    return {
        "step": state.step,
        "train_s": state.train_s,
        "skipped_steps": state.skipped_steps,
        "best_val_top1": state.best_val_top1,
        "best": [list(one) for one in state.best],
        "patience": dict(state.patience),
        "planner": run.planner.state_dict(),
        "seconds": dict(state.seconds),
        "optimizer": run.optimizer.state_dict(),
        "precision": run.precision.state_dict(),
        "average": run.average.state_dict(),
        "schedule": run.schedule.state_dict(),
        "group_schedules": run.group_schedules.state_dict(),
        "ranks": run.strategy.all_gather(mine),
    }


def buffers_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's buffers, on the CPU."""
    return {name: buffer.detach().cpu() for name, buffer in model.named_buffers()}


def load_state(
    run: Run,
    saved: dict[str, Any],
    weights: dict[str, torch.Tensor],
    averaged: dict[str, torch.Tensor],
) -> None:
    """Put a run that is freshly assembled from the same configuration where `save_state` found
    it."""
    mine = own_part(saved["ranks"], run.strategy.world, run.seed)
    run.planner.load_state_dict(saved.get("planner", {}))  # makes the schedules that go on below
    put_own_weights(run, weights, mine)
    run.optimizer.load_state_dict(saved["optimizer"])
    run.precision.load_state_dict(saved["precision"])
    run.average.load_state_dict(
        saved["average"],
        {**averaged, **{k: v for k, v in mine["average_buffers"].items() if k in averaged}},
    )
    run.schedule.load_state_dict(saved["schedule"])
    run.group_schedules.load_state_dict(saved["group_schedules"])
    load_counters(run, saved, mine)
    if run.state.patience.get("stopped"):  # its evaluation was the last
        run.total = run.state.step


def put_own_weights(run: Run, weights: dict[str, torch.Tensor], mine: dict[str, Any]) -> None:
    """Put weights into the model, with the buffers of this process."""
    buffers = {name: tensor for name, tensor in mine["buffers"].items() if name in weights}
    put_weights(run.model, {**weights, **buffers})


def load_counters(
    run: Run, saved: dict[str, Any], mine: dict[str, Any], *, same_stream: bool = True
) -> None:
    """Set what was counted, and the generator where it goes on with the same random stream."""
    state = run.state
    state.step = int(saved["step"])
    state.train_s = float(saved["train_s"])
    state.skipped_steps = int(saved["skipped_steps"])
    state.best_val_top1 = saved["best_val_top1"]
    state.best = [(float(value), int(step)) for value, step in best_of(saved)]
    state.patience = dict(saved.get("patience", {}))
    state.seconds = dict(saved["seconds"])
    state.meter = run.new_meter()
    state.meter.load_state_dict(mine["meter"])
    if same_stream and "generator" in mine:
        torch.set_rng_state(mine["generator"])
    if same_stream and "cuda_generators" in mine and run.device.type == "cuda":
        for device, generator in zip(run.strategy.devices, mine["cuda_generators"], strict=True):
            torch.cuda.set_rng_state(generator, device)


def best_of(saved: dict[str, Any]) -> list[Any]:
    """Return the best scores and steps of a checkpoint; older ones hold a single pair."""
    if "best" in saved:
        return list(saved["best"])
    return [] if saved["best_step"] is None else [[saved["best_val_top1"], saved["best_step"]]]


def own_part(ranks: Sequence[dict[str, Any]], world: World, seed: int) -> dict[str, Any]:
    """Return what a checkpoint holds for this process alone, of the buffers, sums and generators of
    all `ranks`.

    Where it was made by another number of processes: the mean of their buffers, their sums in the
    first process, and no generator: each draws its dropout from a new stream.
    """
    if len(ranks) == world.size:
        return ranks[world.rank]
    torch.manual_seed(derive(seed, "model", world.rank, len(ranks)))
    meters = [rank["meter"] for rank in ranks]
    share = int(world.rank == 0)
    return {
        **{name: mean_of([r[name] for r in ranks]) for name in ("buffers", "average_buffers")},
        "meter": {
            **meters[0],
            "losses": share * torch.stack([meter["losses"] for meter in meters]).sum(0),
            "hits": share * torch.stack([meter["hits"] for meter in meters]).sum(0),
            "seen": share * sum(meter["seen"] for meter in meters),
        },
    }


def mean_of(buffers: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the mean of several processes' buffers; of counters, the first's."""
    return {
        name: torch.stack([b[name] for b in buffers]).mean(0)
        if first.is_floating_point()
        else first
        for name, first in buffers[0].items()
    }
