"""The rise of a score along rays, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.study.flatness.report import rises


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
    assert (half["share"], whole["share"]) == (0.5, 1.0)
    assert (half["distances"], whole["distances"]) == ([5.0, 5.0], [10.0, 10.0])
    two = pytest.approx(math.sqrt(2))
    assert half["rises"][0] == {
        "mean": 2.0,
        "sd": two,
        "standard_error": pytest.approx(1.0),
        "n": 2,
    }
    assert half["rises"][1]["mean"] == 1.5  # 0.5 and 2.5
    none = {"mean": -0.5, "sd": 0.0, "standard_error": 0.0, "n": 2}
    assert half["difference"] == none  # ray by ray: -0.5 and -0.5
    assert half["num_lower"] == 2
    assert whole["difference"]["mean"] == 0.0  # 5 - 4 and 5 - 6
    assert whole["num_lower"] == 1
