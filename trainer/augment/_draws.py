"""Random numbers of an augmentation: drawn for a whole step and sliced.

So they do not depend on the worker, the process, or how many of them there are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core.clock import Clock
from trainer.data import Batch

Numbers = NDArray[Any]
Make = Callable[[np.random.Generator, int], Numbers]

BLOCK = 32  # bytes that Philox gives for one value of its counter


def draw(batch: Batch, clock: Clock, name: str, make: Make) -> torch.Tensor:
    """Return a micro-batch's share of random numbers, on the device of its images.

    Args:
        batch: the micro-batch; its place in the step picks the slice.
        clock: the step.
        name: name of the draw, its own for every augmentation and purpose.
        make: `make(generator, n)` returns n draws, one per image of the step.
    """
    return to_device(draw_numbers(batch, clock, name, make), batch.images)


def draw_numbers(batch: Batch, clock: Clock, name: str, make: Make) -> Numbers:
    """Return the same as an array, for what is decided before the device has to know."""
    numbers = make(_generator(batch, clock, name), batch.step_images)
    return numbers[batch.start : batch.start + len(batch.labels)]


def draw_noise(batch: Batch, clock: Clock, name: str) -> torch.Tensor:
    """Return uniform random bytes (B, C, H, W); only the micro-batch's own are drawn."""
    shape = batch.images.shape
    blocks = -(-shape[1:].numel() // BLOCK)  # of an image, rounded up
    generator = _generator(batch, clock, name)
    philox = generator.bit_generator
    assert isinstance(philox, np.random.Philox)
    philox.advance(batch.start * blocks)
    noise = np.frombuffer(bytearray(generator.bytes(len(batch.labels) * blocks * BLOCK)), np.uint8)
    rows = noise.reshape(len(batch.labels), blocks * BLOCK)[:, : shape[1:].numel()]
    return to_device(rows, batch.images).reshape(shape)


def to_device(numbers: Numbers, images: torch.Tensor) -> torch.Tensor:
    """Return numbers as a tensor where the images are."""
    # from memory that is not pinned the copy is staged at once, and nobody has to wait for it
    return torch.from_numpy(numbers).to(images.device, non_blocking=True)


def _generator(batch: Batch, clock: Clock, name: str) -> np.random.Generator:
    """Return the generator of a draw at a step; a partner has its own."""
    names = ("augment", "partner", name) if batch.is_partner else ("augment", name)
    return clock.stream(*names)
