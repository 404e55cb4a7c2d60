"""The command line: `python -m tests.chaos [--quick] [--seed N] [--trial N] [attack ...]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from tests import chaos
from tests.chaos.campaign import Tally, Task, carry_out, facts_of, spread
from tests.chaos.cells import coverage, matrix
from tests.chaos.trial import prepare

QUICK_S, FULL_S = 240, 2580  # for all attacks together; what is not reached is said


def attacks() -> dict[str, ModuleType]:
    """Return every attack of this package, by name."""
    names = [m.name for m in pkgutil.iter_modules(chaos.__path__) if m.name != "__main__"]
    modules = {name: importlib.import_module(f"tests.chaos.{name}") for name in names}
    return {name: m for name, m in modules.items() if hasattr(m, "trial")}


def read_options(known: dict[str, ModuleType]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("attack", nargs="*", help="by default all")
    parser.add_argument("--quick", action="store_true", help="a few minutes' worth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trial", type=int, help="only this one")
    parser.add_argument("--trials", type=int, help="so many of each, whatever time they take")
    parser.add_argument("--processes", type=int, default=1, help="that do trials side by side")
    parser.add_argument("--report", type=Path, help="write what came of it here, as JSON")
    options = parser.parse_args()
    for name in options.attack:
        if name not in known:
            parser.error(f"no attack {name}; there are {', '.join(known)}")
    return options


def main() -> int:
    """Attack and return the exit code."""
    known = attacks()
    options = read_options(known)
    chosen = {name: known[name] for name in options.attack or known}
    planned = {
        name: options.trials or (module.QUICK if options.quick else module.FULL)
        for name, module in chosen.items()
    }
    tasks = spread(planned)
    if options.trial is not None:
        tasks, planned = [Task(n, options.trial) for n in chosen], dict.fromkeys(chosen, 1)
    prepare()
    cells, start, tally = matrix(options.seed), time.monotonic(), Tally(planned)
    print(f"{len(cells)} cells, {coverage(cells):.0%} of all pairs of choices", flush=True)
    budget_s = QUICK_S if options.quick else FULL_S
    with tempfile.TemporaryDirectory(prefix="chaos-") as root:
        for result in carry_out(
            tasks,
            known,
            Path(root).resolve(),
            options.seed,
            processes=options.processes,
            budget_s=float("inf") if options.trials else budget_s,
        ):
            tally.results.append(result)
            print(result.lines(), flush=True)
    print("\n".join(["", *tally.lines()]))
    if options.report is not None:
        spent = time.monotonic() - start
        tally.write(options.report, facts_of(options.seed, options.processes, spent))
    return 0 if tally.results and all(result.held for result in tally.results) else 1


if __name__ == "__main__":
    sys.exit(main())
