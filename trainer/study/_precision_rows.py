"""The rows of the precision table and their numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.study._precision_cell import Score, Speed

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
    samples: list[Score] = field(default_factory=list)

    @property
    def why(self) -> str | None:
        """Return why there are no numbers, or None."""
        return why_not(self.samples)

    def values(self, name: str) -> list[float]:
        """Return a number of every seed's run."""
        found = [getattr(s, name) for s in self.samples]
        return [float(v) for v in found if v is not None]


def why_not(samples: Sequence[Speed | Score]) -> str | None:
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
    return {
        name: statistics.fmean(values) if values else None,
        f"{name}_sd": statistics.stdev(values) if len(values) > 1 else None,
    }
