"""No augmentation."""

from dataclasses import dataclass

from trainer.augment import AUGMENTS, Batch, Clock


@AUGMENTS.register("none")
@dataclass(frozen=True)
class NoAugment:
    """Images stay as they are."""

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Nothing is asked of images that stay as they are."""

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch itself."""
        return batch
