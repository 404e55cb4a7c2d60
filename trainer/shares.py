"""What a checkpoint holds for each process, given to as many processes as there are now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trainer.distributed import World
from trainer.rng import derive


def own_part(ranks: Sequence[dict[str, Any]], world: World, seed: int) -> dict[str, Any]:
    """Return what a checkpoint holds for this process alone.

    Where it was made by another number of processes: the mean of their buffers, their sums in the
    first process, and no generator: each draws its dropout from a new stream.

    Args:
        ranks: buffers, sums and generator of each process.
        world: of this process.
        seed: of the run.
    """
    if len(ranks) == world.size:
        return ranks[world.rank]
    torch.manual_seed(derive(seed, "model", world.rank, len(ranks)))
    meters = [rank["meter"] for rank in ranks]
    share = int(world.rank == 0)
    return {
        **{name: mean_of([r[name] for r in ranks]) for name in ("buffers", "average_buffers")},
        "meter": {
            **meters[0],
            "losses": share * torch.stack([meter["losses"] for meter in meters]).sum(0),
            "hits": share * torch.stack([meter["hits"] for meter in meters]).sum(0),
            "seen": share * sum(meter["seen"] for meter in meters),
        },
    }


def mean_of(buffers: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the mean of several processes' buffers; of counters, the first's."""
    return {
        name: torch.stack([b[name] for b in buffers]).mean(0)
        if first.is_floating_point()
        else first
        for name, first in buffers[0].items()
    }
