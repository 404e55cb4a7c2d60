"""Rules about averaged weights."""

from trainer.average import Forgetful
from trainer.core.clock import Clock
from trainer.lint import LintContext, rule

TRACE = 0.1  # of the first snapshot in the last average: more is too much
SMALL_RATE = 0.02  # of the peak: weights hardly move any more

SAMPLES = 200  # steps at which a schedule is looked at

EQUAL = ("swa", "swa_paper", "swa_torchcontrib")  # averages in which each snapshot counts alike


@rule
def average_longer_than_run(context: LintContext) -> str | None:
    """A moving average that remembers longer than the run lasts.

    Early weights are far worse than late ones. Where the first snapshot still makes up more than a
    tenth of the last average, the average trails the weights, and may be worse than they are.

    Source: the formula, decay ** (number of snapshots - 1); TensorFlow's
    `ExponentialMovingAverage`, whose `num_updates` lowers the decay early for this reason.
    """
    average, count = context.config.average, context.num_snapshots
    if context.snapshots is None or not isinstance(average.component, Forgetful):
        return None
    share = average.component.first_share(count)
    if share <= TRACE:
        return None
    fitting = TRACE ** (1 / max(count - 1, 1))
    return (
        f"average={average.name} is slow for a run of {count:,} snapshots: the first makes up "
        f"{share:.0%} of the last average; set average.decay={fitting:.2g} or less"
        + ("" if getattr(average.component, "decay_warmup", True) else " or decay_warmup=true")
    )


@rule
def average_less_than_an_epoch(context: LintContext) -> str | None:
    """Snapshots that all fall within less than an epoch of a longer run.

    Neighbouring weights are alike: their mean is hardly another network, and it has not seen every
    image. The average that helps is one over several epochs.

    Source: "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407,
    section 3.2: one snapshot each epoch, over a quarter of the run or more.
    """
    plan, clock = context.snapshots, context.clock
    if plan is None or clock.total <= clock.steps_per_epoch:
        return None
    span = context.num_snapshots * plan.every
    if span >= clock.steps_per_epoch or plan.first < clock.total // 2:
        return None
    return (
        f"average={context.config.average.name} averages over the last {span:,} steps, less than "
        f"an epoch ({clock.steps_per_epoch:,}): set average.start=75%"
    )


@rule
def average_where_weights_stand_still(context: LintContext) -> str | None:
    """An equal average of weights whose learning rate has fallen to almost nothing.

    Such weights are one point, and so is their average. Averaging gains where the rate stays high
    enough to walk about: constant or cyclical.

    Source: "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407,
    section 3.
    """
    plan, name = context.snapshots, context.config.average.name
    if plan is None or name not in EQUAL or context.num_snapshots < 2:
        return None
    steps = range(plan.first, context.clock.total + 1, plan.every)
    steps = steps[:: max(1, len(steps) // SAMPLES)]
    highest = max(context.schedule(at(context.clock, max(0, step - 1))).lr_scale for step in steps)
    if highest >= SMALL_RATE:
        return None
    return (
        f"average={name} averages weights whose learning rate is at most {highest:.1%} of its "
        "peak: they hardly differ; set scheduler=swa, or begin earlier with average.start"
    )


@rule
def average_begins_in_warmup(context: LintContext) -> str | None:
    """An equal average that begins before warm-up has ended.

    The first weights are the worst ones, and an equal average never forgets them.

    Source: "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407,
    section 3.2: averaging begins from a network that is trained, after three quarters of its run.
    """
    plan, name = context.snapshots, context.config.average.name
    if plan is None or name not in EQUAL or plan.first > context.schedule.warmup:
        return None
    return (
        f"average={name} takes its first snapshot after step {plan.first:,}, within the warm-up of "
        f"{context.schedule.warmup:,}: set average.start=75%, as in the paper"
    )


def at(clock: Clock, step: int) -> Clock:
    """Return the clock of another step, the run's last at most."""
    return clock.at(min(step, clock.total - 1))
