"""How a run is summed up: its row per epoch, its facts, and what is shown at the end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer import provenance
from trainer.config import RunConfig
from trainer.console import Console, result_table
from trainer.data.base import Source
from trainer.loop import EpochRecord
from trainer.metrics import Scores
from trainer.record import EpochRow, RunRow
from trainer.state import Run

PHASES = ("startup", "data", "compile", "train", "average", "eval", "total")


def facts_of(run: Run, config: RunConfig, source: Source) -> dict[str, Any]:
    """Return where and with what a run is made: for its summary and its checkpoints."""
    return {
        "data": {"name": config.data.name, "fingerprint": source.fingerprint},
        "label_noise": asdict(run.data.noise) if run.data.noise else None,
        "versions": provenance.versions(),
        "host": provenance.host(),
        "device": provenance.device_name(run.device),
        "precision": run.precision.name,
        "threads": config.threads,
        "strategy": config.plain()["strategy"]["name"],
        "world_size": run.strategy.world.size,
        **({"weights_read": run.weights_read} if run.weights_read else {}),
    }


def key_of(
    run: Run,
    config: RunConfig,
    source: Source,
    *,
    sources: str,
    across: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return what says when two runs must agree.

    Args:
        run: its live parts.
        config: what was chosen.
        source: the images.
        sources: digest of the program's own.
        across: differences that it was resumed across.
    """
    return provenance.result_key(
        config.plain(),
        fingerprint=source.fingerprint,
        weights=run.weights_read,
        device=run.device.type,
        precision=run.precision.name,
        sources=sources,
        world_size=run.strategy.world.size,
        across=across,
    )


def to_row(event: EpochRecord, run: Run) -> EpochRow:
    """Return a record of the loop as the row that is written."""
    val, averaged, train = event.val, event.avg_val, event.train
    return EpochRow(
        epoch=event.epoch,
        step=event.step,
        lr=event.lr,
        momentum=event.momentum,
        train_loss=train.loss,
        train_top1=train.top1,
        val_loss=val.loss if val else None,
        val_top1=val.top1 if val else None,
        val_top5=val.top5 if val else None,
        avg_val_loss=averaged.loss if averaged else None,
        avg_val_top1=averaged.top1 if averaged else None,
        images_per_s=train.num_images / event.train_s,
        train_s=event.train_s,
        average_s=event.average_s,
        eval_s=event.eval_s,
        grad_norm=train.grad_norm,
        loss_scale=event.loss_scale,
        skipped_steps=event.skipped_steps,
        max_memory_bytes=peak_memory(run.device),
    )


def plain_scores(scores: Scores | None) -> dict[str, float] | None:
    """Return scores as `summary.json` holds them."""
    if scores is None:
        return None
    named = {"loss": scores.loss, "top1": scores.top1, "top5": scores.top5}
    return {k: v for k, v in named.items() if v is not None}


def opening(run: Run, config: RunConfig, path: Path) -> str:
    """Return what is about to run, and where its results will be, in one line."""
    data, world = run.data, run.strategy.world
    count = sum(parameter.numel() for parameter in run.model.parameters())
    images = [f"{data.num_train:,} training"]
    images += [f"{data.num_val:,} validation"] if data.num_val else []
    images += [f"{data.num_test:,} test"] if config.report_test else []
    where = str(run.device)
    if run.device.type == "cpu":
        where += f", {config.threads} thread{'s' if config.threads > 1 else ''}"
    if world.size > 1:
        where += f" in each of {world.size} processes"
    return (
        f"{config.model.name}, {count:,} parameters; {config.data.name}, {', '.join(images)} "
        f"images; {where}; {shown_path(path)}"
    )


def results_of(run: Run) -> dict[str, Any]:
    """Return how far a run came and what that took, as `summary.json` holds it."""
    state = run.state
    best = None if state.best_step is None else f"checkpoints/step-{state.best_step:08d}"
    seconds = {**state.seconds, "train": state.seconds.get("train", 0.0) + state.train_s}
    return {
        "best_val_top1": state.best_val_top1,
        "best_checkpoint": best,
        "steps": state.window,
        "seconds": {phase: round(seconds.get(phase, 0.0), 3) for phase in PHASES},
    }


def peak_memory(device: torch.device) -> int | None:
    """Return the device's peak memory in bytes, or the process's on a CPU.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def command_to_resume(path: Path) -> str:
    """Return the line that goes on with a run."""
    return command_line(f"resume={path}")


def command_line(*words: str) -> str:
    """Return a line for the shell that calls this program as it was called."""
    started_as = Path(sys.argv[0]).name
    program = ["trainer"] if started_as == "trainer" else ["python", "-m", "trainer"]
    return shlex.join([*program, *words])


def shown_path(path: Path) -> str:
    """Return a path as seen from the working folder, where it lies below it."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed meanwhile
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def show_result(row: RunRow, console: Console) -> None:
    """Print the table, where the results are, and how to look at them."""
    table = result_table(row.summary, row.epochs[-1] if row.epochs else None)
    if table is not None:
        console.say("")
        console.table(table)
        console.say("")
    console.say(f"results   {shown_path(row.path)}")
    console.say(f"curves    tensorboard --logdir {shlex.quote(shown_path(row.path))}")
