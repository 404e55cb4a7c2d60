"""How long steps of a run's own network take here: measured once, and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from trainer.config.run_config import RunConfig
from trainer.core.convert import plain_choice
from trainer.core.environment import cache_home
from trainer.core.errors import DiskError
from trainer.core.files import replace_text
from trainer.precision.formats import PrecisionChoice
from trainer.precision.step import build_precision
from trainer.record import provenance
from trainer.run.device import layout_for, place
from trainer.run.work import Work

BUDGET_S, ROUNDS = 0.4, 3  # of the timed rounds, and the fewest
MOST_WORK = 1_500_000_000  # multiply-adds of a forward pass, for which fewer images are taken
LEAST_IMAGES = 8


@dataclass(frozen=True)
class Probe:
    """What a step took: the shortest of a few, as other programs only ever lengthen it.

    Attributes:
        images: of the step.
        fp32_s: seconds in fp32.
        bf16_s: seconds in bf16.
    """

    images: int
    fp32_s: float
    bf16_s: float

    @property
    def gain(self) -> float:
        """How many times as fast bf16 is."""
        return self.fp32_s / self.bf16_s


@dataclass(frozen=True)
class Subject:
    """What is probed.

    Attributes:
        config: of the run.
        device: that it computes on.
        image_shape: of its images (C, H, W).
        num_classes: K.
        images: of a micro-batch of one process.
        work: of one image, None where it cannot be counted.
        threads: of computation.
    """

    config: RunConfig
    device: torch.device
    image_shape: tuple[int, int, int]
    num_classes: int
    images: int
    work: Work | None
    threads: int

    @property
    def probed_images(self) -> int:
        """Images of a probed step: those of a micro-batch, or fewer of a large network."""
        if self.work is None or self.device.type != "cpu":
            return self.images
        fitting = MOST_WORK // max(1, self.work.multiply_adds)
        return min(self.images, max(LEAST_IMAGES, fitting))

    def identity(self) -> str:
        """Return the SHA-256 of all that a probe's result depends on."""
        what = [
            plain_choice(self.config.model),
            self.image_shape,
            self.num_classes,
            self.probed_images,
            self.threads,
            provenance.device_name(self.device),
            provenance.host()["processor"],
            provenance.versions(),
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def file_of(subject: Subject) -> Path | None:
    """Return the file in the user's cache that keeps a probe, None where there is no cache."""
    home = cache_home()
    return None if home is None else home / "trainer" / "probes" / f"{subject.identity()}.json"


def kept_probe(subject: Subject) -> Probe | None:
    """Return what was measured before, None where nothing was."""
    file = file_of(subject)
    if file is not None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Probe(**json.loads(file.read_text(encoding="utf-8")))
    return None


def probe(subject: Subject) -> Probe:
    """Return what a step of a network takes, from the user's cache where it was measured before."""
    kept, file = kept_probe(subject), file_of(subject)
    if kept is not None:
        return kept
    found = measure(subject)
    if file is not None:
        with contextlib.suppress(
            OSError, DiskError
        ):  # a full or read-only home costs another probe
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(file, json.dumps(asdict(found)))
    return found


def measure(subject: Subject) -> Probe:
    """Measure steps in fp32 and bf16, interleaved; the first of each is not counted."""
    steps = [ProbedStep(subject, name) for name in ("fp32", "bf16")]
    seconds: list[list[float]] = [[], []]
    for step in steps:
        step()
    start = time.perf_counter()
    while len(seconds[0]) < ROUNDS or time.perf_counter() - start < BUDGET_S:
        for step, found in zip(steps, seconds, strict=True):
            found.append(step())
    return Probe(subject.probed_images, *map(min, seconds))


class ProbedStep:
    """A step of a network of its own: forward, cross entropy, backward, SGD."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.device = subject.device
        self.precision = build_precision(PrecisionChoice(name), subject.device)
        build = subject.config.model.component.build
        torch.manual_seed(0)
        self.model: nn.Module = place(
            build(subject.image_shape, subject.num_classes), subject.device, self.precision.dtype
        )
        shape = (subject.probed_images, *subject.image_shape)
        layout = layout_for(self.model)
        self.images = torch.randn(shape, device=subject.device).contiguous(memory_format=layout)
        self.labels = torch.arange(len(self.images), device=subject.device) % subject.num_classes
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)

    def __call__(self) -> float:
        """Take the step and return its seconds."""
        self.wait()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        with self.precision.autocast():
            loss = F.cross_entropy(self.model(self.images).float(), self.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.wait()
        return time.perf_counter() - start

    def wait(self) -> None:
        """Wait until the device has finished what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
