"""Choices that depend on the machine and on a run's length, made once and recorded: what
`precision=auto`, `threads=auto` and `engine=auto` mean here.

A configuration that holds no such word, as every recorded one, asks nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from trainer.config.run_config import RunConfig
from trainer.core.environment import default_threads, spinning_note
from trainer.precision.formats import PrecisionChoice, has_bf16, parse_precision
from trainer.precision.step import build_precision
from trainer.run.compiling import compile_run, compile_seconds, why_not_compiled
from trainer.run.context import RunContext, micro_batch
from trainer.run.probe import Probe, Subject, probe
from trainer.run.work import threads_for
from trainer.state import Run, forward
from trainer.strategy.collectives import broadcast

LEAST_GAIN = 1.15  # of bf16 over fp32, for which its rounding is worth while
COMPILED_GAIN = 1.2  # of compiled steps, where nothing else is known

log = logging.getLogger(__name__)


def is_open(config: RunConfig) -> bool:
    """Return whether a configuration leaves something to be chosen here."""
    return (
        config.precision.name == "auto"
        or config.threads == "auto"
        or config.engine in ("auto", "compile")
    )


def choose(context: RunContext) -> RunContext:
    """Return what a run stands on, with everything chosen, the same in all its processes."""
    if is_open(context.config):
        config = broadcast(context.strategy, lambda: chosen(context))
        torch.set_num_threads(int(config.threads))
        context = replace(context, config=config)
    if context.precision.name != context.config.precision.name:  # it was open when it was built
        precision = build_precision(context.config.precision, context.device)
        context = replace(context, precision=precision)
    threads = int(context.config.threads) * context.strategy.world.local_size
    if context.device.type == "cpu" and threads > 1:
        note = spinning_note(threads) if context.strategy.world.rank == 0 else None
        if note is not None:
            log.warning(note)
    return context


def chosen(context: RunContext) -> RunConfig:
    """Return the configuration with everything chosen, said in a line each where it was asked."""
    config, device, world = context.config, context.device, context.strategy.world
    images = micro_batch(config, world.size)
    most = default_threads(world.local_size)
    threads = config.threads
    if threads == "auto":
        threads = threads_for(context.work, images, most) if device.type == "cpu" else most
    torch.set_num_threads(threads)
    subject = Subject(
        config,
        device,
        context.data.image_shape,
        context.data.num_classes,
        images=images,
        work=context.work,
        threads=threads,
    )
    precision, engine = config.precision, config.engine
    if precision.name == "auto":
        precision = PrecisionChoice(chosen_precision(subject))
    if engine != "eager":
        steps = context.times["total"] * config.accumulate
        engine = "compile" if is_compiled(subject, precision.name, steps) else "eager"
    return replace(config, threads=threads, precision=precision, engine=engine)


def as_recorded(config: RunConfig, recorded: Mapping[str, Any]) -> RunConfig:
    """Return a configuration with what an earlier attempt of the same run chose and recorded."""
    return replace(
        config,
        threads=recorded["threads"],
        engine=recorded["engine"],
        precision=parse_precision(recorded["precision"]),
    )


def compiled_if_chosen(run: Run, context: RunContext) -> RunContext:
    """Let a run at its first step compute compiled if that was chosen; where torch cannot, say why
    and leave it eager. Return what the run stands on now."""
    config, reason = context.config, ""
    if config.engine == "eager":
        return context
    try:
        compile_run(run, config, micro_batch(config, context.strategy.world.size))
    except Exception as error:  # of torch's compiler, whose errors have no class in common
        reason = f"{type(error).__name__}: {(str(error).splitlines() or ['no reason'])[0]}"
    if not context.strategy.all_max(int(bool(reason))):
        return context
    log.warning(
        "torch cannot compile this run (%s); steps are computed eagerly",
        reason or "as another process says",
    )
    run.forward = forward
    return replace(context, config=replace(config, engine="eager"))


def chosen_precision(subject: Subject) -> str:
    """Return what `precision=auto` means for a network here: what a probe says."""
    if not has_bf16(subject.device):
        log.info("precision=auto: fp32, as bf16 is no faster on %s", subject.device)
        return "fp32"
    found = probe(subject)
    name = "bf16" if found.gain >= LEAST_GAIN else "fp32"
    log.info(
        "precision=auto: %s; bf16 is %.2f times as fast as fp32 here (steps of %d images, "
        "%.3g and %.3g ms), and chosen from %g on",
        *(name, found.gain, found.images, 1e3 * found.bf16_s, 1e3 * found.fp32_s, LEAST_GAIN),
    )
    return name


def is_compiled(subject: Subject, precision: str, steps: int) -> bool:
    """Return whether steps are to be compiled, and say why not where that was asked for."""
    reason = why_not_compiled(subject.device)
    if reason is not None:
        if subject.config.engine == "compile":
            log.warning("engine=compile: %s; steps are computed eagerly", reason)
        return False
    if subject.config.engine == "compile":
        return True
    budget = subject.config.max_time
    if budget is not None:  # of which compiled steps leave a part for more of them
        gained_s = budget.seconds * (1.0 - 1.0 / COMPILED_GAIN)
    else:
        gained_s = saved_seconds(probe(subject), precision, subject.images, steps)
    build = subject.config.model.component.build
    cost_s = compile_seconds(lambda: build(subject.image_shape, subject.num_classes))
    log.info(
        "engine=auto: %s; compiled steps would save about %.0f s of this run and cost about %.0f s",
        *("compile" if gained_s > cost_s else "eager", gained_s, cost_s),
    )
    return gained_s > cost_s


def saved_seconds(found: Probe, precision: str, images: int, steps: int) -> float:
    """Return the seconds that compiled steps may save over a run, where eager ones take what a
    probe found."""
    step_s = (found.bf16_s if precision == "bf16" else found.fp32_s) * images / found.images
    return steps * step_s * (1.0 - 1.0 / COMPILED_GAIN)
