"""The rise of a score along rays, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.study.flatness.report import ScoreSpread, rises


def row(start: str, ray: int, share: float, loss: float, kind: str = "raw") -> dict[str, Any]:
    return {
        "start": start,
        "kind": kind,
        "ray": ray,
        "share": share,
        "distance": 10 * share,
        "train_loss": loss,
    }


ROWS = [
    *(row("a", 0, 0.0, 1.0), row("a", 0, 0.5, 2.0), row("a", 0, 1.0, 5.0)),
    *(row("a", 1, 0.0, 1.0), row("a", 1, 0.5, 4.0), row("a", 1, 1.0, 7.0)),
    *(row("b", 0, 0.0, 2.0), row("b", 0, 0.5, 2.5), row("b", 0, 1.0, 7.0)),
    *(row("b", 1, 0.0, 2.0), row("b", 1, 0.5, 4.5), row("b", 1, 1.0, 7.0)),
    row("a", 0, 0.5, 99.0, kind="filter"),
]


def test_rises_by_hand() -> None:
    half, whole = rises(ROWS, "raw", ("a", "b"), "train_loss")
    assert (half.share, whole.share) == (0.5, 1.0)
    assert (half.distances, whole.distances) == ((5.0, 5.0), (10.0, 10.0))
    assert half.rises[0] == ScoreSpread(2.0, pytest.approx(math.sqrt(2)), pytest.approx(1.0), 2)
    assert half.rises[1].mean == 1.5  # 0.5 and 2.5
    assert half.difference == ScoreSpread(-0.5, 0.0, 0.0, 2)  # ray by ray: -0.5 and -0.5
    assert half.num_lower == 2
    assert whole.difference.mean == 0.0  # 5 - 4 and 5 - 6
    assert whole.num_lower == 1


def test_one_ray_has_no_spread_and_a_loss_that_overflows_none_either() -> None:
    assert ScoreSpread.of([3.0]) == ScoreSpread(3.0, None, None, 1)
    assert ScoreSpread.of([1.0, math.inf]) == ScoreSpread(math.inf, None, None, 2)
