"""Any classification network of torchvision, by its name there."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from trainer.core.errors import unknown
from trainer.model import MODELS, ConfigError

# Their training output would be a tuple. `init_weights` is given because torchvision warns without.
WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")

log = logging.getLogger("trainer")


@MODELS.register("torchvision")
@dataclass(frozen=True)
class Torchvision:
    """A network of `torchvision.models` for classification; each cites its paper there.

    Deviation: auxiliary heads (googlenet, inception_v3) are left out, which is logged, so that
    every network returns plain logits. Vision transformers and maxvit are built for the size of
    the data's images and take no other.

    Attributes:
        arch: a name of `torchvision.models.list_models(module=torchvision.models)`.
    """

    arch: str = "resnet18"

    def __post_init__(self) -> None:
        known = names()
        if self.arch not in known:
            raise unknown("model.arch", self.arch, known)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, 3, H, W) -> logits (B, K).

        Raises:
            ConfigError: for images without exactly 3 channels, or of a size that the network
                cannot take (found by a pass without data or arithmetic, on the meta device).
        """
        from torchvision import models

        channels, height, width = image_shape
        if channels != 3:
            raise ConfigError(
                f"model=torchvision takes images of 3 channels, the data has {channels}; choose a "
                "network of ours, such as model=cnn or model=resnet9, or data in colour"
            )
        refusal = f"model.arch={self.arch} cannot take images of {height}x{width}: "
        try:
            options = _options(self.arch, height, width)
            model: nn.Module = models.get_model(
                self.arch, weights=None, num_classes=num_classes, **options
            )
        except (ValueError, AssertionError) as error:
            raise ConfigError(refusal + _first_line(error)) from error
        try:
            logits = _pass_on_meta(model, image_shape)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ConfigError(refusal + _first_line(error)) from error
        assert logits.shape == (2, num_classes), "a tuple or a feature map is no classifier's"
        if self.arch in WITH_AUXILIARY_HEADS:
            log.info("model.arch=%s: auxiliary heads are left out, plain logits", self.arch)
        return model


def names() -> list[str]:
    """Return the names of torchvision's classification networks, sorted."""
    from torchvision import models

    return sorted(models.list_models(module=models))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _options(arch: str, height: int, width: int) -> dict[str, Any]:
    """Return what the constructor of `arch` needs besides the number of classes."""
    if arch in WITH_AUXILIARY_HEADS:
        return {"aux_logits": False, "init_weights": True}
    if arch.startswith("vit_"):
        if height != width:
            raise ValueError("a vision transformer needs square images")
        return {"image_size": height}
    if arch.startswith("maxvit_"):
        return {"input_size": (height, width)}
    return {}


def _pass_on_meta(model: nn.Module, image_shape: tuple[int, int, int]) -> torch.Tensor:
    """Return the logits (2, K), without values, of two images; the network stays as it is.

    In eval mode, which draws no random numbers and is twice as fast with BatchNorm.
    """
    state = {name: value.to("meta") for name, value in model.state_dict().items()}
    model.eval()
    with torch.no_grad():
        logits = functional_call(model, state, (torch.empty(2, *image_shape, device="meta"),))
    model.train()
    return logits  # type: ignore[no-any-return]  # functional_call returns Any
