"""Loss and error of a network at any weights, its BatchNorm statistics recomputed at each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from trainer.average import recompute
from trainer.core import rng
from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data import Batch
from trainer.state import Run
from trainer.study.flatness.settings import Amounts


@dataclass(frozen=True)
class PointScore:
    """What a network scores: mean cross-entropy, and the share of images that it gets wrong."""

    train_loss: float
    train_error: float
    test_loss: float
    test_error: float


class Landscape:
    """A network whose weights are written in place, and the images it is scored on, on its device.

    Args:
        model: BatchNorm buffers and parameters are overwritten, other buffers stay.
        bn: normalised images (B, C, H, W) for BatchNorm statistics.
        train: normalised batches for the training loss.
        test: normalised batches for the test error.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        bn: Sequence[torch.Tensor],
        train: Sequence[Batch],
        test: Sequence[Batch],
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.bn, self.train, self.test = bn, train, test
        self.shapes = [p.shape for p in model.parameters()]

    @classmethod
    def of(cls, run: Run, amounts: Amounts, seed: int) -> Landscape:
        """Return the landscape of an assembled run; its images are normalised once, here."""
        num_train = amounts.train.of(run.data.num_train)
        num_bn = amounts.bn.of(run.data.num_train)
        train = [run.ready(batch) for batch in run.data.clean_train_batches(num_train)]
        if num_bn == num_train:
            bn = [batch.images for batch in train]
        else:
            bn = [run.ready(batch).images for batch in run.data.clean_train_batches(num_bn)]
        test = [run.ready(batch) for batch in drawn(run, amounts.test, seed)]
        return cls(run.model, bn=bn, train=train, test=test)

    def counts(self) -> dict[str, int]:
        """Return how many images there are of each kind."""
        return {
            "train": sum(len(batch.labels) for batch in self.train),
            "bn": sum(len(images) for images in self.bn),
            "test": sum(len(batch.labels) for batch in self.test),
        }

    def at(self, weights: torch.Tensor) -> PointScore:
        """Return the scores at weights (P,), all parameters one after the other."""
        self.put(weights)
        return PointScore(*mean_scores(self.model, self.train), *mean_scores(self.model, self.test))

    def put(self, weights: torch.Tensor) -> None:
        """Give the network weights (P,), and the BatchNorm statistics that go with them."""
        parameters = list(self.model.parameters())
        pieces = torch.split(weights, [p.numel() for p in parameters])
        with torch.no_grad():
            for parameter, piece in zip(parameters, pieces, strict=True):
                parameter.copy_(piece.view(parameter.shape))
        recompute(self.model, self.bn, self.model, torch.clone)

    def vector(self, tensors: Mapping[str, torch.Tensor], place: str) -> torch.Tensor:
        """Return the parameters of a state dict as one vector (P,) in float64, on the device.

        Raises:
            ConfigError: if they are another network's; `place` names them.
        """
        found = []
        for name, parameter in self.model.named_parameters():
            if name not in tensors or tensors[name].shape != parameter.shape:
                shape = tuple(tensors[name].shape) if name in tensors else "missing"
                raise ConfigError(
                    f"{place}: weights of another network ({name} is {shape}, not "
                    f"{tuple(parameter.shape)})"
                )
            found.append(tensors[name].to(parameter.device, torch.float64).reshape(-1))
        return torch.cat(found)


def drawn(run: Run, amount: Amount, seed: int) -> Iterator[Batch]:
    """Yield test images: all, or as many as wanted, drawn by the seed."""
    num = min(amount.of(run.data.num_test), run.data.num_test)
    order = rng.stream(seed, "flatness", "test").permutation(run.data.num_test)
    is_taken = np.zeros(run.data.num_test, dtype=bool)
    is_taken[order[:num]] = True
    start = 0
    for batch in run.data.test_batches():
        taken = torch.from_numpy(is_taken[start : start + len(batch.labels)])
        start += len(batch.labels)
        mine = taken.to(batch.labels.device)
        if taken.any():
            yield Batch(batch.images[mine], batch.labels[mine], batch.num_classes)


def mean_scores(model: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
    """Return mean cross-entropy and error over batches; one synchronisation at the end."""
    losses, wrong, count = [], [], 0
    with torch.inference_mode():
        for batch in batches:
            logits = model(batch.images)
            losses.append(F.cross_entropy(logits, batch.labels, reduction="sum").double())
            wrong.append((logits.argmax(1) != batch.labels).sum())
            count += len(batch.labels)
    return float(torch.stack(losses).sum()) / count, float(torch.stack(wrong).sum()) / count
