"""What a person sees: a live line on a terminal, one plain line per epoch elsewhere, and `run.log`,
which keeps it."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trainer.limits import is_hung_up, silence
from trainer.record import EpochRow
from trainer.screen import Screen

if TYPE_CHECKING:  # torch comes with it, and errors are printed without
    from trainer.state import Run


class Console(logging.Handler):
    """Prints for one run; a handler of the project's logger, whose lines it shows as notes.

    Args:
        quiet: write to `run.log` alone: other processes of the run, and jobs of a sweep.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__()
        self.terminal = Screen(highlight=False, quiet=quiet)
        self._log: IO[str] | None = None
        self._live: Live | None = None
        self._early: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Show what components have to say, from their building on."""
        logger = logging.getLogger("trainer")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(self)

    def open_log(self, file: Path) -> None:
        """Keep everything in a file too, from the first line on."""
        self._log = open(file, "a", encoding="utf-8")  # noqa: SIM115  # closed by `close`
        for line in self._early:
            self.log(line)
        self._early.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a component had to say."""
        self.say(record.getMessage(), style="yellow")

    def log(self, text: str) -> None:
        """Write to `run.log` alone."""
        if self._log is None:
            self._early.append(text)
        else:
            try:
                self._log.write(text + "\n")
                self._log.flush()
            except OSError:  # a full disk: said once, by whoever catches this
                self.close_log()
                raise

    def say(self, text: str, style: str = "") -> None:
        """Print a line, and log it."""
        self.terminal.print(Text(text, style=style), soft_wrap=True)
        self.log(text)

    def start(self, run: Run) -> None:
        """Show the live line from now on, where there is a terminal to show it on."""
        if self.terminal.is_terminal and not self.terminal.quiet:
            progress = Progress(run)
            self._live = Live(
                get_renderable=lambda: progress.line(self.terminal.width),
                console=self.terminal,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    def epoch(self, row: EpochRow, epochs: float) -> None:
        """Print an epoch's line."""
        self.say(epoch_line(row, epochs))

    def table(self, table: Table) -> None:
        """Print a table, and log it."""
        self.terminal.print(table)
        with_width = Terminal(width=100, record=True, file=io.StringIO())
        with_width.print(table)
        self.log(with_width.export_text().rstrip())

    def stop(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self) -> None:
        """Stop showing and close the log."""
        self.stop()
        super().close()
        self.close_log()

    def close_log(self) -> None:
        """Write no more to `run.log`."""
        if self._log is not None:
            with contextlib.suppress(OSError):  # what could not be written was reported
                self._log.close()
            self._log = None


class Progress:
    """The live line of a run, read from its state by the display's own thread: the loop knows
    nothing of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.first = run.state.window
        self.start = time.perf_counter()

    def line(self, width: int = 120) -> Text:
        """Return the line as of now, a bar in front where `width` columns have room for one."""
        text = "  ".join(self.parts())
        length = min(24, width - len(text) - 3)
        if length < 4:
            return Text(text, no_wrap=True, overflow="crop")
        filled = round(length * self.run.state.window / self.run.total)
        bar = Text("━" * filled, style="cyan").append("━" * (length - filled), style="bright_black")
        return bar.append("  " + text, style="default")

    def parts(self) -> list[str]:
        """Return epoch, step, lr, loss, accuracy, images/s and time left, as of now."""
        run = self.run
        meter, window, total = run.state.meter, run.state.window, run.total
        done = len(meter.sizes)
        parts = [
            f"epoch {run.epoch_number():g}/{total / run.data.windows_per_epoch:g}",
            f"step {window}/{total}",
        ]
        parts.append(f"lr {float(run.optimizer.param_groups[0]['lr']):.4g}")
        if done > 1:
            losses = meter.losses[: done - 1]  # the last is under way
            parts.append(f"loss {float(losses.sum()) / len(losses):.4f}")
            parts.append(f"acc {min(100 * float(meter.hits) / meter.seen, 100):.1f}%")
        spent = time.perf_counter() - self.start
        steps = window - self.first
        if steps > 0 and spent > 0:
            per_window = run.data.num_train / run.data.windows_per_epoch
            parts.append(f"{steps * per_window / spent:,.0f} images/s")
            parts.append(f"{clock_text((total - window) * spent / steps)} left")
        return parts


def epoch_line(row: EpochRow, epochs: float) -> str:
    """Return an epoch as one line of text, its columns below those of the lines before."""
    whole = f"{epochs:.4g}"
    parts = [f"epoch {row.epoch:>{len(whole)}.4g}/{whole}", f"step {row.step:<6}"]
    parts += [f"lr {row.lr:<9.4g}", f"train {row.train_loss:.4f} {100 * row.train_top1:6.2f}%"]
    if row.val_top1 is not None:
        parts.append(f"val {row.val_loss:.4f} {100 * row.val_top1:6.2f}%")
    if row.avg_val_top1 is not None:
        parts.append(f"averaged {row.avg_val_loss:.4f} {100 * row.avg_val_top1:6.2f}%")
    if row.skipped_steps:
        parts.append(f"skipped {row.skipped_steps} steps, loss scale {row.loss_scale:g}")
    parts.append(f"{row.images_per_s:,.0f} images/s")
    return "  ".join(parts)


def result_table(summary: Mapping[str, Any], last: EpochRow | None) -> Table | None:
    """Return the table at a run's end, or None where nothing was evaluated."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("weights", "images", "loss", "top-1", "top-5"):
        table.add_column(heading, justify="left" if heading in ("weights", "images") else "right")
    if last is not None and last.val_top1 is not None:
        table.add_row(
            "final", "val", number(last.val_loss), percent(last.val_top1), percent(last.val_top5)
        )
    if last is not None and last.avg_val_top1 is not None:
        table.add_row("averaged", "val", number(last.avg_val_loss), percent(last.avg_val_top1), "")
    for key, weights in (("test", "final"), ("test_avg", "averaged")):
        scores = summary.get(key)
        if scores:
            table.add_row(
                weights,
                "test",
                number(scores["loss"]),
                percent(scores["top1"]),
                percent(scores.get("top5")),
            )
    return table if table.row_count else None


def number(value: float | None) -> str:
    """Return a loss as shown."""
    return "" if value is None else f"{value:.4f}"


def percent(value: float | None) -> str:
    """Return a share as shown."""
    return "" if value is None else f"{100 * value:.2f} %"


def clock_text(seconds: float) -> str:
    """Return a span of time as h:mm:ss or m:ss."""
    minutes, secs = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def fail(message: str, label: str = "error: ") -> None:
    """Print why the program ends, as one message on standard error."""
    text = Text(label, style="bold red").append(message, style="default")
    try:
        Terminal(stderr=True, highlight=False).print(text, soft_wrap=True)
        sys.stderr.flush()
    except OSError as error:  # nobody can be told
        if is_hung_up(error, sys.stderr):
            silence(sys.stderr)  # what is not written yet would be tried again, and change the code
