"""What a run is known by: its facts, its key, and what it was before."""

from __future__ import annotations

from typing import Any

from trainer import provenance
from trainer.data.base import Source
from trainer.order import Order
from trainer.state import Run
from trainer.summary import facts_of, key_of


class Identity:
    """What a run is known by, in its summary and in every checkpoint.

    Args:
        order: what to run.
        run: its live parts.
        source: the images it was built from.

    Attributes:
        order: as given.
        lineage: what else determines the result: `forked_from`, the run, step and key it was forked
            from; `resumed_across`, the differences that `resume_allow` accepted. Empty for most.
    """

    def __init__(self, order: Order, run: Run, source: Source) -> None:
        self.order, self.run, self.source = order, run, source
        self.sources = provenance.sources_digest(order.config.plugins)
        self.lineage: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """Says when two runs must agree."""
        across = self.lineage.get("resumed_across", ())
        return key_of(self.run, self.order.config, self.source, sources=self.sources, across=across)

    def told(self) -> dict[str, Any]:
        """Return what `summary.json` says besides results."""
        return {
            "key": self.key,
            **self.lineage,
            **facts_of(self.run, self.order.config, self.source),
        }

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of a checkpoint says besides its files."""
        return {**self.told(), "sources": self.sources, "config": self.order.config.plain()}
