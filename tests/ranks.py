"""What the processes of tests/test_parity.py do: `torchrun -m tests.ranks OUT`.

Each combination is trained by all processes together and, in the first, by itself; OUT receives how
far the weights are apart, and what each option of ddp did.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from trainer import compose
from trainer.cli import main as cli
from trainer.config.run_config import RunConfig
from trainer.core.environment import World
from trainer.loop import fit
from trainer.optim.base import OPTIMIZERS
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.scheduler.base import SCHEDULERS
from trainer.state import Run

DATA = ("data=synthetic", "data.num_train=90", "data.num_test=10", "data.image_shape=[1,6,6]")
BASE = (
    *(
        *DATA,
        "data.num_classes=4",
        "model=mlp",
        "model.hidden=[6]",
        "batch_size=16",
        "max_steps=50",
    ),
    *("epochs=20", "precision=fp64", "threads=1", "report_test=false", "optim.lr=0.02"),
)
# What a schedule cannot do without.
NEEDS = {
    "multistep": ("scheduler.milestones=[40%,80%]",),
    "piecewise_linear": ("scheduler.knots=[[0%,0.2],[30%,1],[100%,0]]",),
    "torch": ("scheduler.lr_scheduler=PolynomialLR", "scheduler.args={total_iters: 40}"),
}


def combinations() -> Iterator[tuple[str, ...]]:
    """Yield words such that each schedule and each optimizer comes up."""
    schedulers, optimizers = SCHEDULERS.names(), OPTIMIZERS.names()
    for i in range(max(len(schedulers), len(optimizers))):
        scheduler = schedulers[i % len(schedulers)]
        optimizer = optimizers[i % len(optimizers)]
        own = NEEDS.get(scheduler, ())
        yield (f"scheduler={scheduler}", f"optim={optimizer}", *own, "model.norm=none")


def config_of(*overrides: str) -> RunConfig:
    """Return the base configuration with words that replace its own."""
    merged = {w.split("=")[0]: w for w in (*BASE, *overrides)}
    return compose(*merged.values())


def trained(config: RunConfig, world: World) -> Run:
    """Return a run after its last step."""
    run, _ = assemble(config, *prepare(config, world))
    for _ in fit(run):
        pass
    return run


def distance(run: Run, *overrides: str) -> float:
    """Return how far the weights of a run of all processes are from those of one by itself."""
    if run.strategy.world.rank != 0:
        return 0.0
    alone = trained(config_of(*overrides, "strategy=auto"), World())
    pairs = zip(run.model.parameters(), alone.model.parameters(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def options(world: World) -> dict[str, Any]:
    """Return what the options of ddp did."""
    few = ("strategy=ddp", "max_steps=6", "accumulate=2", "model.norm=none")
    plain = trained(config_of(*few), world)
    weight = next(plain.model.parameters())
    found: dict[str, Any] = {"is_view": weight.grad is not None and weight.grad._is_view()}
    copied = trained(config_of(*few, "strategy.bucket_view=false"), world)
    first = next(copied.model.parameters())
    found["is_view_without"] = first.grad is not None and first.grad._is_view()
    found["same_without"] = bool(torch.equal(weight, first))
    for name in ("bf16", "fp16"):
        rounded = trained(config_of(*few, f"strategy.compress={name}"), world)
        apart = (next(rounded.model.parameters()) - weight).abs().max()
        found[name] = float(apart / weight.abs().max())
    static = (*few, "accumulate=1", "strategy.static_graph=true")
    run = trained(config_of(*static), world)
    assert isinstance(run.parallel, nn.parallel.DistributedDataParallel)
    found["static"] = run.parallel.static_graph
    found["static_distance"] = distance(run, *few, "accumulate=1")
    found["without_sync"] = exchanges(world)
    return found


def exchanges(world: World) -> list[int]:
    """Return how often gradients were exchanged in each step of four micro-batches."""
    config = config_of("max_steps=3", "accumulate=4", "model.norm=none")
    run, _ = assemble(config, *prepare(config, world))
    assert isinstance(run.parallel, nn.parallel.DistributedDataParallel)
    counts: list[int] = []

    def count(_, bucket):  # torch refuses annotations that are text, as they are here
        counts[-1] += 1
        work: Any = dist.all_reduce(bucket.buffer().div_(world.size), async_op=True)
        return work.get_future().then(lambda f: f.value()[0])

    run.parallel.register_comm_hook(None, count)
    counts.append(0)

    def next_step(_: object) -> bool:
        counts.append(0)
        return False

    for _ in fit(run, pause=next_step):
        pass
    return counts


def main(out: Path) -> None:
    """Write what was found."""
    world = World.from_environment()
    found: dict[str, Any] = {}
    for overrides in combinations():
        run = trained(config_of(*overrides), world)
        found[" ".join(overrides[:2])] = distance(run, *overrides)
    result = {"world_size": world.size, "apart": found}
    result["options"] = options(world) if world.size == 2 else {}
    if world.rank == 0:
        out.write_text(json.dumps(result))
    dist.barrier()
    cli.leave_group(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
