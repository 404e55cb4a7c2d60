"""Forward pass and loss by `torch.compile`; the optimizer's step stays torch's fused one.

The graph holds no hyperparameter: lr, momentum and weight decay change nothing in it. It is of one
shape, that of a full micro-batch: an epoch's last and smaller one is computed eagerly. Weights are
its inputs, so that the next job of a process finds it compiled.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from trainer.config.run_config import RunConfig
from trainer.core.convert import plain_choice
from trainer.core.environment import has_cxx, set_cache_of_compiler
from trainer.data import Batch
from trainer.loss import Criterion
from trainer.state import Run, forward

# Seconds that compiling took, cold: with the first compilation's imports, and for each layer.
FIRST_S, PER_LAYER_S = 15.0, 0.7


def why_not_compiled(device: torch.device) -> str | None:
    """Return what torch lacks here to compile for a device, or None."""
    if device.type == "cpu" and not has_cxx():
        return "torch.compile needs a C++ compiler, and there is none here (CXX, g++ or clang++)"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton, which is not installed"
    return f"torch.compile is not used on device={device.type}" if device.type == "mps" else None


def compile_seconds(build: Callable[[], nn.Module]) -> float:
    """Return about how long compiling a network takes where nothing is cached."""
    try:
        with torch.device("meta"):
            layers = sum(not any(True for _ in m.children()) for m in build().modules())
    except Exception:  # code of anybody's
        layers = 100
    return FIRST_S + PER_LAYER_S * layers


class Compiled:
    """Forward pass and loss of full micro-batches, compiled; of others, eagerly.

    Args:
        mode: of `torch.compile`.
        images: of a full micro-batch.
    """

    def __init__(self, mode: str, images: int) -> None:
        self.images = images
        self.has_graphs = mode == "reduce-overhead"
        self.compiled: Any = torch.compile(forward, mode=mode, dynamic=False)

    def __call__(
        self, network: nn.Module, criterion: Criterion, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, K) and the mean loss ()."""
        if len(batch.images) != self.images:
            return forward(network, criterion, batch)
        if self.has_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        found: tuple[torch.Tensor, torch.Tensor] = self.compiled(network, criterion, batch)
        return found


@functools.lru_cache(1)  # one program at a time: what came before is forgotten
def compiled_for(program: str, mode: str, images: int) -> Compiled:
    """Return what runs of one program share in this process.

    Args:
        program: network, loss, shapes and formats, as text.
        mode: of `torch.compile`.
        images: of a full micro-batch.
    """
    set_cache_of_compiler()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # "no CUDA"
    torch.compiler.reset()  # torch counts compilations of a function, and stops at eight
    return Compiled(mode, images)


def compile_run(run: Run, config: RunConfig, images: int) -> None:
    """Let a run at its first step compute full micro-batches compiled; changes nothing else of it.

    Raises:
        Exception: whatever torch's compiler raises; the run is as it was.
    """
    start = time.perf_counter()
    parts = [plain_choice(config.model), plain_choice(config.loss), run.data.image_shape]
    words = [*parts, run.data.num_classes, config.precision.name, str(run.device)]
    compiled = compiled_for(json.dumps(words), config.compile.mode, images)
    devices = [run.device] if run.device.type == "cuda" else []
    buffers = [buffer.clone() for buffer in run.model.buffers()]
    try:
        with torch.random.fork_rng(devices):
            batch = first_batch(run, images, is_mixed=config.mix.name != "none")
            with run.precision.autocast():
                _, loss = compiled(run.parallel, run.loss, batch)
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        run.model.train()
        run.parallel.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in zip(run.model.buffers(), buffers, strict=True):
                buffer.copy_(before)
    run.forward = compiled
    run.state.seconds["compile"] = time.perf_counter() - start


def first_batch(run: Run, images: int, *, is_mixed: bool) -> Batch:
    """Return a micro-batch of grey images, laid out as those that come."""
    shape = (images, *run.data.image_shape)
    labels = torch.arange(images, device=run.device) % run.data.num_classes
    grey = torch.full(shape, 128, dtype=torch.uint8, device=run.device)
    batch = Batch(
        grey,
        labels,
        run.data.num_classes,
        step_images=images,
        index=np.arange(images),
        mean=(0.5,) * shape[1],
    )
    batch = run.ready(run.augment(batch, run.clock()))
    if not is_mixed:
        return batch
    soft = F.one_hot(labels, run.data.num_classes).to(batch.images.dtype)
    return replace(batch, targets=soft)
