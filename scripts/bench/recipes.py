"""Time to accuracy: presets beside hand-written networks, whole runs; an hour on two cores."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from scripts.bench.measure import numbers, script, spoken

# preset, the reference's file, its words, and the place of its accuracy and seconds in what it says
RECIPES = (
    ("mnist_fast", "mnist_cnn.py", ("{seed}", "10", "16"), -2, -1),
    ("cifar10_jpeg_cpu", "cifar_resnet9.py", ("16", "8", "0.4"), 0, 1),
)


def text(options: Namespace) -> str:
    """Measure and return the table in Markdown; seeds take turns with the reference."""
    lines = ["## Time to accuracy", "", "| run | test top-1, % | s, training | seeds |"]
    lines.append("|---|---|---|---|")
    for preset, name, words, accuracy, seconds in RECIPES:
        found = script(options, name)
        ours, theirs = [], []
        for seed in range(options.rounds):
            ours.append(run_preset(preset, seed, options.data))
            if found is not None:
                given = [word.format(seed=seed) for word in words]
                said = numbers((sys.executable, str(found), str(options.data), *given))
                theirs.append((said[accuracy], said[seconds]))
        for what, rows in ((f"+experiment={preset}", ours), (name, theirs)):
            if rows:
                scores, spent = ([row[i] for row in rows] for i in (0, 1))
                mean, spread = 100 * statistics.fmean(scores), 100 * statistics.pstdev(scores)
                middle = statistics.median(spent)
                lines.append(
                    f"| {what} | {mean:.2f} (sd {spread:.2f}) | {middle:.0f} | {len(rows)} |"
                )
    return "\n".join([*lines, ""])


def run_preset(preset: str, seed: int, data: Path) -> tuple[float, float]:
    """Return the test accuracy and the seconds of training of a preset."""
    with tempfile.TemporaryDirectory() as here:
        words = (f"+experiment={preset}", f"data.root={data}", f"seed={seed}")
        spoken((sys.executable, "-m", "trainer", *words, "hydra.run.dir=run"), Path(here))
        summary = json.loads((Path(here) / "run" / "summary.json").read_text())
    scores = summary.get("test_avg") or summary["test"]
    return scores["top1"], summary["seconds"]["train"] + summary["seconds"]["average"]
