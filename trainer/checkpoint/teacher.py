"""Networks that were trained before, as teachers of one that trains now."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from trainer.checkpoint.by_class import put_in_order
from trainer.checkpoint.load_into import fit_weights
from trainer.checkpoint.weights import Weights
from trainer.config.groups import parse_group
from trainer.core.errors import ConfigError
from trainer.data import Source


class Teachers:
    """Gives a run's loss the networks that its configuration names; see `loss.base.Trained`.

    Args:
        weights: as read, by key.
        source: the images of this run.
        place: puts a network where and as the run computes.
    """

    def __init__(
        self,
        weights: Mapping[str, Weights],
        source: Source,
        place: Callable[[nn.Module], nn.Module],
    ) -> None:
        self.weights, self.source, self.place = weights, source, place

    def network(self, key: str, name: str | None, args: Mapping[str, Any] | None) -> nn.Module:
        """Return a network with the weights that a key names, in eval mode, without gradients."""
        weights = self.weights[key]
        data = weights.data or {}
        # with them classes, shape and normalisation are the same; of a file nothing is known
        if weights.model is not None and data.get("fingerprint") != self.source.fingerprint:
            raise ConfigError(
                f"{weights.label}: that run was trained on other images (data={data.get('name')}, "
                f"fingerprint {str(data.get('fingerprint'))[:12]}) than this one (fingerprint "
                f"{self.source.fingerprint[:12]}); a teacher must know the images that it teaches"
            )
        plain = weights.model if name is None else {"name": name, **(args or {})}
        try:
            component = parse_group("model", plain).component
        except ConfigError as error:
            raise ConfigError(f"{weights.label}: its network is not known here: {error}") from error
        channels, height, width = self.source.train.images.shape[1:]
        num_classes = len(self.source.classes)
        build = partial(component.build, (channels, height, width))
        with torch.random.fork_rng(devices=[]):  # its first weights are thrown away
            model = build(num_classes)
        weights = put_in_order(weights, model, self.source, build, may_be_new=False)
        fit_weights(model, weights, num_classes, new_head=False)
        return self.place(model).requires_grad_(False).eval()
