"""The precision table as Markdown, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer.sheets import records_csv
from trainer.study._precision_rows import BASE, ScoreRow, SpeedRow, numbers_of, scores_of


def speed_table(rows: Sequence[SpeedRow], epoch_images: int) -> str:
    """Return the table of speed as Markdown."""
    heads = ("Model", "Precision", "px", "Batch", "Time/epoch", "Images/s (least to most, n)")
    lines = table_head([*heads, f"x {BASE}", "Memory"], texts=2)
    for row in rows:
        n = numbers_of(row, rows, epoch_images)
        texts = [row.model, row.precision, str(row.px), str(row.batch)]
        if row.why is not None:
            lines.append(line_of([*texts, row.why, "", "", ""]))
            continue
        least, most = n["images_per_s_least"], n["images_per_s_most"]
        rate = f"{n['images_per_s']:.4g} ({least:.4g} to {most:.4g}, {n['n']})"
        times = "" if n["times_fp32"] is None else f"{n['times_fp32']:.2f}"
        memory = "" if n["memory_bytes"] is None else f"{n['memory_bytes'] / 2**30:.2f} GiB"
        lines.append(line_of([*texts, span(n["epoch_s"]), rate, times, memory]))
    return "\n".join(lines)


def score_table(rows: Sequence[ScoreRow]) -> str:
    """Return the table of trained networks as Markdown; accuracies in percent."""
    heads = ("Model", "Precision", "Time/epoch", "Top-1", "Top-5", "n", f"Top-1 less {BASE}")
    lines = table_head([*heads, "Skipped steps"], texts=2)
    for row in rows:
        n = scores_of(row, rows)
        if row.why is not None:
            lines.append(line_of([row.model, row.precision, row.why, *[""] * 5]))
            continue
        shown = [percent(n, "top1"), percent(n, "top5"), str(n["n"]), percent(n, "top1_less_fp32")]
        skipped = "" if n["skipped_steps"] is None else f"{n['skipped_steps']:.0f}"
        lines.append(line_of([row.model, row.precision, span(n["train_s"]), *shown, skipped]))
    return "\n".join(lines)


def table_head(heads: Sequence[str], texts: int) -> list[str]:
    """Return the first two lines of a table whose first columns are texts, the others numbers."""
    marks = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return [line_of(heads), line_of(marks)]


def line_of(texts: Sequence[str]) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def percent(numbers: Mapping[str, Any], name: str) -> str:
    """Return a mean and its standard deviation in percent, or nothing."""
    mean, sd = numbers[name], numbers[f"{name}_sd"]
    if mean is None:
        return ""
    sign = "+" if name.endswith(BASE) else ""
    return f"{100 * mean:{sign}.2f}" + ("" if sd is None else f" (sd {100 * sd:.2f})")


def span(seconds: float) -> str:
    """Return a span of time in the unit that suits it."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"


def to_markdown(
    speeds: Sequence[SpeedRow], scores: Sequence[ScoreRow], facts: Mapping[str, Any]
) -> str:
    """Return the tables, and below each what its numbers are.

    Args:
        speeds: rows of speed, at equal and at best batch.
        scores: rows of trained networks, or none.
        facts: how the table was made, by name.
    """
    epoch, parts = facts["epoch_images"], []
    for at, title in (("equal", "At equal batch"), ("best", "Each at its best batch")):
        rows = [row for row in speeds if row.at == at]
        if rows:
            parts += [f"### {title}", speed_table(rows, epoch)]
    if speeds:
        parts.append(
            f"Time/epoch is extrapolated to {epoch:,} images from the images/s of whole training "
            f"steps on {facts['timed_images']} images or more ({facts['data']}), after "
            f"{facts['warmup_steps']} step(s) of warm-up: the median over rounds. Best batches are "
            f"of those tried: {', '.join(map(str, facts['batches']))}. Memory is the peak of the "
            "device, or of the whole process on a CPU."
        )
    if scores:
        parts += ["### Trained", score_table(scores), facts["training"]]
    git, machine, versions = facts["git"] or {}, facts["machine"], facts["versions"]
    changed = "" if git.get("clean") else " (changed)"
    parts.append(
        f"`{facts['command']}`; commit {git.get('commit', 'unknown')[:12]}{changed}; "
        f"{facts['date']}; {facts['device']}, {machine['processor']}, {machine['cores']} cores, "
        f"{facts['threads']} thread(s); torch {versions['torch']}, torchvision "
        f"{versions.get('torchvision', '')}."
    )
    return "\n\n".join(parts) + "\n"


def write(
    out: Path,
    speeds: Sequence[SpeedRow],
    scores: Sequence[ScoreRow],
    facts: Mapping[str, Any],
) -> str:
    """Write the files into a folder and return the Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    text = to_markdown(speeds, scores, facts)
    numbers = [numbers_of(row, speeds, facts["epoch_images"]) for row in speeds]
    content = {
        **facts,
        "speed": [asdict(r) for r in speeds],
        "trained": [asdict(r) for r in scores],
    }
    files = {"table.md": text, "table.json": json.dumps(content, indent=1) + "\n"}
    files["speed.csv"] = records_csv(numbers)
    files["trained.csv"] = records_csv([scores_of(row, scores) for row in scores])
    for name, written in files.items():
        if written:
            (out / name).write_text(written, encoding="utf-8")
    return text
