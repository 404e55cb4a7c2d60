"""How a run is shown and summed up: the live line, the row per epoch, and the facts."""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.text import Text

from trainer.config.run_config import RunConfig
from trainer.core.time_plan import UNPLANNED
from trainer.loop import EpochRecord
from trainer.metrics import Scores
from trainer.record.console import clock_text, shown_path
from trainer.record.runs import EpochRow
from trainer.state import Fixed, Run

ABSURD_EPOCHS, ABSURD_SHARE = 3, 1 / 6  # with an absurd loss, until it is said
KNOWN = 0.9  # share of the training images that are right

PHASES = ("startup", "data", "compile", "train", "average", "eval", "total")


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
        more={
            f"{prefix}_{name}": value
            for prefix, scores in (("val", val), ("avg_val", averaged))
            for name, value in (scores.more if scores else {}).items()
        },
    )


def plain_scores(scores: Scores | None) -> dict[str, float] | None:
    """Return scores as `summary.json` holds them."""
    if scores is None:
        return None
    named = {"loss": scores.loss, "top1": scores.top1, "top5": scores.top5, **scores.more}
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
        where += f", {config.threads} thread{'' if config.threads == 1 else 's'}"
    if world.size > 1:
        where += f" in each of {world.size} processes"
    return (
        f"{config.model.name}, {count:,} parameters; {config.data.name}, {', '.join(images)} "
        f"images; {where}; {shown_path(path)}"
    )


def results_of(run: Run) -> dict[str, Any]:
    """Return how far a run came and what that took, as `summary.json` holds it."""
    state = run.state
    best = [f"checkpoints/step-{step:08d}" for _, step in state.best]
    seconds = {**state.seconds, "train": state.seconds.get("train", 0.0) + state.train_s}
    return {
        "best_val_top1": state.best_val_top1,
        "best_checkpoint": best[0] if best else None,
        "best_checkpoints": best if len(best) > 1 else None,
        "steps": state.step,
        "planned": run.planner.facts(),
        "stopped_early": state.patience.get("stopped"),
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


def absurd_epochs(epochs: Sequence[EpochRow], num_classes: int) -> int:
    """Return in how many epochs the training loss was more than twice that of equal probabilities;
    0 where those are fewer than three or a sixth of all: at its first steps a run may be anywhere.
    """
    limit = 2 * math.log(num_classes)
    count = sum(row.train_loss is not None and row.train_loss > limit for row in epochs)
    return count if count >= max(ABSURD_EPOCHS, ABSURD_SHARE * len(epochs)) else 0


def learnt_by_heart(epochs: Sequence[EpochRow]) -> bool:
    """Return whether a run knows its training images at its end."""
    top1 = epochs[-1].train_top1 if epochs else None
    return top1 is not None and top1 >= KNOWN


def first_images(run: Run) -> torch.Tensor:
    """Return the first images of the run (B, C, H, W), at most 32, as the network saw them."""
    clock = run.clock().at(0)
    batch = next(iter(run.data.train_steps(0, 0)))[0]
    images: torch.Tensor = run.mix(run.ready(run.augment(batch, clock)), clock).images
    return images[:32]


def epochs_of(run: Run) -> str:
    """Return the epochs of a run as shown: a question mark before they are planned, the next whole
    number where the plan may move."""
    if run.total == UNPLANNED:
        return "?"
    epochs = run.total / run.data.steps_per_epoch
    return f"{epochs:.4g}" if isinstance(run.planner, Fixed) else f"{math.ceil(epochs)}"


class RunProgress:
    """The live line of a run, read from its state by the display's own thread: the loop knows
    nothing of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.first = run.state.step
        self.start = time.perf_counter()
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        self.sign = "\u2501" if encoding.lower().startswith("utf") else "-"

    def line(self, width: int = 120) -> Text:
        """Return the line as of now, a bar in front where `width` columns have room for one."""
        text = "  ".join(self.parts())
        length = min(24, width - len(text) - 3)
        if length < 4:
            return Text(text, no_wrap=True, overflow="crop")
        filled = min(round(length * self.run.state.step / self.run.total), length)
        bar = Text(self.sign * filled, style="cyan")
        bar.append(self.sign * (length - filled), style="bright_black")
        return bar.append("  " + text, style="default")

    def parts(self) -> list[str]:
        """Return epoch, step, lr, loss, accuracy, images/s and time left, as of now."""
        run = self.run
        meter, step, total = run.state.meter, run.state.step, run.total
        done = len(meter.sizes)
        parts = [
            f"epoch {run.epoch_number():g}/{epochs_of(run)}",
            f"step {step}/{'?' if total == UNPLANNED else total}",
        ]
        parts.append(f"lr {float(run.optimizer.param_groups[0]['lr']):.4g}")
        if done > 1:
            losses = meter.losses[: done - 1]  # the last is under way
            parts.append(f"loss {float(losses.sum()) / len(losses):.4f}")
            parts.append(f"acc {min(100 * float(meter.hits) / meter.seen, 100):.1f}%")
        spent = time.perf_counter() - self.start
        steps = step - self.first
        if steps > 0 and spent > 0 and total != UNPLANNED:
            per_step = run.data.epoch_images / run.data.steps_per_epoch
            parts.append(f"{steps * per_step / spent:,.0f} images/s")
            parts.append(f"{clock_text((total - step) * spent / steps)} left")
        return parts
