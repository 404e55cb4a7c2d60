"""Speed as ratios, measured in one sitting, interleaved, with their spread.

Usage: python -m scripts.bench [NAME ...] [--data DIR] [--reference DIR] [--rounds 5] [--out FILE]

Names: start, loops, choices, sweep, ddp (all of them by default, about ten minutes on two quiet
cores), thousand (a sweep of 1,000 jobs up to its first ones), recipes (whole runs, an hour).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from scripts.bench import choices, ddp, loops, recipes, start, sweep
from scripts.bench.measure import ROOT
from trainer.core.environment import load_text
from trainer.record.provenance import git_state, host, versions

TABLES = {"start": start, "loops": loops, "choices": choices, "sweep": sweep, "ddp": ddp}


def main() -> None:
    """Measure and print, and write both Markdown and numbers where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", choices=[*TABLES, "thousand", "recipes", []], help="of tables")
    add("--reference", type=Path, default=ROOT / "reference", help="holds hand-written loops")
    add("--data", type=Path, default=ROOT / "data", help="holds MNIST/raw and cifar10-jpeg")
    add("--lightning", type=Path, help="the Python of an environment that has Lightning")
    add("--rounds", type=int, default=3)
    add("--jobs", type=int, default=10, help="of the sweep of MNIST runs")
    add("--out", type=Path, help="a file for the Markdown; numbers go beside it, as .json")
    options = parser.parse_args()
    options.data, options.reference = options.data.absolute(), options.reference.absolute()
    parts, raw = [heading()], {}
    print(parts[0])
    for name in options.names or TABLES:
        if name in TABLES:
            for table in TABLES[name].tables(options):
                raw[table.title] = table.measure(options.rounds)
                parts.append(table.text(raw[table.title]))
                print(parts[-1], flush=True)
            continue
        parts.append(sweep.thousand() if name == "thousand" else recipes.text(options))
        print(parts[-1], flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(parts))
        options.out.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")


def heading() -> str:
    """Return where and with what is measured."""
    machine, git = host(), git_state()[0] or {}
    found = ", ".join(f"{k} {v}" for k, v in versions().items())
    changed = "" if git.get("clean") else " (changed)"
    return (
        f"# Speed\n\n`python -m scripts.bench {' '.join(sys.argv[1:])}`; commit "
        f"{str(git.get('commit', 'unknown'))[:12]}{changed}; {machine['processor']}, "
        f"{machine['cores']} cores, {load_text()}; {found}.\n"
    )


if __name__ == "__main__":
    main()
