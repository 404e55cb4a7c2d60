"""Whether the chosen parts do anything over the steps of this run: each is asked, none by a rule of
its own.

A part that this run's length keeps from acting is refused. A part that its own values keep from
acting, such as `mix.alpha=0`, is legal, so that it can stand in a sweep, and is said in one line.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from trainer.average import Average, SnapshotPlan
from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.core.convert import plain_choice
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import printable
from trainer.core.units import Duration
from trainer.data import Batch, Batches
from trainer.metrics import Scores
from trainer.mix import Mixing
from trainer.scheduler import Schedule

log = logging.getLogger(__name__)

SAMPLES = 500  # steps at which a schedule is looked at
LONGER = 5_000  # epochs, or twice the run: where a schedule that is idle here may act
SNAPSHOTS = 20  # of a toy network, which an average is asked about
UNEVEN = 3  # times the smallest class that the largest is when a word is due
IMAGES = 8  # of random pixels, which augmentations and mixing are asked about


def check_effects(
    config: RunConfig,
    schedule: Schedule,
    mix: Mixing,
    snapshots: SnapshotPlan,
    *,
    clock: Clock,
    data: Batches,
    micro_batch: int,
) -> None:
    """Say which parts change nothing in this run; some lines of text through `logging`.

    Raises:
        ConfigError: for a part that this run is too short, or its micro-batches too small, for.
    """
    for line in (
        *idle_schedule(config, schedule, clock),
        *idle_average(config, snapshots, clock),
        *idle_mix(config, mix, clock, data.image_shape, micro_batch),
        *idle_augment(config, clock, data.image_shape),
        *on_balance(config, data),
    ):
        log.info(line)


def on_balance(config: RunConfig, data: Batches) -> Iterator[str]:
    """Yield a line on classes of different sizes: what oversampling makes of an epoch, what changes
    nothing, or what could be done where nothing is."""
    weights = plain_choice(config.loss).get("class_weights", "none")
    counts = sorted((n, name) for n, name in zip(data.train_counts, data.classes, strict=True) if n)
    (fewest, small), (most, large) = counts[0], counts[-1]
    if config.data.shared.balance == "oversample":
        if data.epoch_images > data.num_train:
            yield (
                f"data.balance=oversample: an epoch has {data.epoch_images:,} images, {most:,} of "
                f"each class, made of {data.num_train:,}"
            )
        else:
            yield f"data.balance=oversample changes nothing: every class has {most:,} images"
    if isinstance(weights, list) and len(set(weights)) == 1:
        yield "loss.class_weights changes nothing: all weights are equal"
    elif weights == "balanced" and fewest == most:
        yield f"loss.class_weights=balanced changes nothing: every class has {most:,} images"
    elif weights == "none" and most >= UNEVEN * fewest:
        yield (
            f"classes are uneven: {most:,} training images of {printable(large)}, {fewest:,} of "
            f"{printable(small)}; data.balance=oversample or loss.class_weights=balanced makes "
            "them count alike"
        )


def idle_schedule(config: RunConfig, schedule: Schedule, clock: Clock) -> Iterator[str]:
    """Yield a line for a schedule that never moves after warm-up; raise ConfigError where a longer
    run would see it move."""
    name = config.scheduler.name
    if name == "constant":
        return
    spans = spans_of("scheduler", config.scheduler.component)
    if moves(config, schedule, clock):
        return
    if not moves(config, None, longer(config, clock)):
        yield f"scheduler={name} changes nothing with these values: lr stays as it begins"
    elif spans:
        keys = ", ".join(f"{key}={span}" for key, span in spans.items())
        raise ConfigError(
            f"scheduler={name} changes nothing in this run of {clock.total} steps "
            f"({clock.total / clock.steps_per_epoch:.4g} epochs), only in a longer one ({keys}): "
            "it must come before the run's end; shorten it, or write scheduler=constant"
        )
    else:
        yield f"scheduler={name} changes nothing in so short a run: lr stays as it begins"


def longer(config: RunConfig, clock: Clock) -> Clock:
    """Return the clock of a run in which whatever is not idle by its values acts; torch's schedules
    go through every step of it."""
    if config.scheduler.name == "torch":
        return replace(clock, total=20 * clock.total)
    return replace(clock, total=max(2 * clock.total, LONGER * clock.steps_per_epoch))


def moves(config: RunConfig, schedule: Schedule | None, clock: Clock) -> bool:
    """Return whether a schedule has two different points after warm-up, at the worst of scores."""
    asked = schedule
    if asked is None or asked.state_dict():  # what watches scores must not see these
        peak, per_epoch = config.optim.shared.peak(config.batch_size), clock.steps_per_epoch
        asked = Schedule(config.scheduler, peak=peak, total=clock.total, steps_per_epoch=per_epoch)
    span = clock.total - asked.warmup
    first = asked(clock.at(asked.warmup))
    if asked.state_dict():
        for epoch in range(1, min(LONGER, clock.total // clock.steps_per_epoch) + 1):
            step = epoch * clock.steps_per_epoch
            asked.observe(clock.at(step), Scores(1.0, 0.0, None, 1))
            if step < clock.total and asked(clock.at(step)) != first:
                return True
        return False
    steps = {asked.warmup + span * i // SAMPLES for i in range(SAMPLES)} | {clock.total - 1}
    return any(asked(clock.at(step)) != first for step in sorted(steps, reverse=True))


def idle_average(config: RunConfig, snapshots: SnapshotPlan, clock: Clock) -> Iterator[str]:
    """Yield a line for an average that is never anything but the weights it is made from."""
    name = config.average.name
    if name == "none":
        return
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    average: Average = config.average.component.build(model, snapshots)
    steps = range(snapshots.first, clock.total + 1, snapshots.every)[:SNAPSHOTS]
    for step in steps:
        with torch.no_grad():
            for weight in model.parameters():
                weight.fill_(float(step))
        average.update(model, clock.at(step))
        averaged = average.eval_model()
        if has_other_weights(model, step) or (averaged and has_other_weights(averaged, step)):
            return
    if len(steps) == 1:
        yield (
            f"average={name} takes one snapshot in this run, after step {steps[0]} of "
            f"{clock.total}: the average is those weights"
        )
    else:
        yield f"average={name} changes nothing with these values: it is always the last weights"


def has_other_weights(model: nn.Module, step: int) -> bool:
    """Return whether a toy network has other weights than those of a step."""
    return any(bool((weight != float(step)).any()) for weight in model.parameters())


def idle_mix(
    config: RunConfig,
    mix: Mixing,
    clock: Clock,
    image_shape: tuple[int, int, int],
    micro_batch: int,
) -> Iterator[str]:
    """Yield a line for a mixing that leaves every batch as it is; raise ConfigError where larger
    micro-batches would be mixed."""
    name, keys = config.mix.name, config.mix.shared
    if name == "none":
        return
    if not mixes(mix, clock, random_batch(image_shape, torch.float32)):
        yield f"mix={name} changes nothing with these values: no image is mixed"
    elif micro_batch == 1 and keys.partners == "permuted":
        raise ConfigError(
            f"mix={name} pairs images of one micro-batch, and each holds a single image: raise "
            "batch_size, or write mix.partners=independent"
        )


def mixes(mix: Mixing, clock: Clock, batch: Batch) -> bool:
    """Return whether a mixing changes a batch at one of its steps."""
    steps = range(min(mix.stop, SAMPLES))
    return any(is_changed(batch, mix(batch, clock.at(step))) for step in steps)


def idle_augment(
    config: RunConfig, clock: Clock, image_shape: tuple[int, int, int]
) -> Iterator[str]:
    """Yield a line for each augmentation that leaves images as they are."""
    batch = random_batch(image_shape, torch.uint8)
    for choice in config.augment:
        steps = range(min(clock.total, SAMPLES))
        if choice.name != "none" and not any(
            is_changed(batch, choice.component(batch, clock.at(step))) for step in steps
        ):
            yield f"augment={choice.name} changes nothing with these values"


def random_batch(image_shape: tuple[int, int, int], dtype: torch.dtype) -> Batch:
    """Return images of random pixels in [0, 256) with different labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, *image_shape), generator=generator).to(dtype)
    return Batch(
        images,
        torch.arange(IMAGES),
        num_classes=IMAGES,
        step_images=IMAGES,
        index=np.arange(IMAGES),
        mean=(0.5,) * image_shape[0],
    )


def is_changed(before: Batch, after: Batch) -> bool:
    """Return whether a batch has other images."""
    same = before.images.shape == after.images.shape
    return not same or not torch.equal(before.images.to(after.images.dtype), after.images)


def spans_of(group: str, component: Any) -> dict[str, Any]:
    """Return the durations among a component's keys that do not follow the run's length; the
    arguments of torch's schedules count steps."""
    found: dict[str, Any] = {}
    for field in fields(component):
        value = getattr(component, field.name)
        if isinstance(value, Mapping):
            found[f"{group}.{field.name}"] = dict(value)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Duration) and one.unit != "%" and one.value:
                found[f"{group}.{field.name}"] = one
    return found
