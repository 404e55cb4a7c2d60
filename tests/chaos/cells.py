"""A matrix of configurations in which as many pairs of choices as possible meet."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations

# Eleven steps an epoch, the last a smaller one; forty in all, a checkpoint at every third.
BASE = (
    *("data=synthetic", "data.num_train=184", "data.num_test=20", "data.image_shape=[1,8,8]"),
    *("batch_size=16", "epochs=4", "max_steps=40", "checkpoint.every=3st", "threads=1"),
    "optim.lr=0.01",
)
DROPOUT = "model=wide_resnet model.depth=10 model.widen_factor=1 model.dropout=0.3"
FACTORS: dict[str, tuple[str, ...]] = {
    "scheduler": (
        "scheduler=cosine scheduler.warmup=5st",
        "scheduler=step",
        "scheduler=cyclic",
        "scheduler=onecycle",
        "scheduler=plateau scheduler.patience=0ep scheduler.threshold=0.9",
        "scheduler=cosine_restarts",
        "scheduler=swa scheduler.every=1ep",
        "scheduler=polynomial",
    ),
    "optim": (
        "optim=sgd",
        "optim=adam",
        "optim=muon optim.ns_steps=2",
        "optim=lion optim.lr=0.001",
        "optim=lamb",
        "optim=rmsprop optim.lr=0.001",
    ),
    "average": (
        "average=none",
        "average=ema average.start=4st",
        "average=swa average.start=20% average.every=4st",
        "average=lookahead",
        "average=swa_paper",
    ),
    "mix": ("mix=none", "mix=mixup", "mix=cutmix", "mix=mixup_or_cutmix mix.partners=independent"),
    "precision": (
        "precision=fp32",
        "precision=bf16",
        "precision=fp16 precision.init_scale=1e9 precision.growth_interval=10",
        "precision=O2 precision.growth_interval=10",
        "precision=fp64",
    ),
    "model": ("model=mlp model.hidden=[16]", DROPOUT),
    "accumulate": ("accumulate=1", "accumulate=2"),
    "workers": ("data.workers=0", "data.workers=2 data.resident_share=0"),
    "background": ("checkpoint.background=false", "checkpoint.background=true"),
    "extra": (
        "augment=[none]",
        "augment=[shift,standard]",
        "clip_norm=1.0",
        "optim.weight_decay=0.01 "
        "optim.groups=[no_bias_decay,{match:first,scheduler:cosine,freeze_after:40%}]",
    ),
}
Pair = tuple[tuple[str, int], tuple[str, int]]
Cell = dict[str, int]  # number of the level, by factor


def overrides_of(cell: Cell) -> tuple[str, ...]:
    """Return a cell as words of a command line."""
    return (*BASE, *(w for name, level in cell.items() for w in FACTORS[name][level].split()))


def pairs_of(cell: Cell) -> set[Pair]:
    """Return the pairs of choices that meet in a cell."""
    return set(combinations(sorted(cell.items()), 2))


def all_pairs() -> set[Pair]:
    """Return all pairs that there are."""
    found: set[Pair] = set()
    for one, other in combinations(sorted(FACTORS), 2):
        found |= {
            ((one, i), (other, j))
            for i in range(len(FACTORS[one]))
            for j in range(len(FACTORS[other]))
        }
    return found


def matrix(seed: int, count: int = 12) -> list[Cell]:
    """Return cells: each choice in at least one, each new cell the one of many drawn that brings
    the most pairs not seen yet."""
    draw, left, cells = random.Random(f"cells {seed}"), all_pairs(), []
    orders = {name: list(rotation(range(len(levels)), draw)) for name, levels in FACTORS.items()}
    for number in range(count):
        candidates = list(draws(orders, number, draw))
        best = max(candidates, key=lambda cell: len(pairs_of(cell) & left))
        left -= pairs_of(best)
        cells.append(best)
    return cells


def rotation(levels: Sequence[int], draw: random.Random) -> Iterator[int]:
    """Yield the levels in an order drawn."""
    yield from draw.sample(levels, len(levels))


def draws(orders: dict[str, list[int]], number: int, draw: random.Random) -> Iterator[Cell]:
    """Yield sixty candidates for a cell: a factor's levels come in turn until each was there."""
    for _ in range(60):
        yield {
            name: order[number] if number < len(order) else draw.choice(order)
            for name, order in orders.items()
        }


def coverage(cells: Sequence[Cell]) -> float:
    """Return the share of all pairs that meet somewhere."""
    seen = set().union(*map(pairs_of, cells))
    return len(seen) / len(all_pairs())
