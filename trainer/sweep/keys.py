"""What a job's key will be, before it is run."""

from __future__ import annotations

from trainer import provenance
from trainer.config import RunConfig
from trainer.convert import plain_choice
from trainer.distributed import Single, World, choose_device
from trainer.forking import read_fork
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
    fork = read_fork(config)
    origins = {k: o for k, o in config.origins().items() if fork is None or k != "init_from"}
    weights = read_all(origins, plain_choice(config.model), Single(world))
    sums = {key: read.sha256 for key, read in weights.items()}
    return provenance.result_key(
        config.plain(),
        fingerprint=read_images(config).fingerprint,
        weights={**sums, **(fork.weights_read if fork else {})},
        device=device.type,
        precision=build_precision(config.precision, device).name,
        sources=provenance.sources_digest(config.plugins),
        world_size=config.strategy.launch.processes or 1,
    )
