"""Sums over images, kept on the device and reduced once."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainer.core.errors import Diverged
from trainer.data import Batch

Total = Callable[[torch.Tensor], torch.Tensor]

VALIDATED, AVERAGED = "val_", "avg_"  # how metrics on validation images and of averages are named

# Metrics of an epoch's row that a run can be judged by, and whether larger is better.
LARGER_IS_BETTER: Mapping[str, bool] = {
    "train_loss": False,
    "train_top1": True,
    "val_loss": False,
    "val_top1": True,
    "val_top5": True,
    "avg_val_loss": False,
    "avg_val_top1": True,
}


def watchable(*, has_val: bool, has_average: bool) -> dict[str, bool]:
    """Return the metrics that a run measures at ends of epochs and can be judged by, and whether
    larger is better.

    Args:
        has_val: whether images are held out for validation.
        has_average: whether there are averaged weights, which are measured on those images.
    """
    return {
        name: is_larger
        for name, is_larger in LARGER_IS_BETTER.items()
        if (has_val or VALIDATED not in name) and (has_average or not name.startswith(AVERAGED))
    }


@dataclass(frozen=True)
class Metrics:
    """Means over the images of an epoch (or the part of it that was trained).

    Attributes:
        loss: mean training loss per image.
        top1: target mass on the predicted class: the accuracy, weighted by lambda where examples
            were mixed.
        num_images: images trained on.
        grad_norm: global gradient norm of the last step before clipping; None where a loss scaler
            skipped it.
    """

    loss: float
    top1: float
    num_images: int
    grad_norm: float | None


class Meter:
    """Collects one epoch of training, without a device synchronisation until `reduce`.

    Args:
        first: step of the epoch's first step.
        num_steps: steps of the epoch.
        device: where the sums live.
        dtype: of the losses.
    """

    def __init__(
        self, first: int, num_steps: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.first = first
        self.losses = torch.zeros(num_steps, dtype=dtype, device=device)
        self.hits = torch.zeros((), dtype=dtype, device=device)
        self.grad_norm: torch.Tensor | None = None
        self.sizes: list[int] = []
        self.seen = 0  # images that `hits` of this process is counted over
        self.is_open = False

    def open(self, step_images: int) -> None:
        """Begin the next step, of that many images over all processes."""
        self.sizes.append(step_images)
        self.is_open = True

    def close(self) -> None:
        """End the step: what an optimizer's closure computes again is not counted."""
        self.is_open = False

    def add(self, loss: torch.Tensor, logits: torch.Tensor, batch: Batch) -> None:
        """Count a micro-batch: its loss () is its share of the step's mean loss."""
        if not self.is_open:
            return
        self.losses[len(self.sizes) - 1].add_(loss.detach())
        predicted = logits.argmax(1)
        self.seen += len(predicted)
        if batch.targets is None:
            self.hits += (predicted == batch.labels).sum()
        else:
            self.hits += batch.targets.gather(1, predicted.unsqueeze(1)).sum()

    def reduce(self, total: Total) -> Metrics:
        """Return the epoch's means over all processes, over which `total` sums a tensor.

        Raises:
            Diverged: naming the first step whose loss is not finite, or the last if only its
                gradient is not.
        """
        losses = total(self.losses)[: len(self.sizes)].double().cpu()
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            raise Diverged(self.first + int(bad[0]))
        grad_norm = None if self.grad_norm is None else float(self.grad_norm)
        if grad_norm is not None and not math.isfinite(grad_norm):
            raise Diverged(self.first + len(self.sizes) - 1, "gradient")
        num_images = sum(self.sizes)
        loss = float((losses * torch.tensor(self.sizes, dtype=torch.float64)).sum()) / num_images
        return Metrics(loss, float(total(self.hits)) / num_images, num_images, grad_norm)

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of this process."""
        return {
            "first": self.first,
            "losses": self.losses.cpu(),
            "hits": self.hits.cpu(),
            "sizes": list(self.sizes),
            "seen": self.seen,
            "grad_norm": None if self.grad_norm is None else self.grad_norm.cpu(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the sums of a checkpoint; this one is new, for the rest of the epoch."""
        self.first = int(state["first"])
        self.sizes = [int(n) for n in state["sizes"]]
        self.seen = int(state["seen"])
        done, remaining = len(self.sizes), len(self.losses)
        losses = self.losses.new_zeros(done + remaining)
        losses[:done] = state["losses"].to(losses)[:done]
        self.losses = losses
        self.hits = state["hits"].to(self.hits)
        grad_norm = state.get("grad_norm")  # of an epoch that is trained and not evaluated yet
        self.grad_norm = None if grad_norm is None else grad_norm.to(self.losses.device)


def wide(logits: torch.Tensor) -> torch.Tensor:
    """Return logits in at least float32: sums and means are not taken in a half format."""
    return logits if logits.dtype == torch.float64 else logits.float()


def check_weights(parameters: Iterable[nn.Parameter], step: int) -> None:
    """Raise Diverged unless every weight is finite after `step`; synchronises once."""
    with torch.no_grad():
        largest = nn.utils.get_total_norm(list(parameters), norm_type=float("inf"))
    if not math.isfinite(largest):
        raise Diverged(step, "largest weight")


@dataclass(frozen=True)
class Scores:
    """Means over a split.

    Attributes:
        loss: mean cross entropy per image, without label smoothing.
        top1: share of images whose label is the first guess; of equal logits the lower class is.
        top5: share whose label is among the first five, by the same order; None where there are no
            more than five classes.
        num_images: images counted.
        more: chosen metrics by name, those that are defined.
    """

    loss: float
    top1: float
    top5: float | None
    num_images: int
    more: Mapping[str, float] = field(default_factory=dict, hash=False)


def check_scores(scores: Scores | None, step: int, what: str) -> Scores | None:
    """Return scores; raise Diverged if their loss is not finite: no number stands for that."""
    if scores is not None and not math.isfinite(scores.loss):
        raise Diverged(step, f"{what} loss")
    return scores


def guessing(scores: Scores | None, counts: Sequence[int]) -> str | None:
    """Return in words that scores on a split, with `counts` images of each class, are no better
    than a guess; None where they are better, or where there are none.

    Both must be: a loss above that of equal probabilities, and hits within two standard errors of
    those that one answer for all images has, or fewer.
    """
    if scores is None:
        return None
    loss, top1 = math.log(len(counts)), max(counts) / sum(counts)
    error = math.sqrt(top1 * (1 - top1) / scores.num_images)
    if scores.loss <= loss or scores.top1 > top1 + 2 * error:
        return None
    return (
        f"loss {scores.loss:.4g} and accuracy {scores.top1:.1%} are no better than guessing "
        f"({loss:.4g} and {top1:.1%})"
    )


def is_among(count: int, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return for each image (B,) whether its label is among the first guesses. Of equal logits
    (B, K) the lower class comes first, as for `argmax`; `topk` promises no order."""
    label = labels.unsqueeze(1)
    own = logits.gather(1, label)  # (B, 1)
    is_lower = torch.arange(logits.shape[1], device=logits.device) < label  # (B, K)
    before = (logits > own) | ((logits == own) & is_lower)
    return before.sum(1) < count


class Tally:
    """Counts an evaluation exactly: integers for hits, float64 for the loss, image by image, so
    that the sizes of batches do not count."""

    def __init__(self, device: torch.device) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64  # mps has no float64
        self.loss = torch.zeros((), dtype=exact, device=device)
        # images, top-1 hits, top-5 hits
        self.counts = torch.zeros(3, dtype=torch.int64, device=device)

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch of logits (B, K)."""
        numbers = wide(logits)
        losses = torch.nn.functional.cross_entropy(numbers, labels, reduction="none")  # (B,)
        self.loss += losses.sum(dtype=self.loss.dtype)
        images = torch.tensor(len(labels), device=logits.device)
        hits = numbers.argmax(1) == labels
        self.counts += torch.stack((images, hits.sum(), is_among(5, numbers, labels).sum()))

    def reduce(self, total: Total, num_classes: int) -> Scores | None:
        """Return the means over all processes, or None where no image was counted."""
        num_images, hits1, hits5 = total(self.counts).tolist()
        loss = float(total(self.loss))
        if not num_images:
            return None
        top5 = hits5 / num_images if num_classes > 5 else None
        return Scores(loss / num_images, hits1 / num_images, top5, num_images)
