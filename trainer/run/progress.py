"""The live line of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from trainer.record.console import clock_text

if TYPE_CHECKING:
    from trainer.state import Run


class RunProgress:
    """The live line of a run, read from its state by the display's own thread: the loop knows
    nothing of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.first = run.state.step
        self.start = time.perf_counter()

    def line(self, width: int = 120) -> Text:
        """Return the line as of now, a bar in front where `width` columns have room for one."""
        text = "  ".join(self.parts())
        length = min(24, width - len(text) - 3)
        if length < 4:
            return Text(text, no_wrap=True, overflow="crop")
        filled = round(length * self.run.state.step / self.run.total)
        bar = Text("━" * filled, style="cyan").append("━" * (length - filled), style="bright_black")
        return bar.append("  " + text, style="default")

    def parts(self) -> list[str]:
        """Return epoch, step, lr, loss, accuracy, images/s and time left, as of now."""
        run = self.run
        meter, step, total = run.state.meter, run.state.step, run.total
        done = len(meter.sizes)
        parts = [
            f"epoch {run.epoch_number():g}/{total / run.data.steps_per_epoch:g}",
            f"step {step}/{total}",
        ]
        parts.append(f"lr {float(run.optimizer.param_groups[0]['lr']):.4g}")
        if done > 1:
            losses = meter.losses[: done - 1]  # the last is under way
            parts.append(f"loss {float(losses.sum()) / len(losses):.4f}")
            parts.append(f"acc {min(100 * float(meter.hits) / meter.seen, 100):.1f}%")
        spent = time.perf_counter() - self.start
        steps = step - self.first
        if steps > 0 and spent > 0:
            per_step = run.data.num_train / run.data.steps_per_epoch
            parts.append(f"{steps * per_step / spent:,.0f} images/s")
            parts.append(f"{clock_text((total - step) * spent / steps)} left")
        return parts
