"""A run of a study, step by step: what no record keeps can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from trainer.core.environment import World
from trainer.core.errors import Diverged
from trainer.data import Batch, Source
from trainer.loop import fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run
from trainer.study.study import Study, merged


@dataclass(frozen=True)
class Live:
    """A run in memory, and the images it was built from."""

    run: Run
    source: Source

    def steps(self, every: int = 1) -> Iterator[Run]:
        """Train to the end, or until it diverges; yield after every so many steps, and after each
        epoch."""
        try:
            for _ in fit(self.run, pause=lambda clock: clock.step % every == 0):
                yield self.run
        except Diverged:
            return

    def train_images(self) -> Batch:
        """Return all training images as the model takes them, with the labels it is taught and
        their places in the source."""
        (parts,) = zip(*self.run.data.train_steps(0, 0), strict=True)
        images = torch.cat([self.run.ready(batch).images for batch in parts])
        labels = torch.cat([batch.labels for batch in parts])
        return Batch(images, labels, self.run.data.num_classes)


def live(study: Study, label: str, *overrides: str) -> Live:
    """Return a run of an arm with its chosen values, at its start; nothing is written. Threads and
    random numbers are its own from here on.

    Args:
        study: whose arm it is.
        label: of the arm; empty for what all share.
        overrides: which win, after those that the study's settings have for its mechanism.
    """
    overrides = (*study.settings.get("mechanism", ()), *overrides)
    words = study.job(label, study.chosen(label), study.first).overrides if label else ()
    shared = () if label else (*study.always, *study.base, *study.last_words)
    config = study.compose(*merged((*words, *shared, *overrides)))
    run, context = assemble(config, *prepare(config, World()))
    return Live(run, context.source)


def vector(model: nn.Module) -> torch.Tensor:
    """Return all parameters (P,), float64, a copy."""
    return torch.cat([p.detach().double().flatten() for p in model.parameters()])


def put(model: nn.Module, weights: torch.Tensor) -> None:
    """Give a model the parameters of a vector."""
    start = 0
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(weights[start : start + p.numel()].view_as(p))
            start += p.numel()


def loss_of(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the mean cross entropy, BatchNorm by the statistics of these images."""
    model.train()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(images).float(), labels))
