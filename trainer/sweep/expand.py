"""The words of every job: products of the values that are listed, and draws from intervals.

Hydra's basic sweeper multiplies `a,b`, `range()`, `choice()` and `glob()`; it refuses `interval()`,
and it knows one product only. Here an interval is drawn from, so many times for every combination
of the other values, and a sweep may be several products, its arms, one after the other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from trainer.core.convert import shown
from trainer.core.errors import ConfigError
from trainer.record.sweep_file import JobOverrides

MOST_JOBS = 100_000  # of one sweep


@dataclass(frozen=True)
class Search:
    """What a preset or the command line says of a sweep besides its words.

    Attributes:
        params: values that a preset sweeps over, by key; the command line's replace them.
        arms: products of their own, by label: values by key, which replace the preset's.
        trials: draws from the intervals, None where there are none.
        seed: of the draws.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trials: int | None = None
    seed: int = 0


def expand(line: Sequence[str], search: Search, config_loader: Any = None) -> list[JobOverrides]:
    """Return the words of every job of a sweep.

    Args:
        line: words of the command line, which say more than the preset's.
        search: what the preset and Hydra's settings say.
        config_loader: of Hydra, which `glob()` looks names up in.

    Raises:
        ConfigError: if a word cannot be read, or a draw is asked for that cannot be made.
    """
    named = {override.split("=", 1)[0].lstrip("+") for override in line}
    jobs: list[JobOverrides] = []
    for arm, own in (search.arms or {"": {}}).items():
        if not isinstance(own, Mapping):
            raise ConfigError(f"hydra.sweeper.arms.{arm} must hold keys and values, got {own!r}")
        merged = {**search.params, **own}
        kept = [
            f"{key}={as_text(value)}"
            for key, value in merged.items()
            if key.lstrip("+") not in named
        ]
        found = expand_one([*kept, *line], search, arm, config_loader)
        jobs += [JobOverrides(tuple(overrides), arm) for overrides in found]
    if len(jobs) > MOST_JOBS:
        raise ConfigError(f"{len(jobs):,} jobs: a sweep may have {MOST_JOBS:,}")
    return jobs


def as_text(value: Any) -> str:
    """Return a value of YAML as the command line has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(as_text, value))}]"
    return str(value)


def draws(arm: Mapping[str, str], trials: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Return the words of every job of one arm.

    Args:
        arm: values by key, as in `hydra.sweeper.arms`.
        trials: draws from its intervals.
        seed: of the draws.
    """
    line = [f"{key}={value}" for key, value in arm.items()]
    return [overrides.overrides for overrides in expand(line, Search(trials=trials, seed=seed))]


def expand_one(
    overrides: Sequence[str], search: Search, arm: str, config_loader: Any
) -> list[list[str]]:
    """Return the words of every job of one product: for each draw, all combinations of the rest."""
    parser = OverridesParser.create(config_loader=config_loader)
    try:
        parsed = parser.parse_overrides(list(overrides))
        intervals = [o for o in parsed if o.is_interval_sweep()]
        check_number(parsed, search.trials or 1 if intervals else 1)
        (product,) = BasicSweeper.split_arguments(
            [o for o in parsed if not o.is_interval_sweep()], None
        )
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    jobs = [[w for w in job if not w.startswith("hydra")] for job in product]
    if not intervals:
        return jobs
    if search.trials is None:
        name = intervals[0].get_key_element()
        raise ConfigError(
            f"{name}=interval(...) is drawn from: say how often, as in hydra.sweeper.trials=12"
        )
    columns = [column(interval, search, arm) for interval in intervals]
    return [[*job, *drawn] for drawn in zip(*columns, strict=True) for job in jobs]


def check_number(parsed: Sequence[HydraOverride], trials: int) -> None:
    """Raise ConfigError if words multiply to more jobs than a sweep may have: before they do."""
    total = trials
    for override in parsed:
        if override.is_sweep_override() and not override.is_interval_sweep():
            # counted, not listed: a range may be as long as it likes
            total *= sum(1 for _ in islice(override.sweep_string_iterator(), MOST_JOBS + 1))
    if total > MOST_JOBS:
        raise ConfigError(f"{total:,} jobs or more: a sweep may have {MOST_JOBS:,}")


def column(override: HydraOverride, search: Search, arm: str) -> list[str]:
    """Return the words that one interval gives, one for each trial.

    As many strata as trials, one draw in each, in a random order of their own: "A Comparison of
    Three Methods for Selecting Values of Input Variables", McKay, Beckman, Conover, Technometrics
    21, 1979 (Latin hypercube sampling). With `tag(log, ...)` strata are even on the logarithm, with
    `tag(int, ...)` values are whole.
    """
    key, value = override.get_key_element(), override.value()
    assert isinstance(value, IntervalSweep)
    low, high, trials = float(value.start or 0.0), float(value.end or 0.0), search.trials or 0
    is_log, is_whole = "log" in value.tags, "int" in value.tags
    if not (-math.inf < low < high < math.inf) or (is_log and low <= 0.0):
        allowed = "0 < low < high" if is_log else "low < high"
        raise ConfigError(f"{key}=interval({low:g},{high:g}): an interval needs {allowed}")
    if trials < 1:
        raise ConfigError(f"hydra.sweeper.trials must be at least 1, got {shown(trials)}")
    name = hashlib.sha256(f"{search.seed}/{arm}/{key}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(name[:8], "big"))
    places = (generator.permutation(trials) + generator.random(trials)) / trials
    if is_log:
        numbers = [math.exp(math.log(low) + p * math.log(high / low)) for p in places]
    else:
        numbers = [low + p * (high - low) for p in places]
    # four digits: what is written is what is used, and can be read
    return [f"{key}={round(n) if is_whole else float(f'{n:.4g}')!r}" for n in numbers]
