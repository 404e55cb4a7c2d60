"""From a configuration to the live parts of a run."""

from __future__ import annotations

import math
import time

import torch
from torch import nn

from trainer.augment.base import Chain
from trainer.average.base import Plan
from trainer.clip import build_clip
from trainer.config import RunConfig
from trainer.convert import plain_choice
from trainer.data._batches import build_data
from trainer.data._windows import check_batch_size
from trainer.data.base import Source
from trainer.distributed import Strategy, World, build_strategy, choose_device
from trainer.duration import Clock
from trainer.errors import ConfigError
from trainer.fitting import start_from
from trainer.metrics import Meter
from trainer.mix.base import Mixing
from trainer.model._ghost import check_ghosts
from trainer.normalize import Normalize
from trainer.optim._courses import plan_courses
from trainer.optim._groups import build_optimizer
from trainer.precision import Precision, build_precision
from trainer.precision_half import cast_at_the_border
from trainer.rng import derive
from trainer.scheduler.base import Schedule
from trainer.state import Run, State
from trainer.teacher import Teachers
from trainer.tta import choose_views
from trainer.weights import read_all


def prepare(config: RunConfig, world: World) -> tuple[torch.device, Strategy, Precision]:
    """Set threads and how float32 numbers are multiplied; return device, strategy and precision:
    what can be refused before any data is loaded.

    Raises:
        ConfigError: if the machine or the way the program was started does not allow what was
            chosen.
    """
    torch.set_num_threads(config.threads)
    device = choose_device(config.device, world)
    check_batch_size(config.batch_size, config.accumulate, world.size)
    precision = build_precision(config.precision, device)
    return device, build_strategy(config.strategy, world, device), precision


def assemble(
    config: RunConfig,
    device: torch.device,
    strategy: Strategy,
    precision: Precision,
    *,
    is_resumed: bool = False,
) -> tuple[Run, Source]:
    """Return the run, ready at its first step, and the images it was built from.

    A run that is resumed starts from its checkpoint: `init_from` is not read again, `init` looks at
    no image.

    Raises:
        NotFound: if there is no such run to take weights from.
        ConfigError: if a setting does not fit the data or the length of the run.
        DataError: if images are missing or damaged.
    """
    origins = {k: o for k, o in config.origins().items() if not (is_resumed and k == "init_from")}
    weights = read_all(origins, plain_choice(config.model), strategy)
    start = time.perf_counter()
    source = read_in_turn(config, strategy)
    data = build_data(
        source,
        config.data.shared,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        seed=config.seed,
        rank=strategy.world.rank,
        world_size=strategy.world.size,
        device=device,
        partners=config.mix.shared.partners == "independent",
        label_noise=config.label_noise,
    )
    data_s = time.perf_counter() - start
    total = planned_steps(config, data.windows_per_epoch)
    schedule = Schedule(
        config.scheduler,
        peak=config.optim.shared.peak(config.batch_size),
        total=total,
        windows_per_epoch=data.windows_per_epoch,
    )
    augment = Chain(config.augment)
    augment.check(data.image_shape)
    mixing = Mixing(config.mix, total=total, windows_per_epoch=data.windows_per_epoch)
    plan, eval_every = plan_average(config, total, data.windows_per_epoch)
    model = build_model(
        config, data.image_shape, data.num_classes, device=device, dtype=precision.dtype
    )
    num_images = min(config.batch_size, data.num_train) // (config.accumulate * strategy.world.size)
    check_ghosts(model, num_images)
    layout = torch.channels_last if is_convolutional(model) else torch.contiguous_format
    normalize = Normalize.of(
        source.mean, source.std, device=device, dtype=precision.wide_dtype, memory_format=layout
    )
    if "init_from" in weights:
        start_from(model, weights["init_from"], data.num_classes)
    elif not is_resumed:
        config.init(
            model,
            lambda num_images: (normalize(b).images for b in data.clean_train_batches(num_images)),
            data.image_shape,
            strategy.total,
        )
    optimizer = build_optimizer(config.optim, model, config.batch_size)
    check_momentum(schedule, optimizer, config)
    courses = plan_courses(
        optimizer,
        config.optim.shared.groups,
        total=total,
        windows_per_epoch=data.windows_per_epoch,
    )
    average = config.average.component.build(model, plan)
    parallel = strategy.wrap(precision.adopt(model))
    torch.manual_seed(
        derive(config.seed, "model", strategy.world.rank)
    )  # dropout: each process its own
    teachers = Teachers(
        weights, source, lambda net: precision.lend(place(net, device, precision.dtype))
    )
    num_evaluated = data.num_val + (data.num_test if config.report_test else 0)
    empty = Meter(0, 0, device=device, dtype=precision.wide_dtype)
    run = Run(
        seed=config.seed,
        device=device,
        strategy=strategy,
        data=data,
        model=model,
        parallel=parallel,
        optimizer=optimizer,
        schedule=schedule,
        courses=courses,
        augment=augment,
        normalize=normalize,
        mix=mixing,
        loss=config.loss.component.build(teachers),
        average=average,
        precision=precision,
        views=choose_views(config.tta, data.image_shape, num_evaluated),
        clip=build_clip(
            model,
            norm=config.clip_norm,
            value=config.clip_value,
            adaptive=config.clip_adaptive,
        ),
        total=total,
        average_every=eval_every,
        bn_images=config.average.shared.bn_images.of(data.num_train),
        state=State(empty, seconds={"data": data_s}),
        weights_read={key: w.sha256 for key, w in weights.items()},
    )
    run.state.meter = run.new_meter()
    return run, source


def read_in_turn(config: RunConfig, strategy: Strategy) -> Source:
    """Return the images; the first process of each machine reads first, so that one downloads."""
    read, root = config.data.component.read, config.data.shared.root
    first = read(root) if strategy.world.local_rank == 0 else None
    strategy.agree(0)
    return first or read(root)


def planned_steps(config: RunConfig, windows_per_epoch: int) -> int:
    """Return the steps of the run, at least one."""
    steps = max(1, math.floor(config.epochs * windows_per_epoch + 0.5))
    return steps if config.max_steps is None else min(steps, config.max_steps)


def plan_average(config: RunConfig, total: int, windows_per_epoch: int) -> tuple[Plan, int]:
    """Return when snapshots are taken and how often they are evaluated, in steps.

    Raises:
        ConfigError: if averaging would begin after the last snapshot that the run allows.
    """
    keys, clock = config.average.shared, Clock(0, total, windows_per_epoch)
    plan = config.average.component.plan(keys, clock)
    return plan, max(1, clock.steps(keys.eval_every))


def build_model(
    config: RunConfig,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> nn.Module:
    """Return the network with weights drawn from the seed's `init` stream: the same in every
    process."""
    torch.manual_seed(derive(config.seed, "init"))
    model = config.model.component.build(image_shape, num_classes)
    return place(model, device, dtype)


def place(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Return a network where and as the run computes."""
    model = model.to(device, dtype)
    if is_convolutional(model):
        model = model.to(memory_format=torch.channels_last)
    if dtype == torch.float16:
        cast_at_the_border(model)
    return model


def is_convolutional(model: nn.Module) -> bool:
    """Return whether a model has weights that a channels-last layout helps."""
    return any(isinstance(m, nn.Conv2d) for m in model.modules())


def check_momentum(schedule: Schedule, optimizer: torch.optim.Optimizer, config: RunConfig) -> None:
    """Raise ConfigError if the schedule was told to cycle a momentum that the optimizer does not
    have."""
    key = schedule.momentum_key
    if key and not any("betas" in g or g.get("momentum") for g in optimizer.param_groups):
        raise ConfigError(
            f"{key}: optim={config.optim.name} has no momentum to cycle; set optim.momentum above "
            "0, choose another optimizer, or leave the key as it is in the schedule's YAML"
        )
