"""One process beside two of torchrun on the same model and global batch."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from scripts.bench.measure import Table
from trainer.study.scaling import arms, rate

WORDS = (
    *("data=synthetic", "data.image_shape=[3,32,32]", "data.num_train=2560", "data.num_test=10"),
    *("data.val=0", "model=resnet9", "model.width=16", "batch_size=256", "epochs=3", "threads=1"),
    "report_test=false",
)


def tables(options: Namespace) -> Iterator[Table]:
    """Yield the table of this file."""
    able, unable = arms([2], 0)
    yield Table(
        "Images per second of ResNet-9, width 16, a thread for each process",
        "images/s",
        {arm.name: lambda arm=arm: rate(arm, WORDS) for arm in able},
        note=f"Not run: {'; '.join(unable)}.",
    )
