"""How an epoch's images are cut into steps, and steps into micro-batches: arithmetic alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from trainer.core.errors import ConfigError

SMALLEST = 2  # images of a micro-batch of a network with BatchNorm: one has no variance
BECAUSE = ", since the network has BatchNorm, which needs two images"


@dataclass(frozen=True)
class Steps:
    """The steps of one epoch, the same for any number of processes and micro-batches.

    An epoch's images, in its order, are cut every `batch_size`. With `last=keep` the rest is a
    smaller step, but a rest of fewer than an eighth of a batch (or a single image) joins the
    step before; with `last=drop` it is left out. A data set smaller than a batch is one step.

    Attributes:
        num_images: images of an epoch.
        batch_size: images of a step, over all processes and micro-batches.
        last: what becomes of the rest.
        accumulate: micro-batches of a step in each process.
        world_size: processes.
    """

    num_images: int
    batch_size: int
    last: Literal["keep", "drop"] = "keep"
    accumulate: int = 1
    world_size: int = 1

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size, self.accumulate, self.world_size, least=1)
        self.check_least(1)

    def check_least(self, least: int) -> None:
        """Raise ConfigError if a micro-batch has fewer than `least` images."""
        ends = (self.bounds(0), self.bounds(self.count - 1))
        smallest = min(stop - start for start, stop in ends)
        parts = self.world_size * self.accumulate
        if smallest // parts < least:
            raise ConfigError(
                f"batch_size={self.batch_size}, accumulate={self.accumulate} and "
                f"{self.world_size} process(es) cut the {self.num_images} training images into "
                f"micro-batches of {smallest // parts}: the smallest batch has "
                f"{smallest}, and each of its {parts} part(s) needs at least {least}"
                f"{BECAUSE if least > 1 else ''} "
                "(another batch_size, a smaller accumulate, or data.last=drop)"
            )

    @cached_property
    def count(self) -> int:
        """Steps of an epoch, at least 1."""
        full, rest = divmod(self.num_images, self.batch_size)
        own = self.last == "keep" and rest >= max(self.batch_size // 8, SMALLEST)
        return max(full + own, 1)

    def bounds(self, step: int) -> tuple[int, int]:
        """Return first and one past the last position, in the epoch's order, of a step."""
        start, stop = step * self.batch_size, (step + 1) * self.batch_size
        is_last = step == self.count - 1
        if is_last and (self.last == "keep" or self.num_images < self.batch_size):
            stop = self.num_images
        return start, stop

    def shares(self, step: int, rank: int) -> list[tuple[int, int]]:
        """Return the bounds, in the epoch's order, of the micro-batches of one process."""
        start, stop = self.bounds(step)
        parts, size = self.world_size * self.accumulate, stop - start
        mine = range(rank * self.accumulate, (rank + 1) * self.accumulate)
        return [(start + i * size // parts, start + (i + 1) * size // parts) for i in mine]


def check_batch_size(
    batch_size: int, accumulate: int, world_size: int, *, least: int = SMALLEST
) -> None:
    """Refuse a batch that cannot be cut into equal micro-batches of at least so many images.

    Needs no data: may be asked before any is read.

    Args:
        batch_size: images of a step.
        accumulate: micro-batches of a step in each process.
        world_size: processes.
        least: images of a micro-batch: 2 where the network has BatchNorm, else 1.

    Raises:
        ConfigError: naming batch_size, accumulate, the number of processes and the nearest sizes
        that work.
    """
    if accumulate < 1:
        raise ConfigError(f"accumulate must be 1 or more, got {accumulate}")
    parts = world_size * accumulate
    smallest, because = least * parts, BECAUSE if least > 1 else ""
    if batch_size >= smallest and batch_size % parts == 0:
        return
    if parts == 1:
        raise ConfigError(f"batch_size must be {least} or more{because}, got {batch_size}")
    below = max(batch_size // parts * parts, smallest)
    near = f"{below} or {below + parts}" if batch_size > smallest else f"{smallest} or more"
    each = f", with at least {least} images in each part{because}" if least > 1 else ""
    raise ConfigError(
        f"batch_size={batch_size} cannot be shared by {world_size} process(es) "
        f"with accumulate={accumulate}: it must be a multiple of {parts}{each}; the nearest: {near}"
    )


def rank_share(num: int, rank: int, world_size: int) -> tuple[int, int]:
    """Return the bounds of the part of `num` images that a process evaluates."""
    return rank * num // world_size, (rank + 1) * num // world_size


def batch_bounds(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of batches of `size` between two positions; the last may be smaller."""
    return [(low, min(low + size, stop)) for low in range(start, stop, size)]
