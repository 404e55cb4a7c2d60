"""The method: train, evaluate, yield a record.

Writes no file, reads no configuration, knows no trick by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from trainer.average import recompute
from trainer.core.clock import Clock
from trainer.core.units import crossed
from trainer.data import Batch
from trainer.metrics import Metrics, Scores, Tally, check_scores, check_weights
from trainer.scheduler import momentum_of, set_hyperparameters
from trainer.state import Run
from trainer.strategy.base import Strategy


@dataclass(frozen=True)
class Pause:
    """A step is finished and somebody wants to save or stop."""

    clock: Clock


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave. Accuracies are shares; what does not apply is None.

    Attributes:
        epoch: passes over the training images so far (the last may be a part).
        lr: learning rate of the epoch's last step; `momentum` likewise.
        train: means over the epoch.
        val: validation scores of the present weights.
        avg_val: those of the averaged weights.
        loss_scale: of the step to come; None where the loss is not scaled.
        skipped_steps: those that the loss scaler skipped so far; likewise.
    """

    epoch: float
    step: int
    lr: float
    momentum: float | None
    train: Metrics
    val: Scores | None
    avg_val: Scores | None
    train_s: float
    average_s: float | None
    eval_s: float
    loss_scale: float | None
    skipped_steps: int | None


def fit(run: Run) -> Generator[EpochRecord | Pause]:
    """Train to the end, yielding at each epoch's end and wherever a save or stop is due.

    Raises:
        Diverged: if a loss, gradient or weight is not finite; a loss scaler skips steps with such
            gradients, until no scale is left.
    """
    while run.state.step < run.total or run.is_trained():
        metrics = means(run) if run.is_trained() else (yield from train_epoch(run))
        try:
            record = close_epoch(run, metrics)
        except EvaluationStopped:
            yield Pause(run.clock())
        else:
            yield record


def train_epoch(run: Run) -> Generator[Pause, None, Metrics]:
    """Train from the present step to the epoch's end and return its means."""
    state, first, end = run.state, run.state.step, run.epoch_end()
    epoch, offset = divmod(first, run.data.steps_per_epoch)
    meter = state.meter  # on the device, and in the checkpoint: a resumed epoch reports the same
    run.model.train()
    start = run.seconds_now()
    for step in run.data.train_steps(epoch, offset):
        clock = run.clock()  # the only time: step of total
        set_hyperparameters(run.optimizer, run.group_schedules.points(clock, run.schedule(clock)))
        run.freeze(clock)
        meter.open(step[0].step_images)

        # torch's closure protocol, over the micro-batches of this process
        def gradients(step: list[Batch] = step, clock: Clock = clock) -> None:
            for batch in step:
                batch = run.mix(run.ready(run.augment(batch, clock)), clock)
                with run.strategy.sync_on(batch.is_last):
                    with run.precision.autocast():
                        logits = run.parallel(batch.images)  # (B, K)
                        loss = run.loss(logits, batch) * batch.share  # () of the step's mean
                    run.precision.backward(run.strategy.weigh(loss))
                meter.add(loss, logits, batch)
            meter.close()

        def clip(parameters: Iterable[nn.Parameter], is_last: bool = clock.step + 1 == end) -> None:
            norm = run.clip(parameters, measure=is_last)
            if is_last and norm is not None:
                meter.grad_norm = norm

        state.step += 1
        if run.precision.step(run.optimizer, gradients, clip):
            run.average.update(run.model, run.clock())
        else:
            state.skipped_steps += 1
            run.precision.check_scale(clock.step)
        if state.step == end:
            break
        if run.wants_pause(run.clock()):
            state.train_s += run.seconds_now() - start
            yield Pause(run.clock())
            start = run.seconds_now()
    metrics = means(run)
    state.train_s += run.seconds_now() - start
    return metrics


def means(run: Run) -> Metrics:
    """Return the means of the epoch that was trained; synchronises, once an epoch; raises
    Diverged."""
    metrics = run.state.meter.reduce(run.strategy.all_sum)
    check_weights(run.model.parameters(), run.state.step - 1)
    return metrics


def close_epoch(run: Run, metrics: Metrics) -> EpochRecord:
    """Evaluate at an epoch's end and return its record; the next starts with an empty meter.

    Raises:
        GaveWay: if a process hears of a stop meanwhile; everything is as it was.
        Diverged: if a score is not finite.
    """
    state, start = run.state, run.seconds_now()
    averaged, average_s, avg_val = None, None, None
    with put_back(run):
        share_buffers(run.model, run.strategy)
        val = evaluate(run, run.model, run.data.val_batches())
        check_scores(val, state.step - 1, "validation")
        eval_s = run.seconds_now() - start
        is_due = state.step == run.total or crossed(
            state.meter.first, state.step, run.average_every
        )
        if is_due and val is not None:
            averaged, average_s = averaged_model(run)
        if averaged is not None:
            start = run.seconds_now()
            avg_val = evaluate(run, averaged, run.data.val_batches())
            check_scores(avg_val, state.step - 1, "averaged weights' validation")
            eval_s += run.seconds_now() - start
    for schedule in (run.schedule, run.group_schedules):
        schedule.observe(run.clock(), val)
    record = EpochRecord(
        epoch=state.step / run.data.steps_per_epoch,
        step=state.step,
        lr=float(run.optimizer.param_groups[0]["lr"]),
        momentum=momentum_of(run.optimizer),
        train=metrics,
        val=val,
        avg_val=avg_val,
        train_s=state.train_s,
        average_s=average_s,
        eval_s=eval_s,
        loss_scale=run.precision.loss_scale,
        skipped_steps=state.skipped_steps if run.precision.scales_loss else None,
    )
    add_seconds(run, train=state.train_s, average=average_s or 0.0, eval=eval_s)
    state.train_s, state.meter = 0.0, run.new_meter()
    return record


class EvaluationStopped(Exception):
    """An evaluation was left, nothing moved, because a process heard of a stop."""


def evaluate(run: Run, model: nn.Module, batches: Iterable[Batch]) -> Scores | None:
    """Return a model's scores, each image counted once over all processes; None without any.

    Raises:
        GaveWay: in all processes, if one of them heard of a stop.
    """
    model.eval()
    tally = Tally(run.device)
    with torch.inference_mode(), run.precision.autocast():
        for batch in while_undisturbed(run, batches):
            batch = run.ready(batch)
            tally.add(run.views(model, batch.images), batch.labels)
    give_way(run)
    return tally.reduce(run.strategy.all_sum, run.data.num_classes)


def test_scores(run: Run, averaged: nn.Module | None) -> dict[str, Scores | None]:
    """Return the scores on the test images, of the weights and, if there are any, of their average;
    raises Diverged if a loss is not finite, GaveWay as `evaluate` does."""
    models = {"test": run.model, "test_avg": averaged}
    return {
        name: check_scores(
            evaluate(run, model, run.data.test_batches()), run.state.step - 1, "test"
        )
        for name, model in models.items()
        if model is not None
    }


def final_scores(
    run: Run, is_tested: bool, attend: Callable[[], None]
) -> tuple[nn.Module | None, dict[str, Scores | None]]:
    """Return the averaged weights, and the scores on the test images where they are wanted.

    Args:
        run: at its end.
        is_tested: whether they are.
        attend: called when a process hears of a stop; where it returns, all begins again.
    """
    start = run.seconds_now()
    while True:
        try:
            with put_back(run):
                averaged, average_s = averaged_model(run)
                tested = test_scores(run, averaged) if is_tested else {}
            break
        except EvaluationStopped:
            attend()
    spent = run.seconds_now() - start - (average_s or 0.0)
    add_seconds(run, average=average_s or 0.0, eval=spent)
    return averaged, tested


def averaged_model(run: Run) -> tuple[nn.Module | None, float | None]:
    """Return the averaged weights, BatchNorm statistics their own, and the seconds that took."""
    start = run.seconds_now()
    model = run.average.eval_model()
    if model is None:
        return None, None
    share_buffers(model, run.strategy)

    def forward(images: torch.Tensor) -> None:
        with run.precision.autocast():
            model(images)

    if run.average.is_stale:
        clean = while_undisturbed(run, run.data.clean_train_batches(run.bn_images))
        recompute(
            model, (run.ready(batch).images for batch in clean), forward, run.strategy.all_sum
        )
        give_way(run)
    return model, run.seconds_now() - start


def while_undisturbed(run: Run, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches until this process hears of a stop; what they are for must `give_way` then."""
    for batch in batches:
        if run.hears_stop():
            return
        yield batch


def give_way(run: Run) -> None:
    """Raise GaveWay in all processes if one of them has heard of a stop."""
    if run.strategy.all_max(int(run.hears_stop())):
        raise EvaluationStopped


@contextlib.contextmanager
def put_back(run: Run) -> Iterator[None]:
    """Give the buffers of the model and of its average their values back if what is done with them
    gives way."""
    models = [m for m in (run.model, run.average.eval_model()) if m is not None]
    kept = [{name: b.detach().clone() for name, b in m.named_buffers()} for m in models]
    try:
        yield
    except EvaluationStopped:
        for model, buffers in zip(models, kept, strict=True):
            for name, value in buffers.items():
                model.get_buffer(name).copy_(value)
        raise


def share_buffers(model: nn.Module, strategy: Strategy) -> None:
    """Give every process the mean of their BatchNorm statistics."""
    # parameters are equal on all processes, buffers are not
    if strategy.world.size == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(strategy.all_sum(buffer) / strategy.world.size)


def add_seconds(run: Run, **seconds: float) -> None:
    """Add to the run's seconds by phase."""
    for phase, spent in seconds.items():
        run.state.seconds[phase] = run.state.seconds.get(phase, 0.0) + spent
