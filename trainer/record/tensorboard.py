"""TensorBoard: a view of the record. Nothing reads its files back."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.record.runs import EpochRow, RunRow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger("trainer")

LEGIBLE = 64  # pixels of an image's shorter side

TAGS = {
    "lr": "schedule/lr",
    "momentum": "schedule/momentum",
    "train_loss": "loss/train",
    "val_loss": "loss/val",
    "avg_val_loss": "loss/val_averaged",
    "train_top1": "top1/train",
    "val_top1": "top1/val",
    "avg_val_top1": "top1/val_averaged",
    "val_top5": "top5/val",
    "images_per_s": "speed/images_per_s",
    "train_s": "speed/train_s",
    "average_s": "speed/average_s",
    "eval_s": "speed/eval_s",
    "grad_norm": "gradient/norm",
    "loss_scale": "gradient/loss_scale",
    "skipped_steps": "gradient/skipped_steps",
    "max_memory_bytes": "speed/max_memory_bytes",
}


def chosen_tag(name: str) -> str:
    """Return where a chosen metric is drawn: `f1/val`, `f1/val_averaged`."""
    kind, _, metric = name.partition("val_")
    return f"{metric}/{'val_averaged' if kind else 'val'}"


class TensorBoard:
    """Writes scalars, pictures and the hparams row. It only shows a run: what fails is one warning,
    after which nothing more is written.

    Args:
        folder: of the event files, made with the first of them.
        purge_step: step a resumed run goes on from: what was drawn after it disappears; None for a
            new run.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        self.folder = folder
        self.purge_step = purge_step
        self._writer: SummaryWriter | None = None
        self._is_off = False
        self._attempt(lambda: importlib.import_module("torch.utils.tensorboard"))

    def _attempt(self, work: Callable[[], object]) -> None:
        """Do something unless an earlier attempt failed."""
        if not self._is_off:
            try:
                work()
            except Exception as error:
                self._is_off = True
                reason = " ".join(str(error).split())
                log.warning(
                    "TensorBoard is left out from here on (%s: %s): the numbers are in "
                    "metrics.jsonl and summary.json",
                    type(error).__name__,
                    reason,
                )

    def writer(self) -> SummaryWriter:
        """Return the writer, opened on first use."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            purge = None if self.purge_step is None else self.purge_step + 1
            self._writer = SummaryWriter(str(self.folder), purge_step=purge)
        return self._writer

    def row(self, row: EpochRow) -> None:
        """Draw an epoch's numbers over steps."""
        self._attempt(lambda: self.scalars(row))

    def scalars(self, row: EpochRow) -> None:
        """Write an epoch's numbers."""
        for name, value in row.plain().items():
            tag = chosen_tag(name) if name in row.more else TAGS.get(name)
            if tag is not None:
                self.writer().add_scalar(tag, value, row.step)
        self.writer().flush()

    def images(self, tag: str, images: torch.Tensor, step: int) -> None:
        """Draw a grid of images (B, C, H, W), each stretched to the full range; small ones are
        enlarged, pixel by pixel, to be seen."""
        flattened = images.detach().float().cpu()
        low, high = flattened.amin((1, 2, 3), keepdim=True), flattened.amax((1, 2, 3), keepdim=True)
        shown = (flattened - low) / (high - low).clamp_min(1e-8)
        shown = shown if shown.shape[1] in (1, 3) else shown[:, :1]
        times = -(-LEGIBLE // min(shown.shape[2:]))
        shown = shown.repeat_interleave(times, 2).repeat_interleave(times, 3)
        self.writer().add_images(tag, shown, step)

    def pictures(self, pictures: Mapping[str, NDArray[np.uint8]], text: str, step: int) -> None:
        """Show pictures (H, W, 3) of what the network mistakes, and its classes in a table."""

        def show() -> None:
            for name, picture in pictures.items():
                self.writer().add_image(f"errors/{name}", picture, step, dataformats="HWC")
            self.writer().add_text("errors/classes", text, step)

        self._attempt(show)

    def finish(self, images: Callable[[], torch.Tensor], row: RunRow) -> None:
        """Draw training images (B, C, H, W) as the network sees them, and write the hparams row."""
        self._attempt(
            lambda: self.images("images/train_as_the_network_sees_them", images(), 0),
        )
        self._attempt(lambda: self.results(row))

    def results(self, row: RunRow) -> None:
        """Write the row of the hparams table: the configuration and the final numbers."""
        kept = {
            k: v if isinstance(v, (bool, int, float, str)) else str(v)
            for k, v in row.settings.items()
        }
        results = {
            "best_val_top1": row.best_val_top1,
            "val_top1": row.val_top1,
            **{f"test_{name}": value for name, value in (row.test or {}).items()},
            **{f"test_avg_{name}": value for name, value in (row.test_avg or {}).items()},
        }
        final = {f"final/{k}": v for k, v in results.items() if v is not None}
        self.writer().add_hparams(kept, final, run_name=".")

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._attempt(self._writer.close)
