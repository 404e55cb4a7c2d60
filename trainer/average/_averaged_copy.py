"""A copy of the model whose weights an average moves."""

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from trainer.average._batch_norm import batch_norms
from trainer.average.base import SnapshotPlan
from trainer.core.clock import Clock
from trainer.model import put_weights

Buffers = Literal["recompute", "copy", "average"]


class Shadow:
    """Averaged weights of a model: at every snapshot, averaged <- lerp(averaged, weights, share).

    The sums are float32 where the model's parameters are halves: a share of a hundredth would
    round to nothing there.

    Args:
        model: the model that trains; its present weights are where the average begins, and count
            as a snapshot if the plan has one due at step 0.
        plan: when snapshots are taken.
        share: `share(count)` is the weight of the next snapshot after `count` were seen, in [0, 1];
            the first counts whole.
        buffers: what becomes of BatchNorm's running statistics. `recompute`: they are stale until
            somebody recomputes them; `copy`: they are the model's at the latest snapshot;
            `average`: they are averaged as the weights are. Whole numbers (counters), and under
            `recompute` all buffers that are no statistics, are copied.
        pulls: whether the training model's parameters become the averaged ones at every snapshot.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: SnapshotPlan,
        share: Callable[[int], float],
        *,
        buffers: Buffers = "recompute",
        pulls: bool = False,
    ) -> None:
        self.plan, self.share, self.buffers, self.pulls = plan, share, buffers, pulls
        self.is_stale = buffers == "recompute"
        self.count = int(plan.is_due(0))
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.sums = [wide(p) for p in self.model.parameters()]
        waiting = statistics(self.model) if self.is_stale else set()
        self.taken = [n for n, _ in self.model.named_buffers() if n not in waiting]

    def update(self, model: nn.Module, clock: Clock) -> None:
        """Blend the model's weights in, if a snapshot is due."""
        if not self.plan.is_due(clock.step):
            return
        share = self.share(self.count) if self.count else 1.0
        with torch.no_grad():
            weights = [p.to(s.dtype) for p, s in zip(model.parameters(), self.sums, strict=True)]
            torch._foreach_lerp_(self.sums, weights, share)
            for name in self.taken:
                mine, theirs = self.model.get_buffer(name), model.get_buffer(name)
                if self.buffers == "average" and mine.is_floating_point():
                    mine.lerp_(theirs, share)
                else:
                    mine.copy_(theirs)
            if self.pulls:
                pairs = zip(model.parameters(), self.sums, strict=True)
                moving = [(p.data, total) for p, total in pairs if p.requires_grad]  # not frozen
                torch._foreach_copy_([p for p, _ in moving], [total for _, total in moving])
        self.count += 1

    def eval_model(self) -> nn.Module | None:
        """Return the averaged model, or None before the first snapshot."""
        if not self.count:
            return None
        with torch.no_grad():
            for parameter, total in self._halves():
                parameter.copy_(total)
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """Return the number of snapshots, and the sums of parameters that are halves."""
        return {"count": self.count, "sums": [total.cpu() for _, total in self._halves()]}

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Any]) -> None:
        """Take the averaged weights and their number."""
        self.count = int(state["count"])
        if weights:  # none are kept before the first snapshot
            put_weights(self.model, weights)
        for (_, total), saved in zip(self._halves(), state["sums"], strict=True):
            total.copy_(saved)

    def _halves(self) -> list[tuple[nn.Parameter, torch.Tensor]]:
        """Return the parameters that are narrower than their sums, with them."""
        pairs = zip(self.model.parameters(), self.sums, strict=True)
        return [(p, total) for p, total in pairs if p.dtype != total.dtype]


def wide(parameter: nn.Parameter) -> torch.Tensor:
    """Return a parameter's own memory, or a float32 copy where it is a half."""
    return parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))


def statistics(model: nn.Module) -> set[str]:
    """Return the names of the buffers that hold BatchNorm's statistics."""
    norms = {id(buffer) for norm in batch_norms(model) for buffer in norm.buffers()}
    return {name for name, buffer in model.named_buffers() if id(buffer) in norms}


def equal_share(count: int) -> float:
    """Return the share of one more snapshot in the mean of `count` before it and itself.

    (w_swa * n + w) / (n + 1) = lerp(w_swa, w, 1 / (n + 1)).
    """
    return 1.0 / (count + 1)
