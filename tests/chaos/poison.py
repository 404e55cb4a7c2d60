"""A plugin that turns one number of a run into nan: `POISON=<site>,<step>,<rank>` says which."""

from __future__ import annotations

import os

import torch

from trainer.data.base import Batch
from trainer.state import Run

SITES = ("input", "loss", "gradient", "weight", "statistics", "momentum", "average")
ready = Run.ready


def poisoned(self: Run, batch: Batch) -> Batch:
    """Do what `Run.ready` does, and the harm when its time has come."""
    batch = ready(self, batch)
    site, step, rank = os.environ["POISON"].split(",")
    is_here = self.strategy.world.rank == int(rank) and self.model.training
    if is_here and self.state.step - 1 == int(step):  # counted on before gradients are computed
        with torch.no_grad():
            harm(self, site, batch)
    return batch


def harm(run: Run, site: str, batch: Batch) -> None:
    """Put a nan where `site` says."""
    parameters = [p for p in run.model.parameters() if p.requires_grad]
    if site == "input":
        batch.images.view(-1)[0] = torch.nan
    elif site == "loss":
        loss, run.loss = run.loss, lambda logits, batch: run_once(loss, run, logits, batch)
    elif site == "gradient":
        handle = parameters[0].register_hook(lambda gradient: once(handle, gradient))
    elif site == "weight":
        parameters[0].view(-1)[0] = torch.nan
    elif site == "statistics":
        next(b for b in run.model.buffers() if b.is_floating_point()).view(-1)[0] = torch.nan
    elif site == "momentum":
        state = run.optimizer.state[parameters[0]]
        next(v for v in state.values() if torch.is_tensor(v) and v.dim()).view(-1)[0] = torch.nan
    elif site == "average":
        averaged = run.average.eval_model()
        assert averaged is not None
        run.average.sums[0].view(-1)[0] = torch.nan  # type: ignore[attr-defined]


def run_once(loss: object, run: Run, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return nan for the loss, once."""
    run.loss = loss  # type: ignore[assignment]
    return run.loss(logits, batch) * torch.nan


def once(handle: torch.utils.hooks.RemovableHandle, gradient: torch.Tensor) -> torch.Tensor:
    """Return nan for the gradient, once."""
    handle.remove()
    return gradient * torch.nan


def install() -> None:
    """Let runs of this process come to harm."""
    Run.ready = poisoned  # type: ignore[method-assign]


if "POISON" in os.environ:
    install()
