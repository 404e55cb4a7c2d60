"""The method: train, evaluate, yield a record.

Writes no file, reads no configuration, knows no trick by name.
"""

import copy
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

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
    """A step is finished, and the caller asked for a pause."""

    clock: Clock


Look = Callable[[Batch, torch.Tensor], None]


class EvaluationStopped(Exception):
    """A process asked to stop during an evaluation; the run is as it was before the evaluation."""


def never(*clock: Clock) -> bool:
    """Return False: no pause, no stop."""
    return False


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


def fit(
    run: Run, *, pause: Callable[[Clock], bool] = never, stop: Callable[[], bool] = never
) -> Generator[EpochRecord | Pause]:
    """Train to the end, yielding a record at each epoch's end and a `Pause` wherever one is due.

    Args:
        run: its live parts.
        pause: called after every step but an epoch's last; whether to yield a `Pause` here. All
            processes must return the same.
        stop: called between the batches of an evaluation; whether this process wants to leave it.

    Raises:
        Diverged: if a loss, gradient or weight is not finite; a loss scaler skips steps with such
            gradients, until no scale is left.
        EvaluationStopped: in all processes, if `stop` returned True in one of them. A `fit` that
            follows repeats the evaluation.
    """
    run.planner(run)
    while run.state.step < run.total or run.is_trained():
        metrics = means(run) if run.is_trained() else (yield from train_epoch(run, pause))
        yield close_epoch(run, metrics, stop)
        run.planner(run)


def train_epoch(
    run: Run, pause: Callable[[Clock], bool] = never
) -> Generator[Pause, None, Metrics]:
    """Train from the present step to the epoch's end and return its means; see `fit`."""
    state = run.state
    epoch, offset = divmod(state.step, run.data.steps_per_epoch)
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
                        # (B, K), ()
                        logits, loss = run.forward(run.parallel, run.loss, batch)
                        loss = loss * batch.share  # of the step's mean
                    run.precision.backward(run.strategy.weigh(loss))
                meter.add(loss, logits, batch)
            meter.close()

        is_last = clock.step + 1 == run.epoch_end()

        def clip(parameters: Iterable[nn.Parameter], is_last: bool = is_last) -> None:
            norm = run.clip(parameters, measure=is_last)
            if is_last and norm is not None:
                meter.grad_norm = norm

        state.step += 1
        if run.precision.step(run.optimizer, gradients, clip):
            run.average.update(run.model, run.clock())
        else:
            state.skipped_steps += 1
            run.precision.check_scale(clock.step)
        run.planner(run)
        if run.is_trained():
            break
        if pause(run.clock()):
            state.train_s += run.seconds_now() - start
            yield Pause(run.clock())
            start = run.seconds_now()
    metrics = means(run)
    state.train_s += run.seconds_now() - start
    return metrics


def means(run: Run) -> Metrics:
    """Return the means of the epoch that was trained; synchronises once; raises Diverged."""
    metrics = run.state.meter.reduce(run.strategy.all_sum)
    check_weights(run.model.parameters(), run.state.step - 1)
    return metrics


def close_epoch(run: Run, metrics: Metrics, stop: Callable[[], bool] = never) -> EpochRecord:
    """Evaluate at an epoch's end and return its record; the next starts with an empty meter.

    Nothing that a checkpoint holds moves before the whole evaluation is complete.

    Raises:
        EvaluationStopped: in all processes, if one of them wants to stop.
        Diverged: if a score is not finite.
    """
    state, start = run.state, run.seconds_now()
    averaged, average_s, avg_val = None, None, None
    model = run.model if run.strategy.world.size == 1 else with_own_buffers(run.model)
    share_buffers(model, run.strategy)
    val = evaluate(run, model, run.data.val_batches(), stop)
    check_scores(val, state.step - 1, "validation")
    eval_s = run.seconds_now() - start
    is_due = state.step == run.total or crossed(state.meter.first, state.step, run.average_every)
    if is_due and val is not None:
        averaged, average_s = averaged_model(run, stop)
    if averaged is not None:
        start = run.seconds_now()
        avg_val = evaluate(run, averaged, run.data.val_batches(), stop)
        check_scores(avg_val, state.step - 1, "averaged weights' validation")
        eval_s += run.seconds_now() - start
    take_buffers(run.model, model)
    take_buffers(run.average.eval_model(), averaged)
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


def evaluate(
    run: Run,
    model: nn.Module,
    batches: Iterable[Batch],
    stop: Callable[[], bool] = never,
    look: Look | None = None,
) -> Scores | None:
    """Return a model's scores, each image counted once over all processes; None without any.

    Args:
        run: the model's.
        model: in whatever mode.
        batches: this process's.
        stop: as `fit` takes it.
        look: is shown each batch, as stored, with its logits (B, K).

    Raises:
        EvaluationStopped: in all processes, if one of them wants to stop.
    """
    model.eval()
    tally, measures = Tally(run.device), run.measures.fresh()
    with torch.inference_mode(), run.precision.autocast():
        for stored in until_stopped(run, batches, stop):
            batch = run.ready(stored)
            logits = run.views(model, batch.images)
            tally.add(logits, batch.labels)
            measures.add(logits, batch.labels)
            if look is not None:
                look(stored, logits)
    scores = tally.reduce(run.strategy.all_sum, run.data.num_classes)
    return measures.into(scores, run.strategy)


def final_scores(
    run: Run, is_tested: bool, stop: Callable[[], bool] = never, look: Look | None = None
) -> dict[str, Scores | None]:
    """Return the scores of a finished run on the test images, under `test` and, where there are
    averaged weights, `test_avg`; the statistics of the averaged weights are final then.

    Args:
        run: at its end.
        is_tested: whether scores are wanted; there are none else.
        stop: as `fit` takes it.
        look: as `evaluate` takes it, of the weights that the run is for: the averaged ones where
            there are some.

    Raises:
        EvaluationStopped: in all processes, if one of them wants to stop.
        Diverged: if a loss is not finite.
    """
    start = run.seconds_now()
    averaged, average_s = averaged_model(run, stop)
    scores = {}
    for name, model in (("test", run.model), ("test_avg", averaged)):
        if model is not None and is_tested:
            is_last = model is averaged or averaged is None
            found = evaluate(run, model, run.data.test_batches(), stop, look if is_last else None)
            scores[name] = check_scores(found, run.state.step - 1, "test")
    take_buffers(run.average.eval_model(), averaged)
    spent = run.seconds_now() - start - (average_s or 0.0)
    add_seconds(run, average=average_s or 0.0, eval=spent)
    return scores


def averaged_model(
    run: Run, stop: Callable[[], bool] = never
) -> tuple[nn.Module | None, float | None]:
    """Return the averaged weights, with BatchNorm statistics of their own, and the seconds that
    took; None while there is no average.

    The average itself has these statistics once `take_buffers` gave them to it.

    Raises:
        EvaluationStopped: in all processes, if one of them wants to stop.
    """
    start = run.seconds_now()
    average = run.average.eval_model()
    if average is None:
        return None, None
    model = with_own_buffers(average)
    share_buffers(model, run.strategy)

    def forward(images: torch.Tensor) -> None:
        with run.precision.autocast():
            model(images)

    if run.average.is_stale:
        clean = until_stopped(run, run.data.clean_train_batches(run.bn_images), stop)
        recompute(
            model, (run.ready(batch).images for batch in clean), forward, run.strategy.all_sum
        )
    return model, run.seconds_now() - start


class Turn(IntEnum):
    """What a process brings to a round of an evaluation; the greatest holds for all."""

    DONE = 0  # it has no batch left
    BATCH = 1
    STOP = 2


def until_stopped(run: Run, batches: Iterable[Batch], stop: Callable[[], bool]) -> Iterator[Batch]:
    """Yield this process's batches, in step with the other processes, whatever their numbers.

    Each round exchanges one integer on the CPU.

    Raises:
        EvaluationStopped: in all processes after the same round, if one of them wants to stop.
    """
    remaining = iter(batches)
    while True:
        batch = next(remaining, None)
        mine = Turn.STOP if stop() else Turn.DONE if batch is None else Turn.BATCH
        turn = run.strategy.all_max(mine)
        if turn == Turn.STOP:
            raise EvaluationStopped
        if turn == Turn.DONE:
            return
        if batch is not None:
            yield batch


def with_own_buffers(model: nn.Module) -> nn.Module:
    """Return a copy of a model that shares its parameters and has buffers of its own."""
    return copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})


def share_buffers(model: nn.Module, strategy: Strategy) -> None:
    """Give every process the mean of their BatchNorm statistics."""
    # parameters are equal on all processes, buffers are not
    if strategy.world.size == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(strategy.all_sum(buffer) / strategy.world.size)


def take_buffers(model: nn.Module | None, evaluated: nn.Module | None) -> None:
    """Give a model the buffers that it was evaluated with, if it was."""
    if model is None or evaluated is None or evaluated is model:
        return
    for mine, buffer in zip(model.buffers(), evaluated.buffers(), strict=True):
        mine.copy_(buffer)


def add_seconds(run: Run, **seconds: float) -> None:
    """Add to the run's seconds by phase."""
    for phase, spent in seconds.items():
        run.state.seconds[phase] = run.state.seconds.get(phase, 0.0) + spent
