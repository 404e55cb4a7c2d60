"""Training in this process without a record: from words to final weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tests.command import TINY
from trainer.checkpoint.format import digest
from trainer.composition.compose import compose_overrides
from trainer.config.run_config import parse
from trainer.core.environment import World
from trainer.loop import fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run


@contextmanager
def assembled(*overrides: str) -> Iterator[Run]:
    """Yield the run that a command line means, at its first step; threads are as it wants them."""
    config = parse(compose_overrides(overrides).cfg)
    threads = torch.get_num_threads()
    try:
        yield assemble(config, *prepare(config, World()))[0]
    finally:
        torch.set_num_threads(threads)


def trained(*overrides: str) -> str:
    """Return the hash of the weights after sixteen steps of a few milliseconds."""
    with assembled(*TINY, "epochs=1", "batch_size=4", "data.val=0", *overrides) as run:
        for _ in fit(run):
            pass
        return digest(run.model.state_dict(), {})
