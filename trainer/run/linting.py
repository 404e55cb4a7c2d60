"""What the rules of `trainer.lint` are given here, and what becomes of what they find."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError, TrainerError
from trainer.core.yaml_files import read_yaml
from trainer.data import Source, Split, Steps, split_source
from trainer.lint import LintContext, check
from trainer.record.console import Console
from trainer.record.runs import read_summary
from trainer.run.context import RunContext, micro_batch, planned_steps
from trainer.run.probe import Subject, kept_probe
from trainer.run.work import Work, work_of
from trainer.strategy.collectives import broadcast

MOST_LOOKED_AT = 20  # sweeps over the learning rate, the newest first

RATE_FILE = "lr_range.csv"  # which `task=lr_range` leaves in its folder


@dataclass(frozen=True)
class FoundRate:
    """What a sweep over the learning rate suggested; `config` is what it recorded."""

    lr: float
    folder: Path
    config: Mapping[str, Any]


@dataclass
class Records:
    """What earlier runs left, looked for once for all jobs of a sweep.

    Attributes:
        splits: which images are trained on, by what determines that.
        rates: what sweeps over the learning rate suggested, by the folder of all results.
    """

    splits: dict[str, Split] = field(default_factory=dict)
    rates: dict[str, list[FoundRate]] = field(default_factory=dict)

    def rates_in(self, outputs: str) -> list[FoundRate]:
        """Return what sweeps over the learning rate suggested, the newest first."""
        if outputs not in self.rates:
            self.rates[outputs] = list(self.read_rates(Path(outputs)))
        return self.rates[outputs]

    def read_rates(self, outputs: Path) -> Iterator[FoundRate]:
        """Yield what sweeps over the learning rate suggested, the newest first."""
        folders = sorted(
            (file.parent for file in outputs.glob(f"*/*/{RATE_FILE}")),
            key=lambda folder: folder.name,
            reverse=True,
        )
        for folder in folders[:MOST_LOOKED_AT]:
            finding = read_summary(folder).get("lr_range")
            rate = finding.get("suggestion") if isinstance(finding, dict) else None
            if isinstance(rate, int | float):
                with contextlib.suppress(TrainerError):  # damaged: as if it were not there
                    yield FoundRate(float(rate), folder, read_yaml(folder / "config.yaml"))

    def split(self, config: RunConfig, source: Source) -> Split:
        """Return which images of a configuration are trained on."""
        key = str((config.data, source.fingerprint))
        if key not in self.splits:
            self.splits[key] = split_source(source, config.data.shared)
        return self.splits[key]


def found_lr(config: RunConfig, records: Records) -> tuple[float, Path] | None:
    """Return what was suggested last for the same images, network, optimizer and batch, and by
    which run."""
    wanted = alike(config.plain())
    for found in records.rates_in(config.outputs):
        if alike(found.config) == wanted:
            return found.lr, found.folder
    return None


def alike(values: Mapping[str, Any]) -> list[Any]:
    """Return what two plain configurations must share for a learning rate of one to be that of the
    other."""
    data, optim = (dict(values.get(group) or {}) for group in ("data", "optim"))
    optim.pop("lr", None)
    return [data.get("name"), values.get("model"), optim, values.get("batch_size")]


def lint_context(
    config: RunConfig,
    source: Source,
    records: Records,
    *,
    device: torch.device,
    world_size: int,
    swept: tuple[str, ...] = (),
    work: Work | None = None,
) -> LintContext:
    """Return what the rules are given; builds no network unless one asks what was measured of it.

    Args:
        config: of the run.
        source: its images.
        records: what earlier runs left.
        device: that it computes on.
        world_size: processes.
        swept: keys that differ between the jobs of a sweep.
        work: of one image's forward pass, where it was counted already.
    """
    split = records.split(config, source)
    steps = Steps(
        len(split.train),
        config.batch_size,
        config.data.shared.last,
        config.accumulate,
        world_size,
    )
    _, channels, height, width = source.train.images.shape
    shape = (int(channels), int(height), int(width))

    def gain() -> float | None:
        build = config.model.component.build
        counted = work or work_of(lambda: build(shape, len(source.classes)), shape)
        threads = torch.get_num_threads() if config.threads == "auto" else config.threads
        found = kept_probe(
            Subject(
                config,
                device,
                shape,
                len(source.classes),
                images=micro_batch(config, world_size),
                work=counted,
                threads=threads,
            )
        )
        return None if found is None else found.gain

    return LintContext(
        config,
        num_train=len(split.train),
        num_val=len(split.val),
        image_shape=shape,
        clock=Clock(0, planned_steps(config, steps.count), steps.count),
        world_size=world_size,
        swept=swept,
        ask_bf16_gain=gain,
        ask_found_lr=lambda: found_lr(config, records),
    )


def findings(context: RunContext) -> dict[str, str]:
    """Return what looks odd about a run, the same in all its processes: a line by each rule's
    name; nothing where `lint=off`."""
    config, strategy = context.config, context.strategy
    if config.lint == "off":
        return {}
    return broadcast(
        strategy,
        lambda: check(
            lint_context(
                config,
                context.source,
                Records(),
                device=context.device,
                world_size=strategy.world.size,
                work=context.work,
            )
        ),
    )


def lint(context: RunContext, console: Console) -> None:
    """Say what looks odd about a run, before anything trains and before its folder is made.

    Raises:
        ConfigError: with the lines, where `lint=error`.
    """
    found = findings(context)
    if found and context.config.lint == "error":
        raise refusal(found)
    for name, line in found.items():
        console.say(finding_text(name, line), style="yellow")


def finding_text(name: str, line: str) -> str:
    """Return a finding as it is printed."""
    return f"lint: {line} [{name}]"


def refusal(found: Mapping[str, str]) -> ConfigError:
    """Return the error that findings are under `lint=error`."""
    lines = "\n".join(f"  {finding_text(name, line)}" for name, line in found.items())
    return ConfigError(f"lint=error refuses what looks odd (lint=warn only says it):\n{lines}")
