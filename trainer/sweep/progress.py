"""What a person sees of a sweep under way: a line per job that ended, and, on a terminal, a live
table of those at work, what is left and the best so far."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trainer.record.console import Console, clock_text, percent
from trainer.record.runs import RunRow
from trainer.sweep.jobs import Job
from trainer.sweep.results import job_line, overrides_apart, scores_of
from trainer.sweep.reuse import has_result
from trainer.sweep.worker_process import Worker

Result = RunRow | str  # a job's record, or what went wrong with it


@dataclass
class SweepProgress:
    """What is known of a sweep under way: its jobs by number, invalid ones too, the keys that
    differ between them, and what those came to that have ended; `seconds` took those that were run
    here."""

    console: Console
    jobs: Mapping[int, Job]
    varied: Sequence[str]
    results: dict[int, Result]
    num_workers: int
    seconds: list[float] = field(default_factory=list)
    start: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def begin(self) -> None:
        """Show the live table from now on, where there is a terminal to show it on."""
        terminal = self.console.terminal
        if terminal.is_terminal and not terminal.quiet:
            self._live = Live(console=terminal, refresh_per_second=4, transient=True)
            self._live.start()

    def look(self, workers: Sequence[Worker]) -> None:
        """Bring the live table up to date."""
        if self._live is not None:
            self._live.update(Group(self.summary(), self.at_work(workers)))

    def finished(self, number: int, result: Result, seconds: float | None) -> None:
        """Print a line on a job that ended, and the seconds that it took if it was run here; what
        went wrong with several alike is told once."""
        is_lost = isinstance(result, str)
        alike = next((n for n, row in self.results.items() if is_lost and row == result), None)
        self.results[number] = result
        if seconds is not None:
            self.seconds.append(seconds)
        style = "" if has_result(result) else "red"
        shown = result if alike is None else f"as job {alike}"
        self.console.say(job_line(number, self.overrides(number), shown), style=style)

    def end(self) -> None:
        """Take the live table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def overrides(self, number: int) -> list[str]:
        """Return the overrides in which a job differs from the others, all if none does."""
        return overrides_apart(self.jobs[number], self.varied)

    def best(self) -> tuple[int, float] | None:
        """Return the job with the highest validation accuracy at its end, and that accuracy."""
        found = [
            (scores_of(row).get("val_top1"), -number)
            for number, row in self.results.items()
            if isinstance(row, RunRow)
        ]
        scored = [(score, number) for score, number in found if score is not None]
        if not scored:
            return None
        score, number = max(scored)
        return -number, score

    def summary(self) -> Text:
        """Return the line on the whole."""
        done, total = len(self.results), len(self.jobs)
        length = 24
        filled = round(length * done / total)
        line = Text("━" * filled, style="cyan").append("━" * (length - filled), "bright_black")
        parts = [f"{done} of {total} jobs", clock_text(time.monotonic() - self.start)]
        if self.seconds:
            rest = (total - done) / self.num_workers * statistics.fmean(self.seconds)
            parts.append(f"about {clock_text(rest)} left")
        lost = sum(not has_result(result) for result in self.results.values())
        parts += [f"{lost} without result"] if lost else []
        best = self.best()
        if best is not None:
            setting = " ".join(w for w in self.overrides(best[0]) if not w.startswith("seed="))
            parts.append(f"best val {percent(best[1])} (job {best[0]}: {setting})")
        return line.append("  " + "  ".join(parts), style="default")

    def at_work(self, workers: Sequence[Worker]) -> Table:
        """Return the table of jobs under way."""
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for worker in workers:
            if worker.task is None:
                continue
            number, beat = worker.task.number, worker.beat
            spent = clock_text(time.monotonic() - worker.since)
            far = best = ""
            if beat is not None and beat.total:
                far = f"{beat.step / beat.total:4.0%}  epoch {beat.epoch:g}"
                best = "" if beat.best is None else f"val {percent(beat.best)}"
            table.add_row(f"job {number}", " ".join(self.overrides(number)), far, best, spent)
        return table
