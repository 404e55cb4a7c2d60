"""The command line of sweeps. Imports no torch until its words were looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.cli.arguments import CommandLine
from trainer.composition.check_overrides import check_overrides
from trainer.composition.overrides import Override, canonical, parse_override, quoted
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError

if TYPE_CHECKING:
    from trainer.sweep.jobs import Sweep


def sweep(line: CommandLine, sources: Sources) -> int:
    """Check the words of a sweep and hand it to Hydra, whose sweeper is ours unless the line names
    another."""
    if line.resume is not None:
        raise ConfigError("resume= takes a sweep's jobs from its folder: leave out -m")
    if line.repeat is not None:
        raise ConfigError("repeat= takes one run; leave out -m")
    if line.fork is not None:
        raise ConfigError("fork= takes one run; leave out -m")
    overrides = [
        quoted(w, is_sweep=True)
        for w in canonical([parse_override(t) for t in line.overrides], is_sweep=True)
    ]
    check_overrides(overrides, sources, is_sweep=True)
    named = {w.key for w in overrides}
    extra = [
        Override("", f"hydra/{part}", "trainer")
        for part in ("sweeper", "launcher")
        if f"hydra/{part}" not in named
    ]
    quiet = [Override("", f"hydra/{part}_logging", "none") for part in ("hydra", "job")]
    from trainer.sweep.hydra_bridge import through_hydra

    return through_hydra([str(w) for w in (*overrides, *extra, *quiet)], sweep_of(line, sources))


def sweep_of(line: CommandLine, sources: Sources) -> Sweep:
    """Return what a sweep has to know of its command line."""
    from trainer.sweep.jobs import Sweep

    values = {"--config-dir": "config_dir", "--config-name": "config_name"}
    given = [(flag, line.values[name]) for flag, name in values.items() if name in line.values]
    beside = [override for pair in given for override in pair]
    beside += [f"plugins=[{','.join(line.plugins)}]"] if line.plugins else []
    return Sweep(sources, line.plugins, line.reuse != "off", tuple(beside))


def resume_jobs(line: CommandLine, sources: Sources) -> int:
    """Go on with a sweep."""
    if line.overrides:
        raise ConfigError(
            f"resume= takes a sweep's jobs as they are: leave out {' '.join(line.overrides)}, or "
            "start a new sweep with -m, which reuses the jobs that are finished"
        )
    from trainer.sweep.runner import resume_sweep

    assert line.resume is not None
    return resume_sweep(Path(line.resume), sweep_of(line, sources))
