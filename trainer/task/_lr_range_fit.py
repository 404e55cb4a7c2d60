"""What the losses of a sweep over learning rates say: smoothing, slopes, suggestions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPREADS = 5.0  # standard deviations of a difference of two smoothed losses that a fall must exceed

ROUNDING = 1e-6  # of the loss: less is no fall either


@dataclass(frozen=True)
class LrSweep:
    """Losses along learning rates in equal ratios, before the weights moved; the last may not be
    finite. `diverged`: it ended early because the loss did."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool


@dataclass(frozen=True)
class Finding:
    """What a sweep suggests. Learning rates are None where the loss did not fall, or still fell at
    the end: what is suggested lies within the sweep.

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
    """Return what a sweep suggests, its losses smoothed by a Gauss kernel whose standard deviation
    is `width` steps; at least three steps of it are finite.

    Losses above those of the beginning count as those: an explosion would be smeared over what
    came before it.
    """
    finite = [loss for loss in sweep.losses if math.isfinite(loss)]
    if len(finite) < 3:
        return Finding(tuple(finite))
    losses = np.minimum(finite, max(finite[: max(round(width), 1)]))
    smoothed, slopes = local_lines(losses, width)
    least = int(np.argmin(smoothed))
    most = int(np.argmax(smoothed[: least + 1]))
    heights, _ = weights_of_lines(len(losses), width)
    spread = scatter(losses) * math.sqrt(float((heights[[most, least]] ** 2).sum()))
    fall = float(smoothed[most] - smoothed[least])
    if fall <= max(SPREADS * spread, ROUNDING * float(losses.max())):
        return Finding(tuple(smoothed.tolist()))
    if least == len(losses) - 1 and not sweep.diverged:
        return Finding(tuple(smoothed.tolist()), is_cut_off=True)
    steepest = int(np.argmin(slopes[: least + 1]))
    return Finding(
        tuple(smoothed.tolist()),
        least=sweep.lrs[least],
        steepest=sweep.lrs[steepest],
        minimum_tenth=sweep.lrs[least] / 10.0,
    )


def scatter(losses: Floats) -> float:
    """Return the standard deviation of single losses about their course, from the differences of
    neighbours: batches that are harder than others count, a slow fall does not.

    What is left of a smoothed course would be too small: it follows the scatter.
    """
    return float(np.sqrt(np.mean(np.diff(losses) ** 2) / 2.0))


def local_lines(values: Floats, width: float) -> tuple[Floats, Floats]:
    """Return values and slopes (per step) of straight lines fitted around each step.

    Least squares under a Gauss kernel: unlike a running mean it neither lags nor bends at the ends.
    """
    heights, slopes = weights_of_lines(len(values), width)
    return heights @ values, slopes @ values


def weights_of_lines(steps: int, width: float) -> tuple[Floats, Floats]:
    """Return the weights (steps, steps) by which values give height and slope of the lines."""
    places = np.arange(steps, dtype=np.float64)
    distance = places[None, :] - places[:, None]
    weights = np.exp(-0.5 * (distance / width) ** 2)
    mean = weights / weights.sum(1, keepdims=True)
    middle = (mean * distance).sum(1, keepdims=True)
    slopes = weights * (distance - middle)
    slopes /= (slopes * (distance - middle)).sum(1, keepdims=True)
    return mean - middle * slopes, slopes
