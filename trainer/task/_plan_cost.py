"""What a network costs, stage by stage: counted on one image, of zeros."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.run.work import is_quick

MOST_STAGES = 12  # rows that a table of stages has at most


@dataclass(frozen=True)
class Stage:
    """A part of a network.

    Attributes:
        name: in the network.
        kind: class of the module.
        num_parameters: in it.
        multiply_adds: of one image's forward pass, in convolutions and matrix products.
        output: shape of what it gives of one image.
    """

    name: str
    kind: str
    num_parameters: int
    multiply_adds: int
    output: tuple[int, ...]


@dataclass(frozen=True)
class NetworkCost:
    """What one image's forward pass costs.

    Attributes:
        stages: in the order of the pass.
        multiply_adds: of all, and of what is in no stage.
        activation_bytes: of all that layers give: about what a training step keeps of an image.
    """

    stages: tuple[Stage, ...]
    multiply_adds: int
    activation_bytes: int


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the multiply-adds of the operations that run within it.

    `torch.utils.flop_counter` does the same, but importing it takes a tenth of a second.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        self.multiply_adds += multiply_adds_of(func.overloadpacket.__name__, args, out)
        return out


def multiply_adds_of(name: str, args: tuple[Any, ...], out: Any) -> int:
    """Return the multiply-adds of an operation of torch's; 0 for those that are no products."""
    if name == "convolution":
        images, weight = args[:2]
        is_transposed = bool(args[6])
        places = images if is_transposed else out
        return int(places.numel() * weight[0].numel())
    if name in ("mm", "bmm"):
        return int(args[0].numel() * args[1].shape[-1])
    if name in ("addmm", "baddbmm"):
        return int(args[1].numel() * args[2].shape[-1])
    if name.startswith("_scaled_dot_product"):
        query, key, value = args[:3]
        pairs = query.shape[:-1].numel() * key.shape[-2]
        return int(pairs * (query.shape[-1] + value.shape[-1]))
    return 0


def cost_of(model: nn.Module, image_shape: tuple[int, int, int]) -> NetworkCost:
    """Return what a network costs; changes nothing of it and draws no number.

    A large one is counted without storage, on shapes alone.
    """
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    network = copy.deepcopy(model, shared).eval()  # of its own: the modules, not the weights
    first = next(network.parameters())
    device = first.device if is_quick(network, image_shape) else torch.device("meta")
    if device.type == "meta":
        network = copy.deepcopy(model).to("meta").eval()
    counter = Counter()
    watched = Watched(network, counter)
    with torch.no_grad(), without_fast_path(), counter:
        network(torch.zeros((1, *image_shape), device=device, dtype=first.dtype))
    return NetworkCost(watched.stages(), counter.multiply_adds, watched.activation_bytes)


@contextlib.contextmanager
def without_fast_path() -> Iterator[None]:
    """Keep attention from running as one operation, of which nothing can be counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class Watched:
    """Looks on while a network's stages run.

    Args:
        network: whose forward pass is to come.
        counter: that it runs in.
    """

    def __init__(self, network: nn.Module, counter: Counter) -> None:
        self.counter = counter
        self.activation_bytes = 0
        self.parts = parts_of(network)
        self.spent: dict[str, int] = {}
        self.output: dict[str, tuple[int, ...]] = {}
        for name, part in self.parts.items():
            part.register_forward_pre_hook(self.before(name))
            part.register_forward_hook(self.after(name))
        for module in network.modules():
            if next(module.children(), None) is None:
                module.register_forward_hook(self.keep)

    def before(self, name: str) -> Any:
        """Return what runs before a stage."""

        def hook(*_: Any) -> None:
            self.spent[name] = self.spent.get(name, 0) - self.counter.multiply_adds

        return hook

    def after(self, name: str) -> Any:
        """Return what runs after a stage."""

        def hook(_: nn.Module, __: Any, out: Any) -> None:
            self.spent[name] += self.counter.multiply_adds
            if isinstance(out, torch.Tensor):
                self.output[name] = tuple(out.shape[1:])

        return hook

    def keep(self, _: nn.Module, __: Any, out: Any) -> None:
        """Count what a layer gives."""
        if isinstance(out, torch.Tensor):
            self.activation_bytes += out.numel() * out.element_size()

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages that ran; those without weights or products are left out."""
        found = [
            Stage(
                name,
                type(part).__name__,
                sum(p.numel() for p in part.parameters()),
                self.spent.get(name, 0),
                self.output.get(name, ()),
            )
            for name, part in self.parts.items()
        ]
        return tuple(shortened([s for s in found if s.num_parameters or s.multiply_adds]))


def shortened(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages in at most `MOST_STAGES` rows: where there are more, neighbours that give the
    same shape are one row, and of what is then too much, the end is."""
    if len(stages) <= MOST_STAGES:
        return list(stages)
    runs = [list(run) for _, run in itertools.groupby(stages, lambda stage: stage.output)]
    if len(runs) > MOST_STAGES:
        rest = itertools.chain(*runs[MOST_STAGES - 1 :])
        runs = [*runs[: MOST_STAGES - 1], list(rest)]
    return [merged(run) for run in runs]


def merged(stages: Sequence[Stage]) -> Stage:
    """Return neighbours as one stage."""
    if len(stages) == 1:
        return stages[0]
    kinds = Counts(stage.kind for stage in stages)
    return Stage(
        f"{stages[0].name} to {stages[-1].name}",
        ", ".join(f"{count} {kind}" for kind, count in kinds.items()),
        sum(stage.num_parameters for stage in stages),
        sum(stage.multiply_adds for stage in stages),
        stages[-1].output,
    )


def parts_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a network that a table shows: its children; of the largest one its own,
    as long as there is room for them."""
    parts = dict(network.named_children())
    while parts:
        sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
        name = max(sizes, key=lambda name: sizes[name])
        inner = {f"{name}.{key}": part for key, part in parts[name].named_children()}
        is_alone = sizes[name] > 0.9 * sum(sizes.values())
        if not is_alone or len(inner) < 2 or len(parts) - 1 + len(inner) > MOST_STAGES:
            break
        parts = {
            key: part
            for outer in parts
            for key, part in (inner.items() if outer == name else [(outer, parts[outer])])
        }
    return parts or {"": network}
