"""The plane of the principal components of weights."""

import numpy as np
import torch
from numpy.typing import NDArray

LEAST = 3  # snapshots that span a plane


def plane_of(snapshots: torch.Tensor) -> tuple[NDArray[np.float64], torch.Tensor, torch.Tensor]:
    """Return the coordinates (T, 2) of snapshots (T, P) in the plane of their first two principal
    components, its directions (2, P), and their average (P,), through which it goes."""
    centre = snapshots.mean(0)
    _, _, directions = torch.linalg.svd(snapshots - centre, full_matrices=False)
    axes = directions[:2]
    return ((snapshots - centre) @ axes.T).numpy(), axes, centre
