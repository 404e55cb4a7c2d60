"""Our loop beside hand-written ones: MNIST/mlp, and ResNet-9 with crop and flip."""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from collections.abc import Iterator

from scripts.bench.measure import Table, epoch_s, numbers, script

MLP = ("data=mnist", "model=mlp", "optim=adam", "optim.lr=1e-3", "batch_size=256", "threads=2")
RESNET9 = (
    *("data=cifar10_jpeg", "model=resnet9", "model.width=16", "augment=[standard]"),
    *("augment.standard.border=reflect", "precision=bf16", "batch_size=512", "data.last=drop"),
    *("optim.nesterov=true", "optim.weight_decay=5e-4", "loss.label_smoothing=0.1", "threads=2"),
)


def tables(options: Namespace) -> Iterator[Table]:
    """Yield the tables of this file."""
    root = f"data.root={options.data}"
    mlp, lightning = script(options, "mnist_mlp.py"), script(options, "lightning_mnist.py")
    if mlp is not None and (options.data / "MNIST").exists():
        by_hand = (sys.executable, str(mlp), str(options.data))
        arms = {
            "hand-written": lambda: statistics.median(numbers(by_hand)[1:]),
            "ours": lambda: epoch_s(*MLP, root, "epochs=4", "data.val=6000"),
        }
        if options.lightning is not None and lightning is not None:
            for mode in ("mem", "loader"):
                line = (str(options.lightning), str(lightning), str(options.data), mode, "3")
                arms[f"Lightning, {mode}"] = lambda line=line: statistics.median(numbers(line)[1:])
        yield Table("An epoch of MNIST/mlp, 54,000 images, two threads", "s", arms)
    cifar = script(options, "cifar_resnet9.py")
    if cifar is not None and (options.data / "cifar10-jpeg").exists():
        one, two = ((sys.executable, str(cifar), str(options.data), "16", n, "0.1") for n in "12")
        yield Table(
            "An epoch of ResNet-9, width 16, crop and flip, batch 512, bf16, two threads",
            "s",
            {
                "hand-written": lambda: numbers(two)[1] - numbers(one)[1],
                "ours": lambda: epoch_s(*RESNET9, root, "epochs=2"),
            },
            rounds=min(3, options.rounds),
            note="The hand-written epoch is the difference of two runs, of two epochs and of one.",
        )
