"""Rules about the learning rate over the run."""

from dataclasses import fields
from typing import Any

from trainer.core.units import Duration
from trainer.lint import LintContext, rule

HALF = 0.5
FEWEST_MOVES = 5


@rule
def cycle_longer_than_run(context: LintContext) -> str | None:
    """A cycle or a stage of the schedule that the run cuts off.

    The learning rate then ends somewhere on its way: `cosine_restarts` never restarts and does not
    come down, `cyclic` climbs and stays up. Weights are best where the rate has come down.

    Source: "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.2
    (end where a cycle ends); "SGDR", arXiv:1608.03983 (weights are taken where a cycle ends).
    """
    name = context.config.scheduler.name
    component: Any = context.config.scheduler.component
    left, clock = context.steps_after_warmup(), context.clock
    spans: dict[str, Duration] = {}
    for field in fields(component):
        value = getattr(component, field.name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Duration):
                spans[field.name] = one
    if name == "cyclic":
        up = spans["step_size"]
        down = spans.get("step_size_down", up)
        cycle = clock.exact_steps(up) + clock.exact_steps(down)
        if cycle <= left * 1.001:
            return None
        return (
            f"a cycle of scheduler=cyclic takes {cycle:,.0f} steps, and the run has {left:,} after "
            f"warm-up: the rate never comes down; set scheduler.step_size={max(1, int(left / 2))}st"
        )
    for key, span in spans.items():
        if span.unit != "%" and clock.exact_steps(span) > left:
            return (
                f"scheduler.{key}={span} is longer than the run after warm-up ({left:,} steps): it "
                f"is cut off; set scheduler.{key}={left}st or less, or train longer"
            )
    return None


@rule
def warmup_longer_than_half(context: LintContext) -> str | None:
    """A warm-up that takes more than half of the run.

    Warm-up is there to get past the first steps, whose gradients are large and vary; afterwards a
    low rate only learns less. Recipes use up to a fifth of the run.

    Source: "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 2.2: 5 of 90 epochs;
    "On the Adequacy of Untuned Warmup for Adaptive Optimization", arXiv:1910.04209.
    """
    share = context.schedule.warmup / context.clock.total
    if share <= HALF:
        return None
    return (
        f"scheduler.warmup={context.config.scheduler.shared.warmup} is {share:.0%} of the run: "
        "most of it trains below the rate that was chosen; set scheduler.warmup=5% to 20%"
    )


@rule
def schedule_moves_rarely(context: LintContext) -> str | None:
    """A schedule that moves fewer than five times, because `scheduler.every` is long for the run.

    A curve of so few steps is no curve any more: `cosine` of 3 epochs that moves once an epoch
    ends at a quarter of its peak, where the weights have not settled.

    Source: the formula, (1 + cos(pi * 2 / 3)) / 2 = 0.25.
    """
    name = context.config.scheduler.name
    every = context.clock.exact_steps(context.config.scheduler.shared.every)
    if name not in ("cosine", "polynomial", "piecewise_linear", "onecycle", "cosine_restarts"):
        return None
    moves = context.steps_after_warmup() / every
    if every <= 1.0 or moves >= FEWEST_MOVES:
        return None
    return (
        f"scheduler={name} moves {moves:.2g} times in this run, as scheduler.every="
        f"{context.config.scheduler.shared.every}: set scheduler.every=1st, or train longer"
    )
