"""What a study of flatness leaves: pictures, tables of points, facts; a few lines for people."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.core.errors import ConfigError
from trainer.core.files import replace_text, reporting_disk
from trainer.record.spread import Spread
from trainer.record.tables import records_csv
from trainer.study.flatness.paths import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"raw": "along raw rays", "filter": "along filter-normalised rays"}


@dataclass
class Seen:
    """What a study saw: facts for `flatness.json`, rows and figures by name."""

    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Rows] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


def make_folder(out: Path) -> None:
    """Make a folder; raise ConfigError where none can be made."""
    try:
        with reporting_disk(out):
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: no folder can be made there ({error.strerror})") from error


def write(out: Path, seen: Seen, facts: dict[str, Any]) -> None:
    """Write pictures, tables and facts."""
    for name, rows in seen.tables.items():
        replace_text(out / f"{name}.csv", records_csv(rows))
    for name, figure in seen.figures.items():
        with reporting_disk(out / f"{name}.png"):
            figure.savefig(out / f"{name}.png")
    replace_text(out / "flatness.json", json.dumps(finite(facts), indent=1, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """Return plain data with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(facts: dict[str, Any]) -> str:
    """Return scores of the weights and the rises at the rays' ends as lines of text."""
    labels = [w["label"] for w in facts["weights"]]
    width = max(map(len, labels))
    lines = [f"{'':{width}}  train loss  test error"]
    lines += [
        f"{w['label']:{width}}  {w['train_loss']:10.4f}  {100 * w['test_error']:8.2f} %"
        for w in facts["weights"]
    ]
    for kind, name in KINDS.items():
        rise = facts["rises"][kind]["train_loss"][-1]
        parts = [
            f"{label} {spread_text(spread)}"
            for label, spread in zip(labels[:2], rise["rises"], strict=True)
        ]
        lines.append(
            f"rise of the training loss {name} of {rise['share']:g} norms: {', '.join(parts)}; "
            f"{labels[1]} rises less on {rise['num_lower']} of {rise['difference']['n']} rays"
        )
    return "\n".join(lines)


def spread_text(spread: dict[str, Any]) -> str:
    """Return mean and standard deviation as text."""
    sd = "" if spread["sd"] is None else f" (sd {spread['sd']:.4f})"
    return f"{spread['mean']:.4f}{sd}"


def spread_facts(numbers: Sequence[float]) -> dict[str, Any]:
    """Return the spread of numbers as plain data."""
    spread = Spread.of(numbers)
    return {"mean": spread.mean, "sd": spread.sd, "standard_error": spread.se, "n": spread.n}


def rises(rows: Rows, kind: str, starts: tuple[str, str], score: str) -> list[dict[str, Any]]:
    """Return how much a score rises from two starts at each distance, over rays of the same
    directions: `distances` from each start, on average over rays, spreads of the `rises` from each,
    of their `difference` ray by ray, and the rays along which the second rises less.

    Args:
        rows: of the rays, with `start`, `kind`, `ray`, `share`, `distance` and the scores.
        kind: `raw` or `filter`.
        starts: labels of the two.
        score: such as `train_loss`.
    """
    mine = [row for row in rows if row["kind"] == kind]
    at = {(row["start"], row["ray"], row["share"]): row for row in mine}
    rays = sorted({row["ray"] for row in mine})
    found = []
    for share in sorted({row["share"] for row in mine} - {0.0}):
        values, distances = [], []
        for start in starts:
            ends = [at[start, ray, share] for ray in rays]
            values.append([r[score] - at[start, r["ray"], 0.0][score] for r in ends])
            distances.append(statistics.fmean(r["distance"] for r in ends))
        both = [second - first for first, second in zip(*values, strict=True)]
        found.append(
            {
                "share": share,
                "distances": distances,
                "rises": [spread_facts(one) for one in values],
                "difference": spread_facts(both),
                "num_lower": sum(b < 0 for b in both),
            }
        )
    return found
