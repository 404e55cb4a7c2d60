"""Every schedule of the registry over one run, as the picture of docs/reference/schedulers.md.

Usage: python -m scripts.draw_schedules [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.scheduler import SCHEDULERS
from trainer.study.schedules import figure

FILE = Path(__file__).resolve().parent.parent / "docs" / "images" / "schedules.png"
# Each with its defaults, but for the class of torch; then what the shared keys do.
WORDS = {"torch": "scheduler.lr_scheduler=CosineAnnealingLR scheduler.args={T_max:100}"}
PANELS = (
    *(f"scheduler={name} {WORDS.get(name, '')}".strip() for name in SCHEDULERS.names()),
    "scheduler=cosine scheduler.warmup=10%",
    "scheduler=cosine scheduler.every=1ep",
    "scheduler=cyclic scheduler.mode=triangular2 scheduler.min_lr=10%",
)


if __name__ == "__main__":
    figure(PANELS).savefig(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
