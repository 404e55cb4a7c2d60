"""How a trajectory is looked at; without torch."""

from dataclasses import dataclass
from typing import Literal

from trainer.core.errors import ConfigError
from trainer.core.units import Amount, Duration

LEAST_POINTS, MOST_POINTS = 5, 101
MOST_CHECKPOINTS = 150  # of a trajectory: more are hidden under each other


@dataclass(frozen=True)
class Replay:
    """What is shown of a trajectory.

    Attributes:
        points: of the grid that the loss is computed on, along each axis.
        of: images of the loss: those held out for validation, or the training images.
        images: how many of them at most.
        begin: checkpoints from there on are shown.
    """

    points: int = 25
    of: Literal["val", "train"] = "val"
    images: Amount = Amount(500, False)
    begin: Duration = Duration(0, "%")

    def __post_init__(self) -> None:
        if not LEAST_POINTS <= self.points <= MOST_POINTS:
            raise ConfigError(
                f"--points must be from {LEAST_POINTS} to {MOST_POINTS}, got {self.points}"
            )
        if self.images.value <= 0:
            raise ConfigError(f"--images must be positive, got {self.images}")
