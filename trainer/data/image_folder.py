"""Anyone's images: a tree of folders, one per class, or files that a CSV file lists."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.core import rng
from trainer.data import DATASETS, Amount, ConfigError, Source
from trainer.data._folder import check_cache_size, read_files
from trainer.data._labels import read_list
from trainer.data._listing import list_tree
from trainer.data._splits import hold_out

log = logging.getLogger(__name__)


@DATASETS.register("image_folder")
@dataclass(frozen=True)
class ImageFolder:
    """PNG, JPEG, WebP or BMP files in `<root>/train/<class>/` and the folders below, and where they
    exist `val/<class>/` (or `valid`, `validation`), `test/<class>/`.

    `data.root` is the folder that holds `train`. Without `val` the shared key `data.val` says how
    many training images are held out for it; without `test` the key `test` here does. Mean and
    deviation are computed from the training images. With `labels` a CSV file says which images
    there are, of what class and split, wherever they lie.

    Attributes:
        labels: a CSV file with the columns `file`, `label` and, where it is wanted, `split`; its
            path is relative to `data.root`, or else to the working folder. None: folders say it.
        cache_size: height and width in pixels at which images are stored after the first use.
        test: images of `train` set aside for testing where there is no folder `test`: a share or a
            count; stratified, and the same for every seed.
    """

    labels: str | None = None
    cache_size: int = 64
    test: Amount = Amount(10.0, True)

    def __post_init__(self) -> None:
        check_cache_size(self.cache_size)
        if self.test.value <= 0:
            raise ConfigError(f"data.test must be positive, got {self.test}")

    def read(self, root: str) -> Source:
        """Return all images, class by class, sorted by the files' paths.

        Raises:
            DataError: if folders are missing, a line of the list is wrong or a file is broken;
                names it.
            ConfigError: if there are too few images to set some aside for testing.
        """
        base = Path(root)
        table = None if self.labels is None else read_list(base, self.labels)
        if table is None:
            tree = list_tree(base, needed=("train",), optional=("test", "val"))
        else:
            tree = table.tree
            for note in table.notes:
                log.warning("%s", note)
        splits = tree.splits
        if "test" not in splits:
            files, generator = splits["train"], rng.stream(0, "image_folder", "test")
            test = hold_out(
                files.labels, self.test, generator, key="data.test", classes=tree.classes
            )
            train = np.setdiff1d(np.arange(len(files.labels)), test, assume_unique=True)
            splits = {**splits, "train": files.take(train), "test": files.take(test)}
        return read_files(
            base,
            "image_folder",
            splits,
            classes=tree.classes,
            cache_size=self.cache_size,
            list_sha256=None if table is None else table.sha256,
        )
