"""From a configuration to the live parts of a run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.augment import Chain, choose_views
from trainer.average import SnapshotPlan, check_bn_images
from trainer.checkpoint.load_into import Teachers, start_from
from trainer.checkpoint.weights import Weights, read_all
from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.core.convert import plain_choice
from trainer.core.errors import ConfigError
from trainer.core.limits import reporting_memory
from trainer.core.rng import derive
from trainer.core.time_plan import UNPLANNED
from trainer.data import SMALLEST, Normalize
from trainer.metrics import Meter
from trainer.mix import Mixing
from trainer.model import check_ghosts, put_weights
from trainer.optim import build_clip, build_optimizer, plan_group_schedules
from trainer.precision.step import Precision
from trainer.run.choices import choose, compiled_if_chosen
from trainer.run.context import RunContext, settle
from trainer.run.device import layout_for, place
from trainer.run.effects import check_effects
from trainer.run.fork import Fork, check_context
from trainer.run.refit import Refit
from trainer.run.time_budget import Repeated, TimeBudget
from trainer.run.work import has_batch_norm
from trainer.scheduler import Schedule
from trainer.state import Planner, Run, State
from trainer.strategy.base import Strategy

log = logging.getLogger("trainer")


@reporting_memory()
def assemble(
    config: RunConfig,
    device: torch.device,
    strategy: Strategy,
    precision: Precision,
    *,
    is_resumed: bool = False,
    fork: Fork | None = None,
) -> tuple[Run, RunContext]:
    """Return the run, ready at its first step, and what it stands on, with everything chosen.

    A run that is resumed starts from its checkpoint, and a fork from another's: `init_from` is not
    read again, `init` looks at no image.

    Raises:
        NotFound: if there is no such run to take weights from.
        ConfigError: if a setting does not fit the data, the length of the run or the memory.
        DataError: if images are missing or damaged.
    """
    has_state = is_resumed or fork is not None
    origins = {k: o for k, o in config.origins().items() if not (has_state and k == "init_from")}
    weights = read_all(origins, plain_choice(config.model), strategy)
    context = choose(settle(config, device, strategy, precision))
    planned = plan(context)  # refuses what does not fit the run before a network is built
    model = build_model(context)
    normalize = build_normalize(context, model)
    if fork is not None:
        check_context(fork, context.source, context.precision)
        put_weights(model, fork.weights)  # before an average that begins here copies them
    elif "init_from" in weights:
        build = partial(config.model.component.build, context.data.image_shape)
        start_from(model, weights["init_from"], context.source, build)
    elif not is_resumed:
        config.init(
            model,
            lambda count: (normalize(b).images for b in context.data.clean_train_batches(count)),
            context.data.image_shape,
            strategy.all_sum,
        )
    run = build_run(context, planned, model, normalize, weights=weights)
    if run.total == UNPLANNED:
        run.planner = planner_for(run, context)
    return run, compiled_if_chosen(run, context)


@dataclass(frozen=True)
class Planned:
    """Parts that depend on the images and the run's length alone."""

    schedule: Schedule
    augment: Chain
    mix: Mixing
    snapshots: SnapshotPlan
    average_every: int


def plan(context: RunContext) -> Planned:
    """Return the parts that need no network.

    Raises:
        ConfigError: if something would begin after the run's end, or does not fit the images.
    """
    config = context.config
    peak = config.optim.shared.peak(config.batch_size)
    schedule = Schedule(config.scheduler, peak=peak, **context.times)
    augment = Chain(config.augment)
    augment.check(context.data.image_shape)
    mix = Mixing(config.mix, **context.times)
    keys, clock = config.average.shared, Clock(0, **context.times)
    snapshots = config.average.component.plan(keys, clock)
    check_effects(
        config,
        schedule,
        mix,
        snapshots,
        clock=clock,
        data=context.data,
        micro_batch=context.smallest_batch,
    )
    return Planned(schedule, augment, mix, snapshots, max(1, clock.steps(keys.eval_every)))


def planner_for(run: Run, context: RunContext) -> Planner:
    """Return what plans the steps of a run whose length is a time, or repeats such a plan."""
    refit, config = Refit(run, context), context.config
    if config.max_time is not None:
        return TimeBudget(config.max_time.seconds, refit)
    assert config.time_plan is not None  # nothing else leaves the steps open
    return Repeated(config.time_plan, refit)


def build_model(context: RunContext) -> nn.Module:
    """Return the network with weights drawn from the seed's `init` stream: the same in every
    process."""
    torch.manual_seed(derive(context.config.seed, "init"))
    model = context.config.model.component.build(context.data.image_shape, context.data.num_classes)
    model = place(model, context.device, context.precision.dtype)
    check_ghosts(model, context.smallest_batch)
    if has_batch_norm(model):
        context.data.check_least(SMALLEST)
    return model


def build_normalize(context: RunContext, model: nn.Module) -> Normalize:
    """Return what brings images to a network's numbers, in the layout that helps it."""
    return Normalize.of(
        context.source.mean,
        context.source.std,
        device=context.device,
        dtype=context.precision.wide_dtype,
        memory_format=layout_for(model),
    )


def build_run(
    context: RunContext,
    planned: Planned,
    model: nn.Module,
    normalize: Normalize,
    *,
    weights: Mapping[str, Weights],
) -> Run:
    """Return the run around a network that has its first weights; `weights` are trained ones that
    were read, by key."""
    config, data, precision = context.config, context.data, context.precision
    optimizer = build_optimizer(config.optim, model, config.batch_size)
    check_momentum(planned.schedule, optimizer, config)
    note_statistics(model, optimizer)
    group_schedules = plan_group_schedules(optimizer, config.optim.shared.groups, **context.times)
    check_bn_images(config.average.shared, model)
    average = config.average.component.build(model, planned.snapshots)
    parallel = context.strategy.wrap(precision.prepare_for_training(model))
    # from here on numbers are drawn for dropout: each process its own
    torch.manual_seed(derive(config.seed, "model", context.strategy.world.rank))
    for number, device in enumerate(context.strategy.devices[1:], 1):  # and each device its own
        with torch.cuda.device(device):
            torch.cuda.manual_seed(derive(config.seed, "model", number))
    teachers = Teachers(
        weights,
        context.source,
        lambda n: precision.prepare_for_inference(place(n, context.device, precision.dtype)),
        data.train_counts,
    )
    num_evaluated = data.num_val + (data.num_test if config.report_test else 0)
    run = Run(
        seed=config.seed,
        device=context.device,
        strategy=context.strategy,
        data=data,
        model=model,
        parallel=parallel,
        optimizer=optimizer,
        schedule=planned.schedule,
        group_schedules=group_schedules,
        augment=planned.augment,
        normalize=normalize,
        mix=planned.mix,
        loss=config.loss.component.build(teachers),
        average=average,
        precision=precision,
        views=choose_views(config.tta, data.image_shape, num_evaluated),
        measures=config.metrics.build(data.num_classes, context.device),
        clip=build_clip(
            model, norm=config.clip_norm, value=config.clip_value, adaptive=config.clip_adaptive
        ),
        total=context.times["total"],
        average_every=planned.average_every,
        bn_images=config.average.shared.bn_images.of(data.num_train),
        state=State(
            Meter(0, 0, device=context.device, dtype=precision.wide_dtype),
            seconds={"data": context.data_s},
        ),
        weights_read={key: w.sha256 for key, w in weights.items()},
    )
    run.state.meter = run.new_meter()
    return run


def note_statistics(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Say that normalisation whose weights will be held still goes on following the batches."""
    held = {
        id(parameter)
        for group in optimizer.param_groups
        if group["freeze_after"] is not None
        for parameter in group["params"]
    }
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    count = sum(id(norm.weight) in held for norm in norms)
    if count:
        log.info(
            "optim.groups holds the weights of %d of %d BatchNorm layers still; their running "
            "statistics are no weights and go on following the batches",
            count,
            len(norms),
        )


def check_momentum(schedule: Schedule, optimizer: torch.optim.Optimizer, config: RunConfig) -> None:
    """Raise ConfigError if the schedule is to cycle a momentum that the optimizer lacks."""
    key = schedule.momentum_key
    if key and not any("betas" in g or g.get("momentum") for g in optimizer.param_groups):
        raise ConfigError(
            f"{key}: optim={config.optim.name} has no momentum to cycle; set optim.momentum above "
            "0, choose another optimizer, or leave the key as it is in the schedule's YAML"
        )
