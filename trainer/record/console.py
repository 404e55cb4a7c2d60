"""What a person sees: a live line on a terminal, one plain line per epoch elsewhere, and `run.log`,
which keeps it."""

import contextlib
import io
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trainer.core.command import run_line
from trainer.core.file_kinds import printable
from trainer.core.limits import full_output, is_hung_up, silence
from trainer.record.run_list import percent as percent
from trainer.record.runs import EpochRow, RunRow

SHOWN = 3  # classes and pairs that a line names
SCORES = ("loss", "top1", "top5")  # scores of every evaluation


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
        level = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)

    def open_log(self, file: Path) -> None:
        """Keep everything in a file too, from the first line on."""
        self._log = open(file, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115  # closed by `close`
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

    def start(self, line: Callable[[int], Text]) -> None:
        """Show a live line, made for so many columns, from now on, where there is a terminal for
        it."""
        if self.terminal.is_terminal and not self.terminal.quiet:
            shown = self.safe(line)
            self._live = Live(
                get_renderable=lambda: shown(self.terminal.width),
                console=self.terminal,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    @staticmethod
    def safe(line: Callable[[int], Text]) -> Callable[[int], Text]:
        """Return a live line that is empty where it cannot be made: it reads a run under way."""

        def shown(width: int) -> Text:
            try:
                return line(width)
            except Exception:
                return Text("")

        return shown

    def table(self, table: Table) -> None:
        """Print a table, and log it."""
        self.terminal.print(table)
        with_width = Terminal(
            width=100,
            record=True,
            file=io.StringIO(),
            force_jupyter=False,  # else shown once more
        )
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


def epoch_line(row: EpochRow, whole: str) -> str:
    """Return an epoch, of so many as `whole` says, as one line of text, its columns below those of
    the lines before."""
    parts = [f"epoch {row.epoch:>{len(whole)}.4g}/{whole}", f"step {row.step:<6}"]
    parts += [f"lr {row.lr:<9.4g}", f"train {row.train_loss:.4f} {100 * row.train_top1:6.2f}%"]
    if row.val_top1 is not None:
        parts.append(f"val {row.val_loss:.4f} {100 * row.val_top1:6.2f}%")
    parts += [
        f"{name.removeprefix('val_')} {v:.4f}" for name, v in row.more.items() if name[0] == "v"
    ]
    if row.avg_val_top1 is not None:
        parts.append(f"averaged {row.avg_val_loss:.4f} {100 * row.avg_val_top1:6.2f}%")
    if row.skipped_steps:
        parts.append(f"skipped {row.skipped_steps} steps, loss scale {row.loss_scale:g}")
    parts.append(f"{row.images_per_s:,.0f} images/s")
    return "  ".join(parts)


def number(value: float | None) -> str:
    """Return a loss as shown."""
    return "" if value is None else f"{value:.4f}"


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


class Screen(Terminal):
    """A terminal whose going away (`| head`, its window closed) silences a run; a file that is full
    ends it."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        silence()

    def _check_buffer(self) -> None:
        """Write, as rich does; the live line comes this way too."""
        try:
            super()._check_buffer()
        except OSError as error:
            if not is_hung_up(error, sys.stdout):
                raise
            self.on_broken_pipe()

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as rich does; raise DiskError if there is no room for it."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.on_broken_pipe()
            raise full_output(error) from error


def command_to_resume(path: Path, *overrides: str) -> str:
    """Return the line that goes on with a run, with overrides that may differ then."""
    return run_line(f"resume={shown_path(path)}", *overrides)


def shown_path(path: Path) -> str:
    """Return a path as seen from the working folder, where it lies below it."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed meanwhile
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def error_lines(errors: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a network errs: the classes that are recognised worst, and who is taken for
    whom."""
    if not errors.get("confused"):
        return
    worst = [f"{printable(c['class'])} ({percent(c['recall'])})" for c in errors["worst"][:SHOWN]]
    pairs = (
        f"{printable(p['class'])} as {printable(p['as'])} ({p['images']})"
        for p in errors["confused"][:SHOWN]
    )
    yield f"worst     {'; '.join(worst)}"
    error = percent(errors["calibration_error"])
    yield f"mistakes  {'; '.join(pairs)}; calibration error {error}"


def chosen_names(row: RunRow) -> list[str]:
    """Return the chosen metrics that a run recorded."""
    names = [name.partition("val_")[2] for epoch in row.epochs[-1:] for name in epoch.more]
    for key in ("test", "test_avg"):
        names += [name for name in row.summary.get(key) or {} if name not in SCORES]
    return list(dict.fromkeys(names))


def show_result(row: RunRow, console: Console) -> None:
    """Print the scores, if there are any, where the results are, and how to look at them."""
    last = row.epochs[-1] if row.epochs else None
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    named = chosen_names(row)
    for heading in ("weights", "images", "loss", "top-1", "top-5", *named):
        table.add_column(heading, justify="left" if heading in ("weights", "images") else "right")
    if last is not None and last.val_top1 is not None:
        more = (number(last.value(f"val_{name}")) for name in named)
        shown = (number(last.val_loss), percent(last.val_top1), percent(last.val_top5))
        table.add_row("final", "val", *shown, *more)
    if last is not None and last.avg_val_top1 is not None:
        more = (number(last.value(f"avg_val_{name}")) for name in named)
        shown = (number(last.avg_val_loss), percent(last.avg_val_top1), "")
        table.add_row("averaged", "val", *shown, *more)
    for key, weights in (("test", "final"), ("test_avg", "averaged")):
        scores = row.summary.get(key)
        if scores:
            shown = (number(scores["loss"]), percent(scores["top1"]), percent(scores.get("top5")))
            table.add_row(weights, "test", *shown, *(number(scores.get(name)) for name in named))
    if table.row_count:
        console.say("")
        console.table(table)
        console.say("")
    for line in error_lines(row.summary.get("errors") or {}):
        console.say(line)
    console.say(f"results   {shown_path(row.path)}")
    console.say(f"curves    tensorboard --logdir {shlex.quote(shown_path(row.path))}")
