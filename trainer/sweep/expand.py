"""The overrides of every job of a sweep: products of several values, and draws from intervals.

The grammar is Hydra's: `a,b`, `range()`, `choice()`, `glob()` are multiplied. An `interval()` is
drawn from, so many times for every combination of the other values, and a sweep may be several
products, its arms, one after the other.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any

import numpy as np
from hydra.core.override_parser.types import IntervalSweep, Transformer
from hydra.core.override_parser.types import Override as ParsedOverride
from hydra.errors import HydraException

from trainer.composition.compose import parsed
from trainer.composition.overrides import parse_override
from trainer.core.convert import shown, typed
from trainer.core.errors import ConfigError
from trainer.record.sweep_file import JobOverrides

MOST_JOBS = 100_000  # of one sweep


@dataclass(frozen=True)
class Search:
    """What a preset or the command line sets of a sweep besides its overrides.

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


def expand(line: Sequence[str], search: Search, options: Any = None) -> list[JobOverrides]:
    """Return the overrides of every job of a sweep, where the line's replace the preset's; `glob()`
    looks names up with the method `get_group_options` of `options`.

    Raises:
        ConfigError: if a value cannot be read, or a draw is asked for that cannot be made.
    """
    named = {override.split("=", 1)[0].lstrip("+") for override in line}
    jobs: list[JobOverrides] = []
    for arm, own in (search.arms or {"": {}}).items():
        if not isinstance(own, Mapping):
            raise ConfigError(f"hydra.sweeper.arms.{arm} must hold keys and values, got {own!r}")
        merged = {**search.params, **own}
        kept = [
            f"{key}={typed(value)}" for key, value in merged.items() if key.lstrip("+") not in named
        ]
        found = expand_one([*kept, *line], search, arm, options)
        jobs += [JobOverrides(tuple(overrides), arm) for overrides in found]
    if len(jobs) > MOST_JOBS:
        raise ConfigError(f"{len(jobs):,} jobs: a sweep may have {MOST_JOBS:,}")
    return jobs


def expand_one(overrides: Sequence[str], search: Search, arm: str, options: Any) -> list[list[str]]:
    """Return the overrides of every job of one product: for each draw, all combinations of the
    rest. Of a key that is there twice the last counts."""
    found = [replace(parsed(parse_override(o)), config_loader=options) for o in overrides]
    by_key = {o.get_key_element(): o for o in found if not o.key_or_group.startswith("hydra")}
    intervals = [o for o in by_key.values() if o.is_interval_sweep()]
    try:
        total = search.trials or 1 if intervals else 1
        for override in by_key.values():
            if override.is_sweep_override() and not override.is_interval_sweep():
                # counted, not kept: a range may be as long as it likes
                total *= sum(1 for _ in islice(override.sweep_string_iterator(), MOST_JOBS + 1))
        if total > MOST_JOBS:
            raise ConfigError(f"{total:,} jobs or more: a sweep may have {MOST_JOBS:,}")
        values = [
            [f"{key}={value}" for value in texts_of(override)]
            for key, override in by_key.items()
            if not override.is_interval_sweep()
        ]
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    jobs = [list(job) for job in product(*values)]
    if not intervals:
        return jobs
    if search.trials is None:
        name = intervals[0].get_key_element()
        raise ConfigError(
            f"{name}=interval(...) is drawn from: say how often, as in hydra.sweeper.trials=12"
        )
    columns = [column(interval, search, arm) for interval in intervals]
    return [[*job, *drawn] for drawn in zip(*columns, strict=True) for job in jobs]


def texts_of(override: ParsedOverride) -> list[str]:
    """Return the values of an override that is no interval, as they are typed."""
    if override.is_sweep_override():
        return [v if type(v) is str else text_of(v) for v in override.sweep_iterator()]
    value = override.value()
    is_spelt = isinstance(value, bool | float)
    return [text_of(value) if is_spelt else override.get_value_element_as_str()]


def text_of(value: Any) -> str:
    """Return a value of Hydra's grammar as it is typed: `true`, `1e-5`; Hydra's own text of it has
    Python's spelling."""
    if isinstance(value, bool | float):
        return re.sub(r"e([+-])0*", r"e\1", str(value)).lower()
    return str(Transformer.str(value))


def column(override: ParsedOverride, search: Search, arm: str) -> list[str]:
    """Return the overrides that one interval gives, one for each trial.

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
