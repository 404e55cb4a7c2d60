"""Muon: momentum, orthogonalised."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from trainer.optim import OPTIMIZERS, ConfigError, Groups, Member, OptimKeys, check_betas, check_in
from trainer.optim._foreach import ByGroup, Tensors, decay
from trainer.optim._newton_schulz import orthogonalize

OTHERS = {"adamw": ("betas", "eps"), "sgd": ("other_momentum",)}  # keys of one kind each
LEFT_OUT = {"all": (), "not_last": ("last",), "hidden": ("first", "last")}


@OPTIMIZERS.register("muon")
@dataclass(frozen=True)
class Muon:
    """Matrices move along their momentum with its singular values made equal; what is no matrix
    moves by AdamW or SGD, with a learning rate of its own.

    "Muon: An optimizer for hidden layers in neural networks", K. Jordan, 2024,
    kellerjordan.github.io/posts/muon. Filters of a convolution are matrices of shape
    (out, in * height * width). Weight decay is decoupled for all: weights shrink by
    `lr * weight_decay` of their own rate. Rules of `optim.groups` and `optim.lr_rule` scale
    `optim.other_lr` as they do `optim.lr`.

    Deviations: the iteration runs in bfloat16 on GPUs that compute in it and in the weights' type
    elsewhere; the author's runs in bfloat16 always. The SGD has decoupled decay.

    Attributes:
        momentum: of the matrices, in [0, 1).
        nesterov: look ahead along the momentum, of the matrices and of SGD; None for yes where
            there is one.
        ns_steps: Newton-Schulz iterations.
        ns_dtype: `auto` as above, `bf16`, or `weights` for the weights' own type.
        adjust: factor of a matrix's step: `original` is sqrt(max(1, rows / columns));
            `match_rms_adamw` is 0.2 sqrt(max(rows, columns)), which makes steps as long as AdamW's
            ("Muon is Scalable for LLM Training", arXiv:2502.16982).
        layers: which matrices: `all`, `not_last` (the classifier is left to the other), or
            `hidden` (so is the first layer).
        other: `adamw` or `sgd`, for everything else.
        other_lr: peak of its learning rate.
        other_momentum: of SGD, in [0, 1).
        betas: of AdamW, each in [0, 1).
        eps: of AdamW; positive.
    """

    momentum: float = 0.95
    nesterov: bool | None = None
    ns_steps: int = 5
    ns_dtype: Literal["auto", "bf16", "weights"] = "auto"
    adjust: Literal["original", "match_rms_adamw"] = "original"
    layers: Literal["all", "not_last", "hidden"] = "not_last"
    other: Literal["adamw", "sgd"] = "adamw"
    other_lr: float = 3e-3
    other_momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        check_in("[0, 1)", "optim.momentum", self.momentum)
        check_in("[0, 1)", "optim.other_momentum", self.other_momentum)
        check_in("(0, inf)", "optim.other_lr", self.other_lr)
        check_in("(0, inf)", "optim.eps", self.eps)
        check_betas(self.betas)
        if self.ns_steps < 1:
            raise ConfigError(f"optim.ns_steps must be at least 1, got {self.ns_steps}")
        if self.nesterov and self.momentum == 0.0:
            raise ConfigError(
                "optim.nesterov=true needs optim.momentum above 0: set optim.nesterov=false as well"
            )
        for other, names in OTHERS.items():
            for name in names:
                if other != self.other and getattr(self, name) != getattr(Muon, name):
                    raise ConfigError(
                        f"optim.{name} belongs to optim.other={other}, but optim.other={self.other}"
                    )

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer: the groups' matrices first, then what else is in them.

        Raises:
            ConfigError: if the model has no matrix left for it.
        """
        by_muon, by_other = [], []
        for group in groups:
            matrices = tuple(m for m in group.members if self.takes(m))
            others = tuple(m for m in group.members if not self.takes(m))
            if matrices:
                by_muon.append(replace(group, members=matrices).options() | self.settings())
            if others:
                lr = self.other_lr * (group.lr / keys.lr)
                name = f"{group.name}, {self.other}"
                rest = replace(group, members=others, name=name, lr=lr)
                by_other.append(rest.options() | self.other_settings())
        if not by_muon:
            raise ConfigError(
                f"optim=muon with optim.layers={self.layers} has no matrix to move in this model: "
                f"choose optim.layers=all or optim={self.other}"
            )
        return MuonOptimizer([*by_muon, *by_other], {})

    def takes(self, member: Member) -> bool:
        """Return whether a parameter is one of the matrices."""
        left_out = ("norm", *LEFT_OUT[self.layers])
        return "matrix" in member.kinds and not member.kinds & set(left_out)

    def settings(self) -> dict[str, Any]:
        """Return what a group of matrices has besides its rates."""
        return {
            "by": "muon",
            "momentum": self.momentum,
            "nesterov": self.nesterov is not False and self.momentum > 0.0,
            "ns_steps": self.ns_steps,
            "ns_dtype": self.ns_dtype,
            "adjust": self.adjust,
        }

    def other_settings(self) -> dict[str, Any]:
        """Return what a group of others has besides its rates."""
        if self.other == "adamw":
            return {"by": "adamw", "betas": self.betas, "eps": self.eps}
        nesterov = self.nesterov is not False and self.other_momentum > 0.0
        return {"by": "sgd", "momentum": self.other_momentum, "nesterov": nesterov}


class MuonOptimizer(ByGroup):
    """Groups say in `by` what moves them."""

    def move(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> None:
        """Shrink the weights, then step along Adam's direction or the (orthogonal) momentum."""
        decay(group, weights)
        if group["by"] == "adamw":
            directions = self.adam(group, weights, gradients)
        else:
            directions = self.momenta(group, weights, gradients)
        if group["by"] == "muon":
            matrices = [direction.flatten(1) for direction in directions]
            dtype = product_dtype(group["ns_dtype"], directions[0])
            found = orthogonalize(matrices, group["ns_steps"], dtype)
            torch._foreach_mul_(found, [factor(group["adjust"], *m.shape) for m in matrices])
            directions = [x.reshape(d.shape) for x, d in zip(found, directions, strict=True)]
        torch._foreach_add_(weights, directions, alpha=-group["lr"])

    def momenta(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> Tensors:
        """Return v = momentum v + g, or g + momentum v with Nesterov."""
        velocities = self.slot(weights, "velocity")
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, gradients)
        if not group["nesterov"]:
            return velocities
        return list(torch._foreach_add(gradients, velocities, alpha=group["momentum"]))


def factor(adjust: str, rows: int, columns: int) -> float:
    """Return the factor of a matrix's step."""
    if adjust == "original":
        return float(max(1.0, rows / columns) ** 0.5)
    return float(0.2 * max(rows, columns) ** 0.5)


def product_dtype(name: str, weight: torch.Tensor) -> torch.dtype | None:
    """Return the type that the iteration computes in; None is the weights' own."""
    is_wide = weight.dtype == torch.float32
    gains = weight.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if name == "bf16" or (name == "auto" and is_wide and gains) else None
