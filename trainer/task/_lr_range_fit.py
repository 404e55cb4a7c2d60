"""What the losses of a sweep over learning rates say: smoothing, slopes, suggestions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCATTERS = 3.0  # standard deviations of single losses that a fall must exceed to be one

ROUNDING = 1e-6  # of the loss: less is no fall either


@dataclass(frozen=True)
class LrSweep:
    """Losses along a rising learning rate.

    Attributes:
        lrs: of each step, in equal ratios.
        losses: of the step's images, before its weights moved; the last may not be finite.
        diverged: whether it ended early because the loss did.
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool


@dataclass(frozen=True)
class Finding:
    """What a sweep suggests. Learning rates are None where the loss did not fall.

    Attributes:
        smoothed: the losses without their scatter, as far as they are finite.
        least: learning rate at which the smoothed loss is least.
        steepest: at which it falls fastest, per decade of the learning rate, up to there.
        minimum_tenth: a tenth of `least`.
        is_cut_off: whether the loss still fell at the end of the sweep.
    """

    smoothed: tuple[float, ...]
    least: float | None = None
    steepest: float | None = None
    minimum_tenth: float | None = None
    is_cut_off: bool = False


def ramp(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Return `steps` learning rates from `low` to `high` in equal ratios."""
    ratio = math.log(high / low)
    return tuple(low * math.exp(ratio * i / (steps - 1)) for i in range(steps))


def has_diverged(losses: Sequence[float], width: int, factor: float) -> bool:
    """Return whether the loss has left: not finite, or its mean over the last `width` steps more
    than `factor` times the least such mean."""
    if not math.isfinite(losses[-1]):
        return True
    means = [
        math.fsum(losses[max(end - width, 0) : end]) / min(width, end)
        for end in range(1, len(losses) + 1)
    ]
    return means[-1] > factor * min(means)


def find(sweep: LrSweep, width: float) -> Finding:
    """Return what a sweep suggests.

    Losses above those of the beginning count as those: an explosion would be smeared over what
    came before it.

    Args:
        sweep: at least three steps of it are finite.
        width: steps over which losses are smoothed: the standard deviation of a Gauss kernel.
    """
    finite = [loss for loss in sweep.losses if math.isfinite(loss)]
    if len(finite) < 3:
        return Finding(tuple(finite))
    losses = np.minimum(finite, max(finite[: max(round(width), 1)]))
    smoothed, slopes = local_lines(losses, width)
    least = int(np.argmin(smoothed))
    scatter = float(np.std(losses[: least + 1] - smoothed[: least + 1]))
    fall = float(smoothed[: least + 1].max() - smoothed[least])
    if fall <= max(SCATTERS * scatter, ROUNDING * float(losses.max())):
        return Finding(tuple(smoothed.tolist()))
    steepest = int(np.argmin(slopes[: least + 1]))
    return Finding(
        tuple(smoothed.tolist()),
        least=sweep.lrs[least],
        steepest=sweep.lrs[steepest],
        minimum_tenth=sweep.lrs[least] / 10.0,
        is_cut_off=least == len(losses) - 1 and not sweep.diverged,
    )


def local_lines(values: Floats, width: float) -> tuple[Floats, Floats]:
    """Return values and slopes (per step) of straight lines fitted around each step.

    Least squares under a Gauss kernel: unlike a running mean it neither lags nor bends at the ends.
    """
    places = np.arange(len(values), dtype=np.float64)
    distance = places[None, :] - places[:, None]  # (steps, steps)
    weights = np.exp(-0.5 * (distance / width) ** 2)
    total = weights.sum(1)
    middle = (weights * distance).sum(1) / total
    mean = weights @ values / total
    centred = distance - middle[:, None]
    slopes = (weights * centred) @ values / (weights * centred**2).sum(1)
    return mean - slopes * middle, slopes
