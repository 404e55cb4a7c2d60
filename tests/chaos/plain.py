"""What the attacks are measured against: a training loop as they are often written, that saves with
`torch.save` and goes on from what it finds.

Run as `python -m tests.chaos.plain --out FOLDER`, it trains 120 steps of a small network with
dropout, saves every tenth, and ends with `final.pt`. `tests/chaos/plain_attacks.py` attacks it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn


def main(overrides: Sequence[str] | None = None) -> None:
    """Train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--optimizer", default="sgd")
    options = parser.parse_args(overrides)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    images, labels = torch.randn(384, 64), torch.randint(0, 10, (384,))
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    per_epoch, step = len(images) // options.batch_size, 0
    saved = options.out / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    while step < options.epochs * per_epoch:
        if step % per_epoch == 0 or saved.exists():
            order = torch.randperm(len(images))
        for batch in order.split(options.batch_size)[step % per_epoch :]:
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            time.sleep(0.002)  # as long as a step of a real network, at least
            if step % 10 == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**state, "step": step}, saved)
    torch.save(model.state_dict(), options.out / "final.pt")


if __name__ == "__main__":
    main()
