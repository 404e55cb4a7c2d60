"""`task=train`: train one run and record it."""

from __future__ import annotations

from trainer.record import RunRow
from trainer.run import Order, execute


def perform(order: Order) -> RunRow:
    """Train and return the record."""
    return execute(order)
