"""Kinds of parameters: what a rule or an optimizer tells them apart by."""

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

KINDS = {
    "bias": "named bias, or something_bias",
    "norm": "weights and biases of normalisation layers",
    "vector": "of fewer than two dimensions",
    "matrix": "of two dimensions or more: weights of linear layers and convolutions",
    "first": "of the first layer whose weight is a matrix",
    "last": "of the last layer whose weight is a matrix",
}
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # the first is of batch and instance


def kinds_of(model: nn.Module) -> dict[nn.Parameter, frozenset[str]]:
    """Return the kinds of every parameter; one that layers share has those of each.

    First and last are meant in the order in which the model lists its layers.
    """
    found: dict[nn.Parameter, set[str]] = {p: set() for p in model.parameters()}
    layers = [m for m in model.modules() if has_matrix(m)]
    ends = {"first": layers[:1], "last": layers[-1:]}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            kinds = found[parameter]
            kinds.add("matrix" if parameter.ndim >= 2 else "vector")
            if name == "bias" or name.endswith("_bias"):
                kinds.add("bias")
            if isinstance(module, NORMS):
                kinds.add("norm")
            kinds |= {end for end, layer in ends.items() if module in layer}
    return {parameter: frozenset(kinds) for parameter, kinds in found.items()}


def has_matrix(module: nn.Module) -> bool:
    """Return whether a module itself has a weight of two dimensions or more."""
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.ndim >= 2 and not isinstance(module, NORMS)
