"""No mixing."""

from dataclasses import dataclass

from trainer.mix import MIXES, Batch, Pairs


@MIXES.register("none")
@dataclass(frozen=True)
class NoMix:
    """Examples stay as they are."""

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the batch itself."""
        return batch
