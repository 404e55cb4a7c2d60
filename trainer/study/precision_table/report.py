"""The precision table as Markdown, CSV and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.record.spread import Spread
from trainer.record.tables import markdown_table, records_csv
from trainer.study.precision_table.measure import CellScore, Speed


def speed_table(rows: Sequence[SpeedRow], epoch_images: int) -> str:
    """Return the table of speed as Markdown."""
    heads = ("Model", "Precision", "px", "Batch", "Time/epoch", "Images/s (least to most, n)")
    lines = []
    for row in rows:
        n = numbers_of(row, rows, epoch_images)
        texts = [row.model, row.precision, str(row.px), str(row.batch)]
        if row.why is not None:
            lines.append([*texts, row.why, "", "", ""])
            continue
        least, most = n["images_per_s_least"], n["images_per_s_most"]
        rate = f"{n['images_per_s']:.4g} ({least:.4g} to {most:.4g}, {n['n']})"
        times = "" if n["times_fp32"] is None else f"{n['times_fp32']:.2f}"
        memory = "" if n["memory_bytes"] is None else f"{n['memory_bytes'] / 2**30:.2f} GiB"
        lines.append([*texts, span(n["epoch_s"]), rate, times, memory])
    return markdown_table([*heads, f"x {BASE}", "Memory"], lines, texts=2)


def score_table(rows: Sequence[ScoreRow]) -> str:
    """Return the table of trained networks as Markdown; accuracies in percent."""
    heads = ("Model", "Precision", "Time/epoch", "Top-1", "Top-5", "n", f"Top-1 less {BASE}")
    lines = []
    for row in rows:
        n = scores_of(row, rows)
        if row.why is not None:
            lines.append([row.model, row.precision, row.why, *[""] * 5])
            continue
        shown = [percent(n, "top1"), percent(n, "top5"), str(n["n"]), percent(n, "top1_less_fp32")]
        skipped = "" if n["skipped_steps"] is None else f"{n['skipped_steps']:.0f}"
        lines.append([row.model, row.precision, span(n["train_s"]), *shown, skipped])
    return markdown_table([*heads, "Skipped steps"], lines, texts=2)


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
        f"{facts['threads']} thread(s), {facts.get('load', 'load unknown')}; torch "
        f"{versions['torch']}, torchvision {versions.get('torchvision', '')}."
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


BASE = "fp32"


@dataclass
class SpeedRow:
    """A network in a precision at one batch size, measured in several rounds.

    Attributes:
        at: `equal` (the batch that all rows of the kind share) or `best` (of those tried).
        tried: images/s at each batch that was tried in choosing, by batch.
    """

    model: str
    precision: str
    at: str
    batch: int
    px: int
    samples: list[Speed] = field(default_factory=list)
    tried: dict[int, float] = field(default_factory=dict)

    @property
    def why(self) -> str | None:
        """Return why there are no numbers, or None."""
        return why_not(self.samples)

    @property
    def rates(self) -> list[float]:
        """Return the images/s of each round."""
        return [s.images_per_s for s in self.samples if s.images_per_s is not None]

    @property
    def memory_bytes(self) -> int | None:
        """Return the greatest peak of memory."""
        return max((s.memory_bytes for s in self.samples if s.memory_bytes), default=None)


@dataclass
class ScoreRow:
    """A network trained in a precision, once for each seed."""

    model: str
    precision: str
    samples: list[CellScore] = field(default_factory=list)

    @property
    def why(self) -> str | None:
        """Return why there are no numbers, or None."""
        return why_not(self.samples)

    def values(self, name: str) -> list[float]:
        """Return a number of every seed's run."""
        found = [getattr(s, name) for s in self.samples]
        return [float(v) for v in found if v is not None]


def why_not(samples: Sequence[Speed | CellScore]) -> str | None:
    """Return why the first sample without a number has none; None if all have."""
    for sample in samples:
        if sample.why is not None:
            return f"refused: {sample.why}" if sample.is_refused else sample.why
    return None


def gain(row: SpeedRow, rows: Sequence[SpeedRow]) -> float | None:
    """Return how many times as fast a row is as fp32's: the median over rounds of the ratio within
    each round, since the machine drifts between them."""
    base = [r for r in rows if (r.model, r.precision, r.at) == (row.model, BASE, row.at)]
    if not base or not base[0].rates or len(base[0].rates) != len(row.rates):
        return None
    return statistics.median(a / b for a, b in zip(row.rates, base[0].rates, strict=True))


def loss_of(row: ScoreRow, rows: Sequence[ScoreRow]) -> list[float] | None:
    """Return each seed's top-1 less that of fp32 with the same seed."""
    base = next((r for r in rows if (r.model, r.precision) == (row.model, BASE)), None)
    if base is None or row is base or row.why or base.why:
        return None
    pairs = zip(row.values("top1"), base.values("top1"), strict=True)
    return [mine - theirs for mine, theirs in pairs]


def numbers_of(row: SpeedRow, rows: Sequence[SpeedRow], epoch_images: int) -> dict[str, Any]:
    """Return a row's numbers by name; None where there are none."""
    rates = row.rates
    middle = statistics.median(rates) if rates else None
    return {
        "model": row.model,
        "precision": row.precision,
        "at": row.at,
        "px": row.px,
        "batch": row.batch,
        "n": len(rates),
        "images_per_s": middle,
        "images_per_s_least": min(rates, default=None),
        "images_per_s_most": max(rates, default=None),
        "epoch_s": epoch_images / middle if middle else None,
        "times_fp32": gain(row, rows),
        "memory_bytes": row.memory_bytes,
        "why": row.why,
    }


def scores_of(row: ScoreRow, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Return a trained row's numbers by name; None where there are none."""
    differences, out = loss_of(row, rows), dict[str, Any]()
    out |= {"model": row.model, "precision": row.precision, "n": len(row.values("top1"))}
    for name in ("train_s", "top1", "top5"):
        out |= spread(name, row.values(name))
    skipped = row.values("skipped_steps")
    out |= {"skipped_steps": sum(skipped) if skipped else None}
    return {**out, **spread("top1_less_fp32", differences or []), "why": row.why}


def spread(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """Return mean and standard deviation by name."""
    found = Spread.of(values)
    return {name: found.mean, f"{name}_sd": found.sd}
