"""What looks odd about the jobs of a sweep, said once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainer.config.run_config import RunConfig
from trainer.core.errors import Stopped
from trainer.core.signals import Stops
from trainer.record.console import Console
from trainer.run.linting import finding_text, refusal
from trainer.sweep.jobs import Job
from trainer.sweep.messages import LintRequest
from trainer.sweep.plan import Launcher
from trainer.sweep.pool import Pool
from trainer.sweep.results import swept_keys


def refuse_odd(jobs: Sequence[Job], make_pool: Callable[..., Pool]) -> None:
    """Refuse a sweep with `lint=error` that looks odd, before its folder is made; a worker of its
    own looks.

    Raises:
        ConfigError: with what was found, each once.
        Stopped: after a signal.
    """
    strict = [job.config for job in jobs if job.config is not None and job.config.lint == "error"]
    if not strict:
        return
    pool = make_pool(strict[:1], Launcher(workers=1))
    try:
        pool.start()
        with Stops() as stops:
            found = ask(strict, swept_by(jobs), pool, lambda: stops.signum)
            if stops.signum:
                raise Stopped("the sweep was stopped before its first job", stops.signum)
    finally:
        pool.close()
    if found:
        raise refusal(found)


def say_odd(
    configs: Sequence[RunConfig],
    jobs: Sequence[Job],
    pool: Pool,
    console: Console,
    signum: Callable[[], int],
) -> None:
    """Say what looks odd about those jobs of a sweep that are to be done."""
    asked = [config for config in configs if config.lint == "warn"]
    if asked and not console.terminal.quiet:
        for name, line in ask(asked, swept_by(jobs), pool, signum).items():
            console.say(finding_text(name, line), style="yellow")


def swept_by(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Return the keys that a sweep asks about: those that differ between jobs, but for the seed."""
    return tuple(key for key in swept_keys(jobs) if key != "seed")


def ask(
    configs: Sequence[RunConfig], swept: tuple[str, ...], pool: Pool, signum: Callable[[], int]
) -> dict[str, str]:
    """Return what is odd about some of these configurations, each finding once, with the number of
    jobs that it is true of."""
    answer = pool.ask(LintRequest(tuple(configs), swept), signum)
    return counted(answer if isinstance(answer, tuple) else ())


def counted(findings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return each finding once, as of the first job that it is true of, with their number."""
    lines: dict[str, list[str]] = {}
    for found in findings:
        for name, line in found.items():
            lines.setdefault(name, []).append(line)
    total = len(findings)
    return {
        name: alike[0] if total == 1 else f"{alike[0]} ({len(alike)} of {total} jobs)"
        for name, alike in lines.items()
    }
