"""What rules are given, of a command line and made-up numbers of images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.data import Steps
from trainer.lint import LintContext
from trainer.run.context import planned_steps
from trainer.sweep.jobs import Sweep

SIZES: dict[str, tuple[int, tuple[int, int, int]]] = {
    "digits": (1437, (1, 8, 8)),
    "digits_hard": (1437, (1, 16, 16)),
    "mnist": (60_000, (1, 28, 28)),
    "fashion_mnist": (60_000, (1, 28, 28)),
    "cifar10": (50_000, (3, 32, 32)),
    "cifar100": (50_000, (3, 32, 32)),
    "cifar10_jpeg": (50_000, (3, 32, 32)),
    "image_folder": (1_281_167, (3, 256, 256)),
}


def context_of(config: RunConfig, **given: Any) -> LintContext:
    """Return what rules are given of a configuration; `given` takes the place of what data says."""
    images, shape = SIZES[config.data.name]
    num_val = config.data.shared.val.of(images)
    num_train = config.data.shared.subset.of(images - num_val)
    steps = Steps(num_train, config.batch_size, config.data.shared.last, config.accumulate)
    values: dict[str, Any] = {
        "num_train": num_train,
        "num_val": num_val,
        "image_shape": shape,
        "clock": Clock(0, planned_steps(config, steps.count), steps.count),
        **given,
    }
    return LintContext(config, **values)


def config_of(overrides: Iterable[str], sweep: Sweep) -> RunConfig:
    """Return the configuration of a job of a sweep; what jobs share is composed once."""
    from trainer.config.run_config import parse

    return parse(sweep.composer.compose(tuple(overrides)).values(), is_sweep=True)
