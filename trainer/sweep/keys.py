"""What a job's key will be, before it is run."""

from __future__ import annotations

from trainer import provenance
from trainer.config import RunConfig
from trainer.convert import plain_choice
from trainer.distributed import Single, World, choose_device
from trainer.precision import build_precision
from trainer.site import read_images
from trainer.weights import read_all


def key_before(config: RunConfig) -> str:
    """Return the key that a run with this configuration will have.

    Raises:
        TrainerError: if the images or weights that it needs cannot be read: so will the run.
    """
    world = World()
    device = choose_device(config.device, world)
    weights = read_all(config.origins(), plain_choice(config.model), Single(world))
    return provenance.result_key(
        config.plain(),
        fingerprint=read_images(config).fingerprint,
        weights={key: read.sha256 for key, read in weights.items()},
        device=device.type,
        precision=build_precision(config.precision, device).name,
        sources=provenance.sources_digest(config.plugins),
        world_size=config.strategy.launch.processes or 1,
    )
