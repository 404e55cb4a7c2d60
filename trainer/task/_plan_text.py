"""A plan as people read it in a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trainer.config.run_config import RunConfig
from trainer.core.convert import typed
from trainer.core.units import counted
from trainer.record.console import clock_text
from trainer.scheduler import Watcher
from trainer.state import Run
from trainer.task._plan_chart import BLOCKS, LINE, PLAIN, area, axis, columns, shaded
from trainer.task._plan_facts import Facts
from trainer.task._plan_probe import StepTime

NAME, VALUE, QUIET = "bold", "default", "bright_black"

WARMUP, SCHEDULE, AVERAGED = "yellow", "cyan", "green"

WIDEST = 72  # columns of a chart

LABELS = 15  # columns before it

# how torch computes, not what
UNTOLD = (
    *("rules", "fused", "foreach", "capturable", "differentiable", "maximize"),
    "decoupled_weight_decay",
)

PER_STEP = 3  # forward passes that a training step costs: one, and about two for the gradients


def show(
    facts: Facts, run: Run, config: RunConfig, terminal: Console, *, step: StepTime | None = None
) -> None:
    """Print the plan of a run; `step` is how long one takes, where that is known."""
    terminal.print(Text("plan", style=NAME).append("  nothing is trained", style=QUIET))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style=NAME, no_wrap=True)
    table.add_column(style=VALUE)
    for name, text in (*lines(facts, run, config), *cost_lines(facts, run, config, step)):
        table.add_row(name, text)
    for part in (table, chart(facts, terminal), groups_table(facts), stages_table(facts)):
        terminal.print(Padding(part, (1, 0, 0, 2)))


def lines(facts: Facts, run: Run, config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield what there is to say in words: a name and a text."""
    data, world = run.data, run.strategy.world
    shape = "x".join(map(str, data.image_shape))
    yield (
        "data",
        f"{config.data.name}: {data.num_train:,} training, {data.num_val:,} validation and "
        f"{data.num_test:,} test images of {shape}, {data.num_classes} classes",
    )
    frozen = f" ({facts.num_frozen:,} of them frozen)" if facts.num_frozen else ""
    yield (
        "model",
        f"{config.model.name}: {facts.num_parameters:,} parameters{frozen}, "
        f"{amount(facts.cost.multiply_adds)} multiply-adds per image",
    )
    augment = ", ".join(choice.name for choice in config.augment)
    noise = f"; {data.noise.replaced:,} labels drawn at random" if data.noise else ""
    yield "input", f"augment {augment}; mix {config.mix.name}; loss {config.loss.name}{noise}"
    yield "steps", steps_text(facts, config)
    yield (
        "batch",
        f"{config.batch_size} images per step: {counted(world.size, 'process', 'es')} x "
        f"{counted(config.accumulate, 'micro-batch', 'es')} of {facts.micro_batch}",
    )
    yield "schedule", schedule_text(facts, config)
    yield "average", average_text(facts, run, config)
    yield (
        "numbers",
        f"{run.precision.name} on {run.device}"
        + (f", {counted(int(config.threads), 'thread')}" if run.device.type == "cpu" else "")
        + (f", each of {world.size} processes" if world.size > 1 else "")
        + ("" if config.engine == "eager" else f"; engine={config.engine} is not tried here"),
    )
    yield "checkpoints", checkpoints_text(facts, config, has_val=data.num_val > 0)


def cost_lines(
    facts: Facts, run: Run, config: RunConfig, step: StepTime | None
) -> Iterator[tuple[str, str]]:
    """Yield what the run costs: arithmetic, memory and seconds, each with how it is known."""
    images = run.data.epoch_images * facts.total / facts.steps_per_epoch
    work = PER_STEP * facts.cost.multiply_adds * images
    yield "cost", f"about {amount(work)} multiply-adds to train on {images:,.0f} images"
    yield "memory", memory_text(facts, run, config, step)
    if step is None:
        yield "time", "not known before a step was taken: task.probe=true takes three"
        return
    seconds = step.seconds * facts.total
    yield (
        "time",
        f"about {clock_text(seconds)} for {counted(facts.total, 'training step')} of "
        f"{1e3 * step.seconds:.3g} ms, evaluations not counted; from {step.source}",
    )


def memory_text(facts: Facts, run: Run, config: RunConfig, step: StepTime | None) -> str:
    """Return what a training step needs of the device's memory, about."""
    number = run.precision.dtype.itemsize
    weights = facts.num_parameters * number
    trained = (facts.num_parameters - facts.num_frozen) * number
    copies = 1 + int(config.average.name != "none")
    kept = weights * copies + trained * (1 + facts.state_tensors)
    passed = facts.cost.activation_bytes * facts.micro_batch
    text = (
        f"about {size(kept)} for weights, gradients and what the optimizer keeps, and "
        f"{size(passed)} for what layers give in a micro-batch (estimated)"
    )
    if step is not None and step.memory_bytes is not None:
        whole = "of the device" if run.device.type == "cuda" else "of the process"
        text += f"; {size(step.memory_bytes)} {whole} at the peak of the probe"
    return text


def steps_text(facts: Facts, config: RunConfig) -> str:
    """Return how many steps there are, and what cuts them short."""
    epochs = facts.total / facts.steps_per_epoch
    text = f"{facts.total:,} in {epochs:g} epochs of {facts.steps_per_epoch:,}"
    if config.max_steps == facts.total:
        text += f" (max_steps={config.max_steps})"
    if facts.last_batch != config.batch_size:
        text += f"; the last of an epoch has {counted(facts.last_batch, 'image')}"
    return text


def schedule_text(facts: Facts, config: RunConfig) -> str:
    """Return what the learning rate does, in numbers."""
    curve = facts.curve
    text = f"{config.scheduler.name}: lr {curve.lr[0]:.4g}"
    if curve.peak > curve.lr[0]:
        text += f", {curve.peak:.4g} from step {curve.peak_step:,}"
    if curve.lr[-1] != curve.peak:
        text += f", {curve.lr[-1]:.4g} at the last"
    if facts.warmup:
        text += f"; {facts.warmup:,} steps of warm-up"
    if isinstance(config.scheduler.component, Watcher):
        text += f"; drops when {config.scheduler.component.metric} stalls are not foreseen"
    return text


def average_text(facts: Facts, run: Run, config: RunConfig) -> str:
    """Return when weights are averaged."""
    if facts.first_snapshot is None or facts.last_snapshot is None:
        return "none"
    images = f"from {min(run.bn_images, run.data.num_train):,} images"
    return (
        f"{config.average.name}: {counted(facts.snapshots, 'snapshot')}, the first after step "
        f"{facts.first_snapshot:,}, the last after {facts.last_snapshot:,}; BatchNorm statistics "
        f"{images if run.average.is_stale else 'from training'}"
    )


def checkpoints_text(facts: Facts, config: RunConfig, *, has_val: bool) -> str:
    """Return when the run is saved and what stays."""
    every, keep = config.checkpoint.every, config.checkpoint.keep
    units = {"ep": facts.steps_per_epoch, "st": 1}
    text = f"every {every}"
    if every.unit in units:
        number = facts.total // max(1, round(every.value * units[every.unit]))
        text += f" ({counted(number, 'time')})"
    best = " and whenever val_top1 is the best so far" if has_val else ""
    return f"{text}, after the last step{best}; {keep} newest kept" + (
        ", and the best" if has_val else ""
    )


def chart(facts: Facts, terminal: Console) -> Table:
    """Return the curves over the run as areas, with the warm-up and what is averaged below them."""
    encodable = terminal.encoding.lower().startswith("utf")
    width = max(min(WIDEST, terminal.width - LABELS - 6), 8)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", style=QUIET, min_width=LABELS)
    table.add_column(no_wrap=True)
    split = round(facts.warmup / facts.total * width)
    for title, values, floor, rows in panels(facts):
        heights = [value - floor for value in columns(values, width)]
        top = max(values)
        drawn = area(heights, top - floor, rows, BLOCKS if encodable else PLAIN)
        labels = {0: f"{top:.4g}", rows - 1: f"{floor:.4g}", rows // 2: title}
        for i, line in enumerate(drawn):
            style = "default" if i == rows // 2 else QUIET
            table.add_row(
                Text(labels.get(i, ""), style=style), shaded(line, split, WARMUP, SCHEDULE)
            )
        table.add_row()
    for name, first, last, style in stretches(facts):
        low, high = (round(step / facts.total * width) for step in (first, last))
        bar = " " * low + LINE[not encodable] * max(high - low, 1)
        table.add_row(Text(name, style=style), Text(bar, style=style))
    table.add_row("step", Text(axis(facts.total, width), style=QUIET))
    epochs = facts.total / facts.steps_per_epoch
    if epochs >= 2.0:
        table.add_row("epoch", Text(axis(epochs, width), style=QUIET))
    return table


def panels(facts: Facts) -> Iterator[tuple[str, tuple[float, ...], float, int]]:
    """Yield the curves to draw: a title, the values, where the area begins, and how many lines.

    The momentum's begins a little below its least value: from 0 nothing would be seen of it.
    """
    yield "learning rate", facts.curve.lr, 0.0, 6
    momentum = facts.curve.momentum
    if momentum is not None and len(set(momentum)) > 1:
        yield "momentum", momentum, max(1.25 * min(momentum) - 0.25 * max(momentum), 0.0), 4


def stretches(facts: Facts) -> Iterator[tuple[str, int, int, str]]:
    """Yield what has a beginning and an end: a name, the two steps, a colour."""
    if facts.warmup:
        yield "warm-up", 0, facts.warmup, WARMUP
    if facts.first_snapshot is not None and facts.last_snapshot is not None:
        yield "averaged", facts.first_snapshot - 1, facts.last_snapshot, AVERAGED


def groups_table(facts: Facts) -> Table:
    """Return the optimizer's groups: what is in them, and what is set for them."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=NAME, pad_edge=False)
    for heading in ("group", "tensors", "parameters", "peak lr", "decay", "settings"):
        is_number = heading in ("parameters", "peak lr", "decay")
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=is_number or heading == "group",
        )
    for group in facts.groups:
        table.add_row(
            group.name,
            ", ".join(f"{n} {kind}" for kind, n in group.kinds.items()),
            f"{group.num_parameters:,}",
            f"{group.peak_lr:.4g}",
            f"{group.weight_decay:.4g}",
            ", ".join(settings_text(group.settings)),
        )
    return table


def stages_table(facts: Facts) -> Table:
    """Return the network's stages: what is in them, what they cost and give."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=NAME, pad_edge=False)
    for heading in ("stage", "kind", "parameters", "multiply-adds", "share", "gives"):
        is_number = heading in ("parameters", "multiply-adds", "share")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number)
    total = max(facts.cost.multiply_adds, 1)
    for stage in facts.cost.stages:
        table.add_row(
            stage.name,
            stage.kind,
            f"{stage.num_parameters:,}",
            amount(stage.multiply_adds),
            f"{stage.multiply_adds / total:.0%}",
            "x".join(map(str, stage.output)),
        )
    return table


def show_differences(found: Mapping[str, tuple[Any, Any]], terminal: Console) -> None:
    """Print in what a configuration differs from that of another run: by key both values."""
    if not found:
        terminal.print(Padding(Text("the other run has the same configuration"), (1, 0, 0, 2)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=NAME, pad_edge=False)
    for heading in ("key", "here", "other run"):
        table.add_column(heading, overflow="fold")
    for key, (other, here) in found.items():
        table.add_row(Text(key), Text(typed(here)), Text(typed(other)))
    terminal.print(Padding(table, (1, 0, 0, 2)))


def settings_text(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is set for a group, each in a few characters; what is off is left out."""
    for key, value in settings.items():
        if not value or key in UNTOLD:
            continue
        if isinstance(value, (tuple, list)):
            yield f"{key} {' '.join(short(v) for v in value)}"
        else:
            yield key if value is True else f"{key} {short(value)}"


def short(value: object) -> str:
    """Return a setting in a few characters."""
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def size(number: float) -> str:
    """Return a number of bytes in words."""
    for scale, word in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= scale:
            return f"{number / scale:.3g} {word}"
    return f"{number:.0f} bytes"


def amount(number: float) -> str:
    """Return a large number in words: `9.7 million`."""
    for scale, word in (
        (1e15, "quadrillion"),
        (1e12, "trillion"),
        (1e9, "billion"),
        (1e6, "million"),
    ):
        if number >= scale:
            return f"{number / scale:.3g} {word}"
    return f"{number:,.0f}"
