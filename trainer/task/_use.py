"""What the tasks share that use a trained network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainer.augment import Views, choose_views
from trainer.checkpoint.weights import read_weights
from trainer.core.convert import plain_choice
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.weights_source import Origin
from trainer.precision.step import Precision
from trainer.run.context import read_images
from trainer.run.device import prepare
from trainer.run.network import Network, network_of
from trainer.run.request import RunRequest


@dataclass(frozen=True)
class Asked:
    """A network that is asked as its run asked it in evaluations.

    Attributes:
        network: the network.
        precision: of its passes.
        views: of each image.
    """

    network: Network
    precision: Precision
    views: Views

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of stored images (B, C, H, W), in at least float32."""
        with torch.inference_mode(), self.precision.autocast():
            logits = self.network.logits(images, self.views)
        return logits if logits.dtype == torch.float64 else logits.float()


def ask(request: RunRequest, origin: Origin) -> Asked:
    """Return the network that a task of one process names, on the device and in the number format
    that the configuration chose.

    Raises:
        TrainerError: for everything that a user can mend.
    """
    config = request.config
    check_alone(config.task.name)
    device, _, precision = prepare(config, World())
    network = trained_network(request, origin, device, precision.dtype)
    return Asked(network, precision, choose_views(config.tta, network.image_shape, 1))


def trained_network(
    request: RunRequest,
    origin: Origin,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Network:
    """Return the network that `task.run` names; see `network_of`."""
    config = request.config
    model = plain_choice(config.model)
    weights = read_weights("task.run", origin, model)
    return network_of(weights, model, lambda: read_images(config), device=device, dtype=dtype)


def check_alone(task: str) -> None:
    """Raise ConfigError under torchrun: some tasks need one process."""
    if World.from_environment().size > 1:
        raise ConfigError(f"task={task} works in one process: leave out torchrun")
