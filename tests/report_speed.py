"""Size of the report and time to its first paint in Chromium, for made-up runs.

Usage: python -m tests.report_speed [--runs 200] [--epochs 30] [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.analysis.runs import made_run
from tests.browser import browsing, executable
from trainer.analysis.report import report
from trainer.record.runs import RunRow

SEEDS = 5  # of each setting
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
DRAWN = "performance.getEntriesByName('drawn')[0].startTime"


def made_runs(count: int, epochs: int) -> list[RunRow]:
    """Return runs over a grid of learning rates and batch sizes, with all that runs usually
    have."""
    runs = []
    for number in range(count):
        setting, seed = divmod(number, SEEDS)
        parts = {
            "optim": {"name": "sgd", "lr": 0.001 * 2 ** (setting % 8)},
            "batch_size": 32 * 2 ** (setting // 8),
            **{f"key_{i}": i for i in range(80)},
        }
        run = made_run(seed, 0.5 + 0.004 * setting + 0.01 * seed, epochs=epochs, **parts)
        rows = tuple(
            replace(
                row, momentum=0.9, val_top5=0.9, grad_norm=1.0 / row.epoch, images_per_s=12345.6
            )
            for row in run.epochs
        )
        runs.append(replace(run, path=Path(f"/runs/{setting}/{seed}"), epochs=rows))
    return runs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    program = executable()
    if program is None:
        sys.exit("Chromium is not installed")
    runs = made_runs(options.runs, options.epochs)
    with tempfile.TemporaryDirectory() as folder, browsing(program) as browser:
        page = Path(folder) / "report.html"
        start = time.monotonic()
        page.write_text(report(runs, page), encoding="utf-8")
        written_s, size = time.monotonic() - start, page.stat().st_size
        painted, drawn = [], []
        for _ in range(options.repeats):
            browser.look()
            browser.open(page)
            browser.until(f"{PAINTED} > 0")
            painted.append(browser.ask(PAINTED) / 1000)
            drawn.append(browser.ask(DRAWN) / 1000)
    print(f"{options.runs} runs of {options.epochs} epochs; n = {options.repeats} openings")
    print(f"written in {written_s:.2f} s")
    print(f"size {size / 1e6:.2f} MB")
    for name, times in (("first paint", painted), ("curves drawn", drawn)):
        print(f"{name}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s")


if __name__ == "__main__":
    main()
