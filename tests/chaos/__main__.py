"""The command line: `python -m tests.chaos [--quick] [--seed N] [--trial N] [attack ...]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import ModuleType

from tests import chaos
from tests.chaos.cells import coverage
from tests.chaos.trial import Arena, prepare

QUICK_S, FULL_S = 120, 2100  # for all attacks together; what is not reached is said


def attacks() -> dict[str, ModuleType]:
    """Return every attack of this package, by name."""
    names = [m.name for m in pkgutil.iter_modules(chaos.__path__) if m.name != "__main__"]
    modules = {name: importlib.import_module(f"tests.chaos.{name}") for name in names}
    return {name: m for name, m in modules.items() if hasattr(m, "trial")}


def attempt(name: str, module: ModuleType, arena: Arena, number: int) -> bool:
    """Do one trial, print a line on it, and return whether it held."""
    seed, start = arena.seed, time.monotonic()
    try:
        told = module.trial(arena, random.Random(f"{name} {seed} {number}"), number)
    except Exception as error:
        told = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        print(f"{name} {number} (seed {seed}) FAILED: {told}")
        print(f"  again: python -m tests.chaos {name} --seed {seed} --trial {number}", flush=True)
        return False
    print(f"{name} {number} (seed {seed}) {time.monotonic() - start:.1f} s: {told}", flush=True)
    return True


def main() -> int:
    """Attack and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("attack", nargs="*", help="by default all")
    parser.add_argument("--quick", action="store_true", help="a few minutes' worth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trial", type=int, help="only this one")
    parser.add_argument("--trials", type=int, help="so many of each, whatever time they take")
    options = parser.parse_args()
    known = attacks()
    for name in options.attack:
        if name not in known:
            parser.error(f"no attack {name}; there are {', '.join(known)}")
    chosen = {name: known[name] for name in options.attack or known}
    prepare()
    failed, done, lines = 0, 0, []
    budget_s = (QUICK_S if options.quick else FULL_S) / len(chosen)
    with tempfile.TemporaryDirectory(prefix="chaos-") as root:
        arena = Arena(Path(root).resolve(), options.seed)
        print(f"{len(arena.cells)} cells, {coverage(arena.cells):.0%} of all pairs of choices")
        for name, module in chosen.items():
            count = options.trials or (module.QUICK if options.quick else module.FULL)
            numbers = range(count) if options.trial is None else [options.trial]
            start, held, reached = time.monotonic(), 0, 0
            for number in numbers:
                if time.monotonic() - start > budget_s and not options.trials:
                    break
                held += attempt(name, module, arena, number)
                reached += 1
            failed, done = failed + reached - held, done + reached
            spent = time.monotonic() - start
            lines.append(f"{name:14}{held:5} of {reached:4} held ({len(numbers)} planned)")
            lines[-1] += f"{spent:8.0f} s"
        lines += [f"  {what}: {n}" for what, n in arena.counts.items() if "points of" not in what]
    print("\n".join(["", *lines]))
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
