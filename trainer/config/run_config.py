"""The whole configuration as one frozen value, and `parse`: the only reader of a DictConfig."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from trainer.augment import Augment, AugmentKeys
from trainer.average import AverageKeys, Averaging, check_evaluated
from trainer.composition import not_built as pending
from trainer.config.early_stop import EarlyStop
from trainer.config.groups import (
    SEAMS,
    TaskKeys,
    mapping,
    parse_augment,
    parse_group,
    with_absolute_root,
)
from trainer.config.length import Length, check_ends, check_fits
from trainer.core.convert import Written, build, check_known, convert, plain, plain_choice, shown
from trainer.core.errors import ConfigError
from trainer.core.registry import Choice
from trainer.core.time_plan import TimePlan
from trainer.core.units import MOST, Amount, Interval, TimeSpan
from trainer.core.weights_source import Origin
from trainer.data import DataKeys, Dataset
from trainer.evaluation.chosen import ChosenMetrics
from trainer.evaluation.watched import check_watched, watched
from trainer.loss import Loss, LossKeys
from trainer.mix import Mix, MixKeys
from trainer.model import Init, Model, ModelKeys
from trainer.optim import Optim, OptimKeys
from trainer.precision.formats import PrecisionChoice, check_eps, parse_precision
from trainer.record.run_folder import LATEST
from trainer.scheduler import Scheduler, SchedulerKeys, Watcher
from trainer.strategy.keys import StrategyChoice, parse_strategy

MOST_THREADS = 1024  # torch dies of what the system does not give; on any machine the same


@dataclass(frozen=True)
class Keep(Written):
    """How many of the newest checkpoints stay: a number, or `all` (None)."""

    number: int | None = 1

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the number written as `value`."""
        if value == "all":
            return cls(None)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return cls(value)
        raise ConfigError(f"{key} must be a whole number of at least 1, or all; got {shown(value)}")

    def __str__(self) -> str:
        return "all" if self.number is None else str(self.number)


@dataclass(frozen=True)
class CheckpointConfig:
    """When checkpoints are written and which stay.

    Attributes:
        every: time, epochs or steps between two; one is always written at the end and where a run
            is stopped.
        keep: newest ones that stay once the run is finished (at least two while it runs); the best
            always stay.
        best: how many of the best by `metric` stay.
        metric: of validation, by which the best are chosen.
        background: whether a thread writes them while training goes on, from a copy in memory;
            one at a time, and what fails ends the run at its next step.
    """

    every: Interval = Interval(60, "s")
    keep: Keep = Keep(1)
    best: int = 1
    metric: str = "val_top1"
    background: bool = False

    def __post_init__(self) -> None:
        if self.best < 1:
            raise ConfigError(f"checkpoint.best must be at least 1, got {self.best}")


@dataclass(frozen=True)
class CompileConfig:
    """How `torch.compile` works, where steps are compiled.

    Attributes:
        mode: as torch's: `default`, `reduce-overhead` (CUDA graphs), `max-autotune`.
    """

    mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"


@dataclass(frozen=True)
class RunConfig:
    """Everything that was chosen for one run.

    Attributes:
        name: of the experiment; first folder under `outputs`.
        outputs: the folder of all results; a relative one is of the working folder.
        seed: of every random stream but the split's.
        epochs: passes over the training images; may be fractional.
        max_steps: ends the run earlier, or None.
        max_time: time that training and its evaluations may take, which decides how many steps
            there are, or None.
        time_plan: how a run with `max_time` planned its steps, which this one repeats, or None.
        early_stop: when a run that no longer improves ends.
        batch_size: images per optimizer step, over all processes and micro-batches.
        accumulate: micro-batches per step in each process.
        clip_norm: greatest global gradient norm, or None; `clip_value` likewise for single
            elements, `clip_adaptive` for units, as a share of their weights' norm.
        label_noise: training labels that are replaced at random.
        threads: of computation on the CPU; `auto`: as many as a step is worth.
        device: `auto`, `cpu`, `cuda`, `cuda:<n>`, `mps`.
        engine: how steps are computed: operation by operation, compiled, or `auto`: compiled where
            the run is long enough.
        init_from: weights that training starts from instead of random ones, or None.
        fork: run whose whole state training begins with, or None.
        init: what is done to the weights that the network draws.
        tta: views of each image that an evaluation looks at.
        eval_batch_size: images of an evaluation batch in each process; None: as many as four of its
            micro-batches, and at most 1000.
        metrics: of torchmetrics, in every evaluation.
        report_test: whether the test images are looked at, once, at the end.
        lint: what becomes of a run in which something looks odd: `warn` says it, `error` refuses.
        plugins: modules with components of the user's own.
    """

    name: str
    outputs: str
    seed: int
    epochs: float
    max_steps: int | None
    max_time: TimeSpan | None
    time_plan: TimePlan | None
    batch_size: int
    accumulate: int
    clip_norm: float | None
    clip_value: float | None
    clip_adaptive: float | None
    label_noise: Amount
    threads: int | Literal["auto"]
    device: str
    engine: Literal["eager", "compile", "auto"]
    compile: CompileConfig
    init_from: Origin | None
    fork: Origin | None
    init: Init
    tta: Literal["none", "flip", "flip_translate"]
    eval_batch_size: int | None
    metrics: ChosenMetrics
    report_test: bool
    lint: Literal["error", "warn", "off"]
    plugins: tuple[str, ...]
    checkpoint: CheckpointConfig
    early_stop: EarlyStop
    precision: PrecisionChoice
    strategy: StrategyChoice
    task: Choice[TaskKeys, Any]
    data: Choice[DataKeys, Dataset]
    augment: tuple[Choice[AugmentKeys, Augment], ...]
    model: Choice[ModelKeys, Model]
    optim: Choice[OptimKeys, Optim]
    scheduler: Choice[SchedulerKeys, Scheduler]
    average: Choice[AverageKeys, Averaging]
    mix: Choice[MixKeys, Mix]
    loss: Choice[LossKeys, Loss]

    def __post_init__(self) -> None:
        for key in ("batch_size", "accumulate", "max_steps", "threads", "eval_batch_size"):
            value: int | str | None = getattr(self, key)
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{key} must be at least 1, got {value}")
        for key in ("epochs", "clip_norm", "clip_value", "clip_adaptive"):
            number: float | None = getattr(self, key)
            if number is not None and number <= 0:
                raise ConfigError(f"{key} must be positive, got {number}")
        if self.epochs > MOST:
            raise ConfigError(f"epochs must be at most {MOST:g}, got {self.epochs:g}")
        if self.threads != "auto" and self.threads > MOST_THREADS:
            raise ConfigError(f"threads must be at most {MOST_THREADS}, got {self.threads}")
        check_name(self.name)
        check_outputs(self.outputs)
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be from 0 to 2**63 - 1, got {shown(self.seed)}")
        check_eps(self.precision, plain_choice(self.optim))
        rules = self.optim.shared.groups.rules
        schedules = [self.scheduler, *(r.scheduler.choice for r in rules if r.scheduler)]
        length = self.length().checked(
            fork=self.fork, task=self.task.name, schedulers=[choice.name for choice in schedules]
        )
        check_fits("scheduler.warmup", self.scheduler.shared.warmup, length)
        check_fits("average.start", self.average.shared.start, length)
        self.average.component.check(self.average.shared)
        check_evaluated(self.average.shared, self.data.shared.val)
        check_ends("mix.stop", self.mix.shared.stop, length)
        weights = plain_choice(self.loss).get("class_weights")
        if weights == "balanced" and self.data.shared.balance == "oversample":
            raise ConfigError(
                "data.balance=oversample shows all classes equally often: loss.class_weights="
                "balanced has nothing left to balance; leave out one of them"
            )
        if self.init.names and self.init_from is not None:
            raise ConfigError(
                f"init={self.init} would be overwritten by the weights of init_from: leave out one"
            )
        has_average, val = self.average.name != "none", bool(self.data.shared.val.value)
        chosen = watched(self.metrics)
        self.early_stop.check(has_val=val, has_average=has_average, chosen=chosen)
        if self.early_stop.patience is not None:
            check_fits("early_stop.patience", self.early_stop.patience, length)
        if self.checkpoint.best > 1 and not val:
            raise ConfigError(
                f"checkpoint.best={self.checkpoint.best} has no effect with data.val=0: no "
                "checkpoint is better than another; hold images out, as with data.val=10%"
            )
        for i, rule in enumerate(rules):
            if rule.freeze_after is not None:
                check_fits(f"optim.groups[{i}].freeze_after", rule.freeze_after, length)
        check_watched("checkpoint.metric", self.checkpoint.metric, self.metrics)
        self.check_metrics()
        for choice in schedules:
            if isinstance(choice.component, Watcher):
                check_watched("scheduler.metric", choice.component.metric, self.metrics)
            if isinstance(choice.component, Watcher) and not self.data.shared.val.value:
                raise ConfigError(
                    f"data.val=0 leaves scheduler={choice.name} nothing to watch: hold images "
                    "out, as with data.val=10%, or choose another scheduler"
                )

    def length(self) -> Length:
        """Return what says how long the run is."""
        return Length(self.epochs, self.max_steps, self.max_time, self.time_plan)

    def check_metrics(self) -> None:
        """Raise ConfigError for metrics, or one to choose the best checkpoint by, without images
        that they could be of."""
        has_val = bool(self.data.shared.val.value)
        if self.metrics.items and not has_val and not self.report_test:
            raise ConfigError(
                f"metrics={self.metrics} has nothing to act on: with data.val=0 and "
                "report_test=false no image is evaluated; leave it out"
            )
        if self.checkpoint.metric != CheckpointConfig.metric and not has_val:
            raise ConfigError(
                f"checkpoint.metric={self.checkpoint.metric} has nothing to act on: data.val=0 "
                "holds no image out; leave it out"
            )

    def plain(self) -> dict[str, Any]:
        """Return the configuration as YAML holds it: what `parse` would read back as the same
        value."""
        out: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Choice):
                out[field.name] = plain_choice(value)
            elif field.name == "augment":
                out[field.name] = {choice.name: plain_choice(choice) for choice in value}
            elif isinstance(value, PrecisionChoice | StrategyChoice):
                out[field.name] = value.plain()
            elif isinstance(value, CheckpointConfig | CompileConfig | EarlyStop):
                out[field.name] = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
            else:
                out[field.name] = plain(value)
        return out

    def origins(self) -> dict[str, Origin]:
        """Return every place that trained weights are read from, by dotted key."""
        found: dict[str, Any] = {"init_from": self.init_from}
        for seam in SEAMS:
            component = getattr(self, seam).component
            found |= {f"{seam}.{f.name}": getattr(component, f.name) for f in fields(component)}
        return {key: value for key, value in found.items() if isinstance(value, Origin)}


HINTS = get_type_hints(RunConfig)


def parse(
    cfg: DictConfig | Mapping[str, Any],
    *,
    is_sweep: bool = False,
    plugins: Sequence[str] = (),
) -> RunConfig:
    """Return the configuration that was composed, every value checked and typed.

    Args:
        cfg: the composed configuration, without Hydra's own node; plain where nothing is to be
            resolved in it.
        is_sweep: whether the run is a job of a sweep; it decides what `threads` and `report_test`
            default to.
        plugins: modules of components that were named on the command line.

    Raises:
        ConfigError: naming the key, the value and what is allowed.
    """
    try:
        values: Any = cfg
        if isinstance(cfg, DictConfig):
            values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(
            f"{error.full_key} is missing, and what was chosen has no default for it: write "
            f"{error.full_key}=..."
        ) from error
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"{error.full_key or 'configuration'}: {str(error).splitlines()[0]}"
        ) from error
    assert isinstance(values, Mapping)
    tree = {str(key): value for key, value in values.items()}
    pending.check_tree(tree)
    tree["plugins"] = list(plugins)
    if tree.get("threads") == "auto" and is_sweep:
        tree["threads"] = 1  # the other cores are for other jobs
    if tree.get("report_test") is None:
        tree["report_test"] = not is_sweep
    if isinstance(tree.get("outputs"), str):
        tree["outputs"] = os.path.expanduser(tree["outputs"])
    for key in tree:
        if key in ("experiment", "sweep"):
            raise ConfigError(
                f"the keys of the preset that +{key}= names stand under '{key}': its file must "
                "begin with the line '# @package _global_'"
            )
    tree.setdefault("metrics", [])  # records are older than the key
    check_known(tree, [f.name for f in fields(RunConfig)], "")
    made: dict[str, Any] = {key: parse_group(key, tree.pop(key)) for key in SEAMS if key in tree}
    made["data"] = with_absolute_root(made["data"])
    made["augment"] = parse_augment(tree.pop("augment", None))
    made["precision"] = parse_precision(mapping("precision", tree.pop("precision", None)))
    made["strategy"] = parse_strategy(mapping("strategy", tree.pop("strategy", None)))
    saving = mapping("checkpoint", tree.pop("checkpoint", {}))
    made["checkpoint"] = build(CheckpointConfig, saving, "checkpoint")
    stopping = mapping("early_stop", tree.pop("early_stop", {}))
    made["early_stop"] = build(EarlyStop, stopping, "early_stop")
    compiling = mapping("compile", tree.pop("compile", {}))  # records are older than the key
    made["compile"] = build(CompileConfig, compiling, "compile")
    return build_config(tree, made)


def build_config(values: Mapping[str, Any], made: Mapping[str, Any]) -> RunConfig:
    """Return the configuration from plain values and the parts that are made already."""
    converted = {}
    for key in HINTS:
        if key in made:
            converted[key] = made[key]
        elif key in values:
            converted[key] = convert(HINTS[key], values[key], key)
        else:
            raise ConfigError(f"{key} is missing")
    return RunConfig(**converted)


def check_name(name: str) -> None:
    """Raise ConfigError unless an experiment's name is one folder's name."""
    path = Path(name)
    if (
        not name
        or len(name.encode(errors="replace")) > 120
        or path.name != name
        or name.startswith(".")
        or not name.isprintable()
        or name != name.strip()
    ):
        raise ConfigError(
            "name must be a folder's name (no slash, not hidden, no blank at either end, at most "
            f"120 bytes), got {shown(name)}"
        )
    if name.lower() == LATEST:
        raise ConfigError(f"name={name}: {name} is the link to the newest run; rename it")


def check_outputs(outputs: str) -> None:
    """Raise ConfigError unless the folder of all results has a name."""
    if not outputs.strip():
        raise ConfigError(f"outputs must be a folder, got {shown(outputs)}")
